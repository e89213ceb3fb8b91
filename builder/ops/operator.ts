// One op to one result: hands each kind to its file, which is loaded when an op of that kind runs: in a build of which
// everything is known, none does.

import { BuildError } from "../core/errors.ts";
import type { FileOp, SourceOp } from "../graph/op.ts";
import type { Vertex } from "../graph/vertex.ts";
import type { FileTree } from "../layer/tree/file-tree.ts";
import type { Operator } from "../solver/operator.ts";
import { readTakenFiles, takenBytes } from "./context-files.ts";
import type { OpContext } from "./engine-parts.ts";
import { wholeTree } from "./file/whole-tree.ts";
import { builtUpon, keyOf, opFact, readsFrom } from "./keys.ts";
import type { OpResult } from "./result.ts";
import { RefResult, TreeResult } from "./result.ts";
import { SharedRuns } from "./shared-runs.ts";

/** The operator of one build. */
export function refOperator(context: OpContext): Operator<OpResult> {
  const runs = new SharedRuns();
  return {
    key: (vertex, inputs, signal) => keyOf(vertex, inputs, context, signal),
    builtUpon,
    readsFrom,
    isTransient: (vertex) => vertex.op.kind === "source" || vertex.op.kind === "merge",
    takesSlot: (vertex) => vertex.op.kind === "exec",
    async run(vertex, inputs, signal) {
      const { op } = vertex;
      switch (op.kind) {
        case "source":
          return await loadSource(context, vertex, op, signal);
        case "exec": {
          const { runExec } = await import("./exec.ts");
          return await runs.resultOf({ ...vertex, op }, () => runExec(context, vertex, op, inputs, signal));
        }
        case "file":
          return await runFile(context, vertex, op, inputs, signal);
        case "merge": {
          const refs = await Promise.all(inputs.map((input) => input.ref(signal)));
          return new RefResult({ layers: refs.flatMap((ref) => ref.layers) }, inputs[0]);
        }
        case "diff": {
          const { layerDifference } = await import("./diff.ts");
          return new RefResult(await layerDifference(context, vertex, inputs, signal));
        }
      }
    },
  };
}

async function loadSource(context: OpContext, vertex: Vertex, op: SourceOp, signal: AbortSignal): Promise<OpResult> {
  if (op.source.type === "image") {
    const step = { vertex: vertex.digest, name: vertex.options.name };
    const ref = await context.sources.image(op.source.id, step, signal);
    // A RUN will need all of it unpacked: that begins now, and whoever wants something of it sooner reads along.
    if (context.isForRun(vertex.digest) && context.layers.place.privileged)
      for (const layer of ref.layers) layer.directory(signal).catch(() => undefined);
    return new RefResult(ref);
  }
  const tree = await context.sources.tree(op.source, vertex.digest, signal);
  if (op.source.type === "local") await transferContext(context, vertex, op.source.name, tree, signal);
  return new TreeResult(tree, async (whole, toRefSignal) => {
    const { entries } = await wholeTree(whole, toRefSignal);
    const layer = await context.layers.fromEntries(
      entries,
      { directory: true, hardlinkSources: false, blob: context.blobOptions, createdMs: context.now() },
      toRefSignal,
    );
    return { layers: [layer] };
  });
}

/** Nothing is moved, as files are read where they lie; the name is BuildKit's, and the size that of what the build takes. */
async function transferContext(
  { readers, events, facts, now }: OpContext,
  { digest }: Vertex,
  source: string,
  tree: FileTree,
  signal: AbortSignal,
): Promise<void> {
  const name = `transferring ${source}:`;
  const status = { kind: "status" as const, vertex: digest, id: name, name, total: 0, started: now() };
  let current = 0;
  const progress = (bytes: number): void => {
    current = bytes;
    if (now() - status.started > PROGRESS_AFTER_MS) events({ ...status, current });
  };
  const takers = readers.get(digest) ?? [];
  const taken = takenBytes(tree, takers, facts);
  if (taken?.known === undefined) {
    const bytes = await readTakenFiles(tree, takers, progress, signal);
    if (bytes !== undefined) taken?.save(String(bytes));
  } else current = Number(taken.known);
  events({ ...status, current, completed: now() });
}

const PROGRESS_AFTER_MS = 100;

async function runFile(
  context: OpContext,
  vertex: Vertex,
  op: FileOp,
  inputs: readonly OpResult[],
  signal: AbortSignal,
): Promise<OpResult> {
  const destination = op.destination < 0 ? undefined : inputOf(inputs, op.destination);
  const below = destination === undefined ? { layers: [] } : await destination.ref(signal);
  const trees: FileTree[] = await Promise.all(inputs.map((input) => input.tree(signal)));
  context.layers.place.jobs.expectJob();
  const { planFileOp } = await import("./file/run-file-op.ts");
  await using scratch = context.layers.scratchPlace();
  const plan = await planFileOp(op, trees, {
    nowNs: BigInt(context.now()) * 1_000_000n,
    scratchDirectory: scratch.path,
    signal,
  });
  // What the op made last, which is mostly the same.
  const twin = opFact(context.facts, ["last layer", op]);
  const layer = await context.layers.fromEntries(
    plan.entries,
    {
      directory: context.wantsDirectory(vertex.digest),
      hardlinkSources: plan.immutableSources,
      twin: twin.known,
      blob: context.blobOptions,
      createdMs: context.now(),
    },
    signal,
  );
  twin.save(layer.id);
  return new RefResult({ layers: [...below.layers, layer] }, destination);
}

function inputOf(inputs: readonly OpResult[], number: number): OpResult {
  const input = inputs[number];
  if (input === undefined) throw new BuildError("INTERNAL", `an op names input ${number}, which is not there`);
  return input;
}
