// Questions about a Dockerfile that build nothing: check, outline, targets. They read the file and look base images
// up as far as a conversion does; no step runs, no layer is fetched, no namespace is entered.

import { convertOptions } from "./engine/convert-options.ts";
import type { BuildError } from "./core/errors.ts";
import { asBuildError } from "./core/errors.ts";
import { convert } from "./dockerfile/convert/convert.ts";
import type { ConvertOptions } from "./dockerfile/convert/plan.ts";
import type { LintFinding } from "./dockerfile/instruction.ts";
import { readDockerfile } from "./dockerfile/instructions.ts";
import { describe } from "./dockerfile/subrequests/describe.ts";
import { lintAnswer } from "./dockerfile/subrequests/lint.ts";
import { outline } from "./dockerfile/subrequests/outline.ts";
import { targets } from "./dockerfile/subrequests/targets.ts";
import type { Answer } from "./dockerfile/subrequests/text.ts";
import { openEngine } from "./engine.ts";
import { findingEvent } from "./engine/finding-events.ts";
import type { DockerfileSource } from "./engine/contexts/inputs.ts";
import { InputLoader } from "./engine/contexts/inputs.ts";
import type { BuildRequest } from "./request.ts";

/** What can be asked, by buildx's names. */
export type Question = "check" | "outline" | "targets" | "subrequests.describe";

/** An answer in BuildKit's JSON and in its text. */
export interface CallResult extends Answer {
  /** Lint rules that fired; of other questions always 0. */
  readonly findings: number;
  /** Of `check`: what a build of the file would fail with. */
  readonly error: BuildError | undefined;
}

/** Asks about the request's Dockerfile. Throws what reading it throws, and for other questions than `check` what converting it throws. */
export async function call(request: BuildRequest, question: Question, signal: AbortSignal): Promise<CallResult> {
  await using engine = await openEngine({ root: request.root, limits: request.limits });
  await using inputs = new InputLoader(engine, request, signal);
  const source = await inputs.dockerfile();
  const options = convertOptions(request, request.platforms[0] ?? request.hostPlatform);
  switch (question) {
    case "check":
      return await check(source, options, inputs, signal);
    case "outline":
      return withoutFindings(await readOutline(source, options, inputs, request, signal));
    case "targets":
      return withoutFindings(targets(readDockerfile(source.bytes, source.name, { check: "skip=all" }), source.bytes));
    case "subrequests.describe":
      return withoutFindings(describe());
  }
}

function withoutFindings(answer: Answer): CallResult {
  return { ...answer, findings: 0, error: undefined };
}

/** All stages are checked, or those that the target needs where one is given. */
async function check(
  source: DockerfileSource,
  options: ConvertOptions,
  inputs: InputLoader,
  signal: AbortSignal,
): Promise<CallResult> {
  const findings: LintFinding[] = [];
  const onFinding = (finding: LintFinding): void => void findings.push(finding);
  let error: BuildError | undefined;
  try {
    const dockerfile = readDockerfile(source.bytes, source.name, {
      check: options.check,
      onFinding,
      frontend: inputs.frontend(),
    });
    await convert(dockerfile, { ...options, onFinding, allStages: options.target === undefined }, inputs, signal);
  } catch (thrown) {
    error = asBuildError(thrown);
    // Not the Dockerfile's fault.
    if (signal.aborted || error.code === "INTERNAL" || error.code === "USAGE" || error.code === "STORE") throw thrown;
  }
  return { ...lintAnswer(source, findings, error), findings: findings.length, error };
}

async function readOutline(
  source: DockerfileSource,
  options: ConvertOptions,
  inputs: InputLoader,
  request: BuildRequest,
  signal: AbortSignal,
): Promise<Answer> {
  const file = { name: source.name, text: Buffer.from(source.bytes).toString("utf8"), vertex: source.vertex };
  const onFinding = (finding: LintFinding): void => request.events(findingEvent(finding, file));
  const dockerfile = readDockerfile(source.bytes, source.name, {
    check: options.check,
    onFinding,
    frontend: inputs.frontend(),
  });
  return await outline(dockerfile, source.bytes, { ...options, onFinding }, inputs, signal);
}
