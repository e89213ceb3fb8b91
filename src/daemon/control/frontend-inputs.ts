// The inputs of a frontend: what other builds of the client's made, and graphs. They become contexts of the build, and
// one of them may have its Dockerfile.

import { parseDigest } from "../../../builder/core/digest.ts";
import type { ExportSpec } from "../../../builder/request.ts";
import type { Definition } from "../../api/proto/llb.ts";
import type { Of } from "../../api/proto/message.ts";
import type { FrontendInput } from "../build/contexts.ts";
import { ABILITIES } from "./capabilities.ts";
import type { Wanted } from "./gateway.ts";
import type { Job } from "./jobs.ts";
import { lookInto } from "./look.ts";
import { resultInGraph } from "./result-graph.ts";
import type { SolveWorld } from "./job-build.ts";
import { buildPart } from "./job-build.ts";

/**
 * The inputs by name. Results are made now, as images of the store: the other builds of the client's whose they are last
 * until this is done, and their files lie in the sessions of these. Throws `RpcError`.
 */
export async function frontendInputs(
  world: SolveWorld,
  job: Job,
  inputs: ReadonlyMap<string, Of<typeof Definition>>,
): Promise<ReadonlyMap<string, FrontendInput>> {
  const found = new Map<string, FrontendInput>();
  for (const [name, graph] of inputs) {
    const result = resultInGraph(graph);
    found.set(name, result === undefined ? graphInput(world, job, graph) : await resultInput(world, job, result));
  }
  return found;
}

function graphInput(world: SolveWorld, job: Job, message: Of<typeof Definition>): FrontendInput {
  const definition = { message, abilities: ABILITIES, config: undefined };
  return { kind: "graph", definition, file: fileOf(world, job, { attrs: new Map(), definition }) };
}

async function resultInput(world: SolveWorld, job: Job, result: string): Promise<FrontendInput> {
  const { gateway, session, policies } = world.jobs.owning(result);
  const wanted = gateway.find(result);
  const attrs = new Map([...wanted.attrs].filter(([key]) => !key.startsWith("attest:")));
  // Told of in the log of the build that needs it.
  const here = { ...job, session, policies: [...policies, ...job.policies] };
  const { digest } = await buildPart(world, here, { ...wanted, attrs }, [INPUT_IMAGE], isOfGraph);
  return { kind: "image", digest: parseDigest(digest ?? ""), file: fileOf(world, here, { ...wanted, attrs }) };
}

/** How a Dockerfile was read, and its image made, is told where it is built for itself. */
function isOfGraph(name: string): boolean {
  return !/^(?:\[(?:internal|context [^\]]*)\] load (?:build definition|metadata|\.dockerignore)|exporting to image)/.test(
    name,
  );
}

function fileOf(world: SolveWorld, job: Job, wanted: Wanted): FrontendInput["file"] {
  return async (path) =>
    await lookInto(world, job, wanted, async (files) => {
      const name = Buffer.from(path).toString("latin1");
      return files.has(name) ? await files.read(name, undefined) : undefined;
    });
}

const INPUT_IMAGE: ExportSpec = {
  type: "image",
  image: { names: [], mediaTypes: "oci", compression: "gzip", forceCompression: false, annotations: [] },
  push: false,
  pushByDigest: false,
  store: true,
};
