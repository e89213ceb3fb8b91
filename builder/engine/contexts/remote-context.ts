// A main context that a source op of the graph brings.

import { isAbsolute, posix } from "node:path";
import { bytePath } from "../../core/bytes/byte-path.ts";
import { BuildError } from "../../core/errors.ts";
import type { NamedContext } from "../../dockerfile/convert/plan.ts";
import type { Vertex } from "../../graph/vertex.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import { readTreeFile } from "../../layer/tree/read-tree-file.ts";
import type { BuildRequest } from "../../request.ts";
import { noDockerfile, readDockerfileAt } from "../../source/context.ts";
import { redact } from "../../source/redact.ts";
import { dockerfileElsewhere, MOST_DOCKERFILE_BYTES, tellDockerfile } from "./dockerfile-source.ts";
import type { ContextWorld, DockerfileSource, MainContext } from "./world.ts";

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

function contextName({ context }: BuildRequest): string {
  if (context.kind === "git" || context.kind === "http") return redact(context.url);
  return context.kind === "stream" ? "standard input" : "the build context";
}
