// The inputs of a frontend: what other builds of the client's made, and graphs. They become contexts of the build, and
// one of them may have its Dockerfile.

import type { Digest } from "../../../builder/core/digest.ts";
import { parseDigest } from "../../../builder/core/digest.ts";
import type { ExportSpec } from "../../../builder/request.ts";
import type { Definition } from "../../api/proto/llb.ts";
import type { Of } from "../../api/proto/message.ts";
import type { FrontendInput } from "../build/contexts.ts";
import type { AskedDefinition } from "../build/definition.ts";
import { ABILITIES } from "./capabilities.ts";
import type { Wanted } from "./gateway.ts";
import type { Job } from "./jobs.ts";
import { lookInto } from "./look.ts";
import { resultInGraph, resultsUnder } from "./result-graph.ts";
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
    found.set(name, await (result === undefined ? graphInput(world, job, graph) : resultInput(world, job, result)));
  }
  return found;
}

/** A client's graph, with what it stands on. Throws `RpcError`. */
export async function askedGraph(
  world: SolveWorld,
  job: Job,
  message: Of<typeof Definition>,
): Promise<AskedDefinition> {
  const results = new Map<string, Digest>();
  for (const id of resultsUnder(message)) results.set(id, await imageOfResult(world, job, id));
  return { message, abilities: ABILITIES, config: undefined, results };
}

async function graphInput(world: SolveWorld, job: Job, message: Of<typeof Definition>): Promise<FrontendInput> {
  const definition = await askedGraph(world, job, message);
  return { kind: "graph", definition, file: fileOf(world, job, { attrs: new Map(), definition }) };
}

async function resultInput(world: SolveWorld, job: Job, result: string): Promise<FrontendInput> {
  const { wanted, here } = madeIn(world, job, result);
  return { kind: "image", digest: await imageOfResult(world, job, result), file: fileOf(world, here, wanted) };
}

async function imageOfResult(world: SolveWorld, job: Job, result: string): Promise<Digest> {
  const { wanted, here } = madeIn(world, job, result);
  const { digest } = await buildPart(world, here, wanted, [INPUT_IMAGE], isOfGraph);
  return parseDigest(digest ?? "");
}

/** A result with the build that it is of; it is told of in the log of the build that needs it. */
function madeIn(world: SolveWorld, job: Job, result: string): { readonly wanted: Wanted; readonly here: Job } {
  const { gateway, session, policies } = world.jobs.owning(result);
  const wanted = gateway.find(result);
  const attrs = new Map([...wanted.attrs].filter(([key]) => !key.startsWith("attest:")));
  return { wanted: { ...wanted, attrs }, here: { ...job, session, policies: [...policies, ...job.policies] } };
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
