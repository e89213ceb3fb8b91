// Cache keys. A key covers the op's definition, the keys of what it builds upon, and the
// content of exactly what it reads; never names of sources, times, or values of secrets.

import type { BytePath } from "../core/bytes/byte-path.ts";
import { bytePath } from "../core/bytes/byte-path.ts";
import type { Digest } from "../core/digest.ts";
import { digestOf } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import type { ExecMount, ExecOp, FileOp, Op } from "../graph/op.ts";
import type { Vertex } from "../graph/vertex.ts";
import { canonicalJson } from "../graph/vertex.ts";
import type { FileTree } from "../layer/tree/file-tree.ts";
import type { SolvedInput } from "../solver/operator.ts";
import type { Facts, KeyFiles, OpContext } from "./engine-parts.ts";
import type { Listed } from "./file/digest.ts";
import { selectionListed, treeDigest, treeListed } from "./file/digest.ts";
import type { OpResult } from "./result.ts";
import { RefResult } from "./result.ts";
import { standsOn } from "../graph/op.ts";
import { plainPath, plainStart } from "./file/select.ts";

type Inputs = readonly SolvedInput<OpResult>[];

/** Changes when keys are made another way, so that old records are never taken for new ones. */
export const KEY_FORMAT = "tsbuild-key-2";

/** Numbers of the inputs an op builds upon; all others it only reads from. */
export function builtUpon(vertex: Vertex): readonly number[] {
  const { op } = vertex;
  switch (op.kind) {
    case "source":
      return [];
    case "exec":
      return [...new Set([op.rootInput, ...standsOn(op, vertex.inputs.length)])].filter((number) => number >= 0);
    case "file":
    case "merge":
      return standsOn(op, vertex.inputs.length);
    case "diff":
      return vertex.inputs.map((_, number) => number);
  }
}

/** What keys are made with. */
export type KeyContext = Pick<OpContext, "sources" | "facts" | "onKeyFiles">;

/** Numbers of the inputs that an op reads from. */
export function readsFrom({ op }: Vertex): readonly number[] {
  switch (op.kind) {
    case "exec":
      return op.mounts.flatMap((mount) => ("input" in mount && mount.input >= 0 ? [mount.input] : []));
    case "file":
      return op.actions.flatMap((action) => (action.action === "copy" ? [action.from] : []));
    case "source":
    case "merge":
    case "diff":
      return [];
  }
}

/** The cache key of a vertex. */
export async function keyOf(vertex: Vertex, inputs: Inputs, context: KeyContext, signal: AbortSignal): Promise<Digest> {
  const { op } = vertex;
  const { sources } = context;
  switch (op.kind) {
    case "source":
      if (op.source.type === "image") return await sources.imageKey(op.source.id);
      return combine(["source", await treeDigest(await sources.tree(op.source, vertex.digest, signal), "", signal)]);
    case "exec":
      return combine(["exec", definitionOf(op), ...(await execInputs(vertex, op, inputs, context, signal))]);
    case "file":
      // Together: what a chain of copies reads is made side by side, not stage after stage.
      return combine([
        "file",
        op,
        ...(await Promise.all([keyAt(op.destination, inputs), fileContent(vertex, op, inputs, context, signal)])),
      ]);
    case "merge":
    case "diff":
      return combine([op.kind, ...(await Promise.all(inputs.map((input) => input.key())))]);
  }
}

function combine(parts: readonly unknown[]): Digest {
  return digestOf(canonicalJson([KEY_FORMAT, ...parts]));
}

/**
 * What of an exec decides its result, as BuildKit has it: where its mounts come from is covered by their content, and
 * which cache directory a step is given, or with whom it shares it, is none of its result's business.
 */
export function definitionOf(op: ExecOp): Omit<ExecOp, "cgroupParent"> {
  const { cgroupParent: _group, ...rest } = op;
  const mounts = op.mounts.map((mount): ExecMount => {
    if (mount.type === "bind") return { ...mount, selector: "" };
    return mount.type === "cache" ? { ...mount, selector: "", id: "", sharing: "shared" } : mount;
  });
  return { ...rest, mounts };
}

async function keyAt(number: number, inputs: Inputs): Promise<Digest | "scratch"> {
  const input = inputs[number];
  return input === undefined ? "scratch" : await input.key();
}

async function execInputs(
  vertex: Vertex,
  op: ExecOp,
  inputs: Inputs,
  context: KeyContext,
  signal: AbortSignal,
): Promise<unknown[]> {
  const mounted = op.mounts.map(async (mount): Promise<unknown> => {
    if (mount.type !== "bind" && mount.type !== "cache") return undefined;
    const input = inputs[mount.input];
    if (input === undefined) return "scratch";
    const files = await remembered(
      context.facts,
      await input.result(),
      ["mount", mount.selector],
      async (tree) => await treeListed(tree, cleaned(mount.selector), signal),
      onlyKnown([plainPath(mount.selector)]),
      signal,
    );
    context.onKeyFiles?.(vertex, { input: mount.input, target: mount.target, ...files });
    return files.digest;
  });
  // Together: one that fails while another is waited for is nobody's otherwise, and ends the process.
  return await Promise.all([keyAt(op.rootInput, inputs), ...mounted]);
}

async function fileContent(
  vertex: Vertex,
  op: FileOp,
  inputs: Inputs,
  { facts, onKeyFiles }: KeyContext,
  signal: AbortSignal,
): Promise<unknown> {
  const used = [...new Set(op.actions.flatMap((action) => (action.action === "copy" ? [action.from] : [])))].sort(
    (a, b) => a - b,
  );
  if (used.length === 0) return undefined;
  const results = new Map<number, OpResult>(
    await Promise.all(
      used.map(async (number): Promise<[number, OpResult]> => {
        const input = inputs[number];
        if (input !== undefined) return [number, await input.result()];
        throw new BuildError("INTERNAL", `a copy reads from input ${number}, which is not there`);
      }),
    ),
  );
  const compute = async (): Promise<Listed> => {
    const trees: FileTree[] = [];
    for (const [number, result] of results) trees[number] = await result.tree(signal);
    return await selectionListed(op, trees, signal);
  };
  const [only] = used.length === 1 ? used : [];
  const single = results.get(only ?? -1);
  const files =
    single === undefined
      ? fresh(await compute())
      : await remembered(facts, single, ["selection", op.actions], compute, startsOf(op, only ?? -1), signal);
  onKeyFiles?.(vertex, { input: only ?? -1, ...files });
  return files.digest;
}

/**
 * A digest of immutable layers is computed once and remembered. Of a client's tree the last one is, with the state in which
 * the tree was; `paths` are all that it depends on, undefined where that is not known beforehand.
 */
async function remembered(
  facts: Facts,
  result: OpResult,
  what: readonly unknown[],
  compute: (tree: FileTree) => Promise<Listed>,
  paths: readonly BytePath[] | undefined,
  signal: AbortSignal,
): Promise<Pick<KeyFiles, "digest" | "entries">> {
  const fact =
    result instanceof RefResult
      ? factOf(facts, combine(["fact", ...what, result.layers.map((layer) => layer.id)]))
      : paths && stateFact(facts, await result.tree(signal), what, paths);
  if (fact?.known !== undefined)
    return { digest: fact.known, entries: async () => (await compute(await result.tree(signal))).entries() };
  const made = await compute(await result.tree(signal));
  fact?.save(made.digest);
  return fresh(made);
}

/** Something that may be known, and is worth knowing the next time. */
export interface Fact {
  readonly known: string | undefined;
  readonly save: (value: string) => void;
}

/** A fact about an op, whatever it works upon. */
export function opFact(facts: Facts, what: readonly unknown[]): Fact {
  return factOf(facts, combine(["fact", ...what]));
}

function factOf(facts: Facts, key: Digest): Fact {
  return { known: facts.fact(key), save: (value) => facts.saveFact(key, value) };
}

/** A fact about a client's tree as it is now; undefined where nobody can tell how it is. There is one for each tree, not for each state. */
export function stateFact(
  facts: Facts,
  tree: FileTree,
  what: readonly unknown[],
  paths: readonly BytePath[],
): Fact | undefined {
  const state = tree.state?.(paths);
  if (state === undefined) return undefined;
  const { known, save } = factOf(facts, combine(["last fact", ...what, state.tree]));
  const [digest, value] = known?.split(" ") ?? [];
  return { known: digest === state.digest ? value : undefined, save: (made) => save(`${state.digest} ${made}`) };
}

function fresh({ digest, entries }: Listed): Pick<KeyFiles, "digest" | "entries"> {
  return { digest, entries: () => Promise.resolve(entries()) };
}

/** All paths that an op takes from an input without building upon it; undefined where patterns say. */
export function startsOf(op: Op, input: number): readonly BytePath[] | undefined {
  switch (op.kind) {
    case "file":
      return onlyKnown(
        op.actions.flatMap((action) => (action.action === "copy" && action.from === input ? [plainStart(action)] : [])),
      );
    case "exec":
      return onlyKnown(
        op.mounts.flatMap((mount) => ("input" in mount && mount.input === input ? [plainPath(mount.selector)] : [])),
      );
    case "source":
    case "merge":
    case "diff":
      return [];
  }
}

function onlyKnown(paths: readonly (BytePath | undefined)[]): readonly BytePath[] | undefined {
  return paths.every((path) => path !== undefined) ? paths : undefined;
}

/** A mount's selector as a path in a tree. */
export function cleaned(selector: string): BytePath {
  return bytePath(selector.replace(/^\/+|\/+$/g, ""));
}
