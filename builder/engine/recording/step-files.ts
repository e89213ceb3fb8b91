// The files that go into the keys of a build's steps, as they are told of. A list of them is made only when somebody asks.

import type { Digest } from "../../core/digest.ts";
import type { Vertex } from "../../graph/vertex.ts";
import type { KeyFiles } from "../../ops/engine-parts.ts";

/** The files that went into keys, by vertex. */
export class KeyFilesByVertex {
  readonly #files = new Map<Digest, KeyFiles[]>();

  readonly take = (vertex: Vertex, files: KeyFiles): void => {
    const known = this.#files.get(vertex.digest);
    if (known === undefined) this.#files.set(vertex.digest, [files]);
    else known.push(files);
  };

  of(vertex: Vertex): readonly KeyFiles[] {
    return this.#files.get(vertex.digest) ?? [];
  }
}
