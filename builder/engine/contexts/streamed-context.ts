// A main context of which only the bytes tell what it is: standard input, or a URL. It is an archive or a Dockerfile.

import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { BuildError } from "../../core/errors.ts";
import type { NamedContext } from "../../dockerfile/convert/plan.ts";
import { vertex } from "../../graph/vertex.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import { tellDockerfile } from "./dockerfile-source.ts";
import { RemoteContext } from "./remote-context.ts";
import { httpContextVertex } from "./context-vertices.ts";
import type { ContextWorld, DockerfileSource, MainContext } from "./world.ts";
import { MAIN } from "./world.ts";

/** Standard input: an archive, or a Dockerfile. */
export async function openStream(world: ContextWorld, stream: AsyncIterable<Uint8Array>): Promise<MainContext> {
  const { signal, request, engine } = world;
  const { isArchive, spool } = await import("../../source/archive.ts");
  const path = join(engine.layers.place.workDirectory, randomUUID());
  const size = await spool(stream, path, signal);
  if (size === 0) {
    throw new BuildError("CONTEXT", "the build context on standard input is empty", {
      hint: "it must be an archive (tar c . | tsbuild build -) or a Dockerfile",
    });
  }
  if (isArchive(path)) return archiveContext(world, path);
  if (request.dockerfile.kind !== "default") {
    throw new BuildError("USAGE", "ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles", {
      hint: "standard input is not an archive, so it is taken as the Dockerfile",
    });
  }
  return new BareContext(world, await readFile(path));
}

/** A URL: an archive, or a Dockerfile under the name "context", which is then the only file there is. */
export async function openUrl(world: ContextWorld, url: string): Promise<MainContext> {
  const source = httpContextVertex(url, "[internal] load remote build context");
  const { op, options, digest } = source;
  if (op.kind !== "source" || op.source.type !== "http") throw new BuildError("INTERNAL", "a URL is no http source");
  const http = op.source;
  const file = await world.trees.toldEarly(digest, options.name, () => world.trees.httpFile(http, digest));
  const { isArchive } = await import("../../source/archive.ts");
  if (!isArchive(file.path)) return new RemoteContext(world, source, http.fileName);
  return archiveContext(world, file.path, file.lastModified);
}

function archiveContext(world: ContextWorld, path: string, lastModified?: number): MainContext {
  const { engine, trees, signal } = world;
  const open = async (): Promise<FileTree> => {
    const { openArchive } = await import("../../source/archive.ts");
    return await openArchive(path, engine.jobs, engine.layers.place.workDirectory, signal);
  };
  trees.addArchive(MAIN, { open, lastModified });
  const unpacked = vertex({ kind: "source", source: { type: "archive", name: MAIN } }, [], {
    name: "[internal] load build context",
  });
  return new RemoteContext(world, unpacked);
}

/** A Dockerfile alone, and no files. */
class BareContext implements MainContext {
  readonly #world: ContextWorld;
  readonly #bytes: Uint8Array;

  constructor(world: ContextWorld, bytes: Uint8Array) {
    this.#world = world;
    this.#bytes = bytes;
  }

  async dockerfile(): Promise<DockerfileSource> {
    return await tellDockerfile(this.#world, "Dockerfile", () =>
      Promise.resolve({ bytes: this.#bytes, name: "Dockerfile" }),
    );
  }

  files(): Promise<NamedContext> {
    const directory = join(this.#world.engine.layers.place.workDirectory, randomUUID());
    mkdirSync(directory);
    this.#world.trees.addLocal(MAIN, { directory });
    return Promise.resolve({ kind: "local", name: MAIN, excludes: [] });
  }
}
