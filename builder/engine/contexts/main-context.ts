// The main context: where its files and its Dockerfile come from. A folder of the client's
// is read as it lies there; everything else is a source op of the graph, as it is in BuildKit.

import { isAbsolute, join, posix } from "node:path";
import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import type { ClientDockerfile } from "./client-context.ts";
import { bytePath } from "../../core/byte-path.ts";
import type { Digest } from "../../core/digest.ts";
import { digestOf } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import { untilAborted } from "../../core/until-aborted.ts";
import type { NamedContext } from "../../dockerfile/convert/plan.ts";
import { readIgnoreLines } from "../../dockerfile/dockerignore.ts";
import type { Engine } from "../../engine.ts";
import type { Vertex } from "../../graph/vertex.ts";
import { vertex } from "../../graph/vertex.ts";
import { gitVertex, httpContextVertex } from "./remote-contexts.ts";
import { told } from "../internal-steps.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import { readTreeFile } from "../../layer/tree/read-tree-file.ts";
import type { BuildRequest, ContextSpec, DockerfileSpec, Unpack } from "../../request.ts";
import {
  existingDirectory,
  noDockerfile,
  readDockerfileAt,
  readDockerfileIn,
  readIgnoreFile,
} from "../../source/context.ts";
import { redact } from "../../source/redact.ts";
import type { SourceTrees } from "./source-trees.ts";

/** The name of the main context's source. */
const MAIN = "context";
/** BuildKit's client takes no larger one by URL; from disk there is no bound. */
const MOST_DOCKERFILE_BYTES = 16 << 20;

/** The Dockerfile's bytes and the name to show for it. */
export interface DockerfileSource {
  readonly bytes: Uint8Array;
  readonly name: string;
  /** Where it lies on this machine, if it does. */
  readonly path?: string;
  /** The step that read it. */
  readonly vertex?: Digest;
}

/** The main context, open. */
export interface MainContext {
  dockerfile(): Promise<DockerfileSource>;
  /** Its files. Call after `dockerfile`: the ignore file may lie beside it. */
  files(): Promise<NamedContext>;
}

/** A context that somebody made beforehand, or says how to make. */
export type GivenContext = Extract<ContextSpec, { kind: "location" | "definition" }>;

/** What opening a context works with. */
export interface ContextWorld {
  readonly engine: Engine;
  readonly request: BuildRequest;
  readonly trees: SourceTrees;
  readonly signal: AbortSignal;
  /** A context that is no folder, opened under a name. */
  readonly given: (spec: GivenContext, name: string) => Promise<NamedContext>;
  /** The Dockerfile of a client, once it was read. */
  clientDockerfile?: ClientDockerfile;
}

/** Opens the request's context. Throws `CONTEXT`, `INPUT_MISSING`, and what its source throws. */
export async function openMainContext(world: ContextWorld): Promise<MainContext> {
  const { context } = world.request;
  switch (context.kind) {
    case "directory":
      return new FolderContext(world, await existingDirectory(context.path));
    case "client": {
      const { ClientContext } = await import("./client-context.ts");
      return new ClientContext(world, context.folder, MAIN);
    }
    case "stream":
      return await unpacked(world, context, await openStream(world, context.open()));
    case "git":
      return await unpacked(world, context, new RemoteContext(world, gitVertex(context.url, world.request)));
    case "http":
      return await unpacked(world, context, await openUrl(world, context.url));
    case "location":
    case "definition":
      return new ElsewhereContext(world, context);
    case "image":
    case "client-image":
      throw new BuildError("USAGE", "an image cannot be the build context", { hint: "images are for --build-context" });
  }
}

/** A remote context as a folder of a client's, when that is asked for. */
async function unpacked(
  world: ContextWorld,
  { unpack }: { readonly unpack?: Unpack },
  opened: MainContext,
): Promise<MainContext> {
  if (unpack === undefined || !(opened instanceof RemoteContext)) return opened;
  const { UnpackedContext } = await import("./unpacked-context.ts");
  return new UnpackedContext(world, opened, unpack, MAIN);
}

/** A folder, whose Dockerfile may also be somewhere else. */
class FolderContext implements MainContext {
  readonly #world: ContextWorld;
  readonly #directory: string;
  #dockerfilePath: string | undefined;

  constructor(world: ContextWorld, directory: string) {
    this.#world = world;
    this.#directory = directory;
  }

  async dockerfile(): Promise<DockerfileSource> {
    const { dockerfile } = this.#world.request;
    const elsewhere = await dockerfileElsewhere(this.#world, dockerfile);
    if (elsewhere !== undefined) return elsewhere;
    const asked = dockerfile.kind === "path" ? dockerfile.path : undefined;
    return await tellDockerfile(this.#world, posix.basename(asked ?? "Dockerfile"), async () => {
      const found = await readDockerfileIn(this.#directory, asked);
      this.#dockerfilePath = found.path;
      return found;
    });
  }

  async files(): Promise<NamedContext> {
    const ignored = await told(this.#world.request, "[internal] load .dockerignore", async (report) => {
      const found = await readIgnoreFile(this.#directory, this.#dockerfilePath);
      const size = Buffer.byteLength(found?.text ?? "");
      report.progress("transferring context:", size, 0, true);
      return found;
    });
    const lines = ignored === undefined ? [] : readIgnoreLines(ignored.text);
    const ignoreFile = ignored === undefined ? undefined : { name: ignored.name, lines };
    this.#world.trees.addLocal(MAIN, { directory: this.#directory, ignoreFile });
    return { kind: "local", name: MAIN, excludes: lines.map(({ pattern }) => pattern) };
  }
}

/** What a source op brings: a repository, an archive, a single file. No ignore file counts in it (as in BuildKit). */
export class RemoteContext implements MainContext {
  readonly #world: ContextWorld;
  readonly #vertex: Vertex;
  /** The Dockerfile, when it can be no other; then it was brought already. */
  readonly #only: string | undefined;

  constructor(world: ContextWorld, source: Vertex, only?: string) {
    this.#world = world;
    this.#vertex = source;
    this.#only = only;
  }

  async dockerfile(inside = ""): Promise<DockerfileSource> {
    const { dockerfile } = this.#world.request;
    const elsewhere = await dockerfileElsewhere(this.#world, dockerfile);
    if (elsewhere !== undefined) return elsewhere;
    const named = this.#only ?? (dockerfile.kind === "path" ? dockerfile.path : "Dockerfile");
    if (isAbsolute(named))
      return await tellDockerfile(this.#world, posix.basename(named), () => readDockerfileAt(named));
    const asked = posix.join(inside, named);
    const tree = await this.tree();
    const lower = posix.basename(asked) === "Dockerfile" ? [posix.join(posix.dirname(asked), "dockerfile")] : [];
    for (const name of [asked, ...lower]) {
      const bytes = await readTreeFile(tree, bytePath(name), MOST_DOCKERFILE_BYTES, this.#world.signal);
      if (bytes !== undefined) return { bytes, name };
    }
    throw noDockerfile(asked, [contextName(this.#world.request)]);
  }

  files(): Promise<NamedContext> {
    return Promise.resolve({ kind: "source", vertex: this.#vertex, subdir: "" });
  }

  async tree(): Promise<FileTree> {
    const { op, options, digest } = this.#vertex;
    if (op.kind !== "source" || op.source.type === "image") throw new BuildError("INTERNAL", "a context is no tree");
    const { source } = op;
    const open = (): Promise<FileTree> => this.#world.trees.tree(source, digest);
    return this.#only === undefined ? await this.#world.trees.toldEarly(digest, options.name, open) : await open();
  }
}

/** Files that are given, with a Dockerfile that lies elsewhere. No ignore file counts in them. */
class ElsewhereContext implements MainContext {
  readonly #world: ContextWorld;
  readonly #spec: GivenContext;

  constructor(world: ContextWorld, spec: GivenContext) {
    this.#world = world;
    this.#spec = spec;
  }

  async dockerfile(): Promise<DockerfileSource> {
    const { dockerfile } = this.#world.request;
    const found = await dockerfileElsewhere(this.#world, dockerfile);
    if (found !== undefined) return found;
    throw new BuildError("USAGE", "a build context that is an image or a graph needs a Dockerfile of its own");
  }

  files(): Promise<NamedContext> {
    return this.#world.given(this.#spec, MAIN);
  }
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

/** Standard input: an archive, or a Dockerfile. */
async function openStream(world: ContextWorld, stream: AsyncIterable<Uint8Array>): Promise<MainContext> {
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
async function openUrl(world: ContextWorld, url: string): Promise<MainContext> {
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

/** A Dockerfile that does not lie with the context: on standard input, at a URL, or with a client. */
export async function dockerfileElsewhere(
  world: ContextWorld,
  spec: DockerfileSpec,
): Promise<DockerfileSource | undefined> {
  switch (spec.kind) {
    case "path":
    case "default":
      return undefined;
    case "client":
      return await tellDockerfile(
        world,
        posix.basename(spec.path ?? "Dockerfile"),
        async () => {
          const { readClientDockerfile } = await import("./client-context.ts");
          return (world.clientDockerfile = await readClientDockerfile(spec.folder, spec.path));
        },
        `${spec.id ?? ""} ${spec.path ?? ""}`,
      );
    case "stream":
      return await tellDockerfile(world, "Dockerfile", async () => ({
        bytes: await collect(untilAborted(spec.open(), world.signal)),
        name: "Dockerfile",
      }));
    case "http": {
      const { op, digest } = httpContextVertex(spec.url, `[internal] load ${redact(spec.url)}`);
      if (op.kind !== "source" || op.source.type !== "http")
        throw new BuildError("INTERNAL", "a URL is no http source");
      const http = op.source;
      return await tellDockerfile(world, "Dockerfile", async () => {
        const { openHttpFile } = await import("../../source/http-file.ts");
        const { path } = await openHttpFile(http, world.trees.remoteOptions(digest), {
          maxBytes: MOST_DOCKERFILE_BYTES,
        });
        return { bytes: await readFile(path), name: "Dockerfile" };
      });
    }
  }
}

/** `from` tells it apart from others of that name: clients that build several at once show each step by its vertex. */
async function tellDockerfile<T extends DockerfileSource>(
  { request }: ContextWorld,
  name: string,
  read: () => Promise<T>,
  from = "",
): Promise<T> {
  const step = `[internal] load build definition from ${name}`;
  const vertex = digestOf(step + from);
  return await told(
    request,
    step,
    async (report) => {
      const found = await read();
      report.progress("transferring dockerfile:", found.bytes.length, 0, true);
      return { ...found, vertex };
    },
    vertex,
  );
}

function contextName({ context }: BuildRequest): string {
  if (context.kind === "git" || context.kind === "http") return redact(context.url);
  return context.kind === "stream" ? "standard input" : "the build context";
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > MOST_DOCKERFILE_BYTES)
      throw new BuildError("USAGE", `the Dockerfile on standard input is larger than ${MOST_DOCKERFILE_BYTES} bytes`);
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}
