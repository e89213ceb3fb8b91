// A look into what a build made, without any output.

import type { OutgoingFile } from "../../../builder/core/client-file.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import type { Wanted } from "./gateway.ts";
import type { Job } from "./jobs.ts";
import { ResultFiles } from "./result-files.ts";
import type { SolveWorld } from "./job-build.ts";
import { buildPart } from "./job-build.ts";

/** What a result's files say: it is built if it was not yet. Throws `BuildError`, and what `ask` throws. */
export async function lookInto<T>(
  world: SolveWorld,
  job: Job,
  wanted: Wanted,
  ask: (files: ResultFiles) => T | Promise<T>,
): Promise<Awaited<T>> {
  const answers: PromiseSettledResult<Awaited<T>>[] = [];
  // What is not there is the answer, and no failure of the build.
  const look = async (files: readonly OutgoingFile[]): Promise<void> => {
    const asking = async (): Promise<T> => await ask(new ResultFiles(files));
    answers.push(...(await Promise.allSettled([asking()])));
  };
  await buildPart(world, job, wanted, [{ type: "look", look }]);
  const [answer] = answers;
  if (answer?.status === "fulfilled") return answer.value;
  throw answer?.reason ?? new BuildError("INTERNAL", "a build ended without showing its files");
}
