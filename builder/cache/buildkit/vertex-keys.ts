// BuildKit's cache keys of the vertices of one build, each found once. Nothing is computed unless a cache that travels asks.

import type { Digest } from "../../core/digest.ts";
import { digestOf } from "../../core/digest.ts";
import type { Vertex } from "../../graph/vertex.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import type { CacheMap, KeyWorld } from "./cache-map.ts";
import { cacheMapOf } from "./cache-map.ts";
import { contentDigest } from "./content-hash.ts";

export class VertexKeys {
  readonly #world: KeyWorld;
  readonly #maps = new Map<Digest, CacheMap>();
  readonly #contents = new Map<string, Promise<Digest | undefined>>();

  constructor(world: KeyWorld) {
    this.#world = world;
  }

  map(vertex: Vertex): CacheMap {
    let map = this.#maps.get(vertex.digest);
    if (map === undefined) this.#maps.set(vertex.digest, (map = cacheMapOf(vertex, this.#world)));
    return map;
  }

  /** The digest of the record that stands for what a vertex takes of an input, by the number of the dependency; undefined when it takes what is not there. */
  contentRecord(
    vertex: Vertex,
    dependency: number,
    tree: () => Promise<FileTree>,
    signal: AbortSignal,
  ): Promise<Digest | undefined> {
    const name = `${vertex.digest} ${dependency}`;
    let content = this.#contents.get(name);
    if (content === undefined) {
      const selectors = this.map(vertex).dependencies[dependency]?.content ?? [];
      content = tree().then(async (found) => {
        const digest = await contentDigest(found, selectors, signal);
        return digest === undefined ? undefined : recordDigest(digest, -1);
      });
      this.#contents.set(name, content);
      content.catch(() => this.#contents.delete(name));
    }
    return content;
  }
}

/** What records are called: a definition's digest and the number of its output, -1 for content. */
export function recordDigest(digest: Digest, output: number): Digest {
  return digestOf(`${digest}@${output}`);
}
