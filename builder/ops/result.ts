// The result of a vertex, as the ops see it: something to look into (a tree), and
// something to stand on (a ref). Layers give a tree; a client's tree becomes a layer
// only when somebody wants to stand on it.

import type { FileTree } from "../layer/tree/file-tree.ts";
import { RootfsView } from "../layer/view/view.ts";
import type { Ref, StoredLayer } from "../snapshot/ref.ts";

export interface OpResult {
  /** To look into; made once. */
  tree(signal: AbortSignal): Promise<FileTree>;
  /** To stand on; made once. */
  ref(signal: AbortSignal): Promise<Ref>;
}

/** A result that is made of layers. */
export class RefResult implements OpResult {
  readonly #ref: Ref;
  readonly #below: RefResult | undefined;
  #view: Promise<RootfsView> | undefined;

  /** `below`: a result whose layers are the lowest of this one's; what is known of its tree serves here too. */
  constructor(ref: Ref, below?: OpResult) {
    this.#ref = ref;
    this.#below = below instanceof RefResult ? below : undefined;
  }

  get layers(): Ref["layers"] {
    return this.#ref.layers;
  }

  ref(): Promise<Ref> {
    return Promise.resolve(this.#ref);
  }

  tree(signal: AbortSignal): Promise<RootfsView> {
    return (this.#view ??= this.#makeView(signal));
  }

  async #makeView(signal: AbortSignal): Promise<RootfsView> {
    // A chain of steps may be thousands long: the nearest that has been looked into will do.
    let nearest = this.#below;
    while (nearest !== undefined && nearest.#view === undefined) nearest = nearest.#below;
    const below = nearest === undefined ? undefined : await nearest.#view;
    return await viewOf(this.#ref, signal, below);
  }
}

/** A result that is a tree of the client's or of a download; `toRef` makes a layer of all of it. */
export class TreeResult implements OpResult {
  readonly #tree: FileTree;
  readonly #toRef: (tree: FileTree, signal: AbortSignal) => Promise<Ref>;
  #ref: Promise<Ref> | undefined;

  constructor(tree: FileTree, toRef: (tree: FileTree, signal: AbortSignal) => Promise<Ref>) {
    this.#tree = tree;
    this.#toRef = toRef;
  }

  tree(): Promise<FileTree> {
    return Promise.resolve(this.#tree);
  }

  ref(signal: AbortSignal): Promise<Ref> {
    return (this.#ref ??= this.#toRef(this.#tree, signal));
  }
}

/** A ref's layers as one tree; `below` is the tree of the lowest of them. */
export async function viewOf(
  ref: { readonly layers: readonly Pick<StoredLayer, "index" | "sources">[] },
  signal: AbortSignal,
  below?: RootfsView,
): Promise<RootfsView> {
  const layers = await Promise.all(
    ref.layers.slice(below?.depth ?? 0).map(async (layer) => ({
      entries: await layer.index(signal),
      sources: (paths: readonly string[]) => layer.sources(paths, signal),
    })),
  );
  return new RootfsView(layers, below);
}
