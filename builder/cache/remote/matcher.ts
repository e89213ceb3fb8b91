// Looks steps up in one cache: from the records of its inputs to those of the step, as BuildKit's scheduler does
// (solver/edge.go): by definition and by the content of sources, and by that of steps only where this leaves something open.

import type { Digest } from "../../core/digest.ts";
import type { Vertex } from "../../graph/vertex.ts";
import { topological } from "../../graph/vertex.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import type { CacheMap } from "../buildkit/cache-map.ts";
import type { VertexKeys } from "../buildkit/vertex-keys.ts";
import { recordDigest } from "../buildkit/vertex-keys.ts";
import type { RecordGraph, RecordNode, Remote } from "./record-graph.ts";

/** The files of a vertex that a step reads from, made or fetched when they are asked for. */
export type TreeOf = (vertex: Vertex) => Promise<FileTree>;

export class Matcher {
  readonly #graph: RecordGraph;
  readonly #keys: VertexKeys;
  readonly #cheap = new Map<Digest, Promise<ReadonlySet<RecordNode>>>();
  readonly #all = new Map<Digest, Promise<ReadonlySet<RecordNode>>>();
  readonly #isUsable: (remote: Remote) => boolean;

  /** `isUsable`: whether a result may be taken, asked each time. */
  constructor(graph: RecordGraph, keys: VertexKeys, isUsable: (remote: Remote) => boolean) {
    this.#graph = graph;
    this.#keys = keys;
    this.#isUsable = isUsable;
  }

  /** Looks everything up anew from now on. */
  forget(): void {
    this.#cheap.clear();
    this.#all.clear();
  }

  /** The newest result of a vertex that can be found by looking at the files of sources only, not at those of steps. */
  async findCheap(vertex: Vertex, tree: TreeOf, signal: AbortSignal): Promise<Remote | undefined> {
    return this.#newest(await this.#nodes(vertex, this.#cheap, tree, signal));
  }

  /** The newest result of a vertex. */
  async find(vertex: Vertex, tree: TreeOf, signal: AbortSignal): Promise<Remote | undefined> {
    const cheap = await this.findCheap(vertex, tree, signal);
    return cheap ?? this.#newest(await this.#nodes(vertex, this.#all, tree, signal));
  }

  async #nodes(
    target: Vertex,
    known: Map<Digest, Promise<ReadonlySet<RecordNode>>>,
    tree: TreeOf,
    signal: AbortSignal,
  ): Promise<ReadonlySet<RecordNode>> {
    // Inputs first, so that no chain of calls grows as deep as a Dockerfile is long.
    for (const vertex of known.has(target.digest) ? [] : topological([target])) {
      if (known.has(vertex.digest)) continue;
      const nodes = this.#findNodes(vertex, known, tree, signal);
      known.set(vertex.digest, nodes);
      nodes.catch(() => void (known.get(vertex.digest) === nodes && known.delete(vertex.digest)));
    }
    return (await known.get(target.digest)) ?? NONE;
  }

  /** The inputs' own nodes are being found already. */
  async #findNodes(
    vertex: Vertex,
    known: ReadonlyMap<Digest, Promise<ReadonlySet<RecordNode>>>,
    tree: TreeOf,
    signal: AbortSignal,
  ): Promise<ReadonlySet<RecordNode>> {
    // What must run again leads nowhere by its definition; those who read from it may still be found by its content.
    if (vertex.options.ignoreCache === true) return NONE;
    const map = this.#keys.map(vertex);
    if (map.dependencies.length === 0) return this.#rootNodes(map.digests);
    const inputAt = (number: number): Vertex | undefined => vertex.inputs[map.dependencies[number]?.input ?? -1];
    // What an input's content says is asked last: it may have to be fetched.
    const isAsked = (number: number): boolean => {
      const kind = map.dependencies[number]?.content === undefined ? undefined : inputAt(number)?.op.kind;
      return kind !== undefined && (known === this.#all || kind === "source");
    };
    const found: ReadonlySet<RecordNode>[] = [];
    const order = [...map.dependencies.keys()].sort((a, b) => Number(isAsked(a)) - Number(isAsked(b)));
    for (const number of order) {
      const input = inputAt(number);
      const { step } = map.dependencies[number] ?? {};
      const from = step === undefined ? await known.get(input?.digest ?? vertex.digest) : this.#rootNodes([step]);
      const nodes = new Set(this.#linked(map, number, from ?? NONE));
      if (input !== undefined && isAsked(number)) {
        const record = await this.#keys.contentRecord(vertex, number, () => tree(input), signal);
        for (const root of record === undefined ? [] : this.#graph.roots(record))
          for (const node of this.#children(map, root, number, "")) nodes.add(node);
      }
      if (nodes.size === 0) return nodes;
      found.push(nodes);
    }
    return intersection(found);
  }

  #rootNodes(digests: readonly Digest[]): ReadonlySet<RecordNode> {
    return new Set(digests.flatMap((digest) => this.#graph.roots(recordDigest(digest, 0))));
  }

  #linked(map: CacheMap, input: number, from: ReadonlySet<RecordNode>): ReadonlySet<RecordNode> {
    const selector = map.dependencies[input]?.selector ?? "";
    return new Set([...from].flatMap((node) => this.#children(map, node, input, selector)));
  }

  /** BuildKit takes the newest; of equally old ones the first. */
  #newest(nodes: ReadonlySet<RecordNode>): Remote | undefined {
    let best: Remote | undefined;
    for (const remote of [...nodes].flatMap(({ results }) => results).filter(this.#isUsable))
      if (best === undefined || Date.parse(remote.createdAt) > Date.parse(best.createdAt)) best = remote;
    return best;
  }

  #children({ digests, oldDigests = [] }: CacheMap, node: RecordNode, input: number, selector: string): RecordNode[] {
    return [...digests, ...oldDigests].flatMap((digest) =>
      this.#graph.children(node, { input, selector, digest: recordDigest(digest, 0) }),
    );
  }
}

function intersection(sets: readonly ReadonlySet<RecordNode>[]): ReadonlySet<RecordNode> {
  const [first = new Set<RecordNode>(), ...rest] = sets;
  return new Set([...first].filter((node) => rest.every((set) => set.has(node))));
}

const NONE: ReadonlySet<RecordNode> = new Set();
