// A folder of this machine as the main context.

import { posix } from "node:path";
import type { NamedContext } from "../../dockerfile/convert/plan.ts";
import { readIgnoreLines } from "../../dockerfile/dockerignore.ts";
import { readDockerfileIn, readIgnoreFile } from "../../source/context.ts";
import { told } from "../internal-steps.ts";
import { dockerfileElsewhere, tellDockerfile } from "./dockerfile-source.ts";
import type { ContextWorld, DockerfileSource, MainContext } from "./world.ts";
import { MAIN } from "./world.ts";

/** A folder, whose Dockerfile may also be somewhere else. */
export class FolderContext implements MainContext {
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
