// A repository or an archive laid out as a folder of a client's: the ignore file in it counts, and the owners of its
// files do not. Hostile as it may be, nothing is ever read through a link of its that leads out of it.

import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { bytePath, displayPath } from "../../core/bytes/byte-path.ts";
import { BuildError } from "../../core/errors.ts";
import type { NamedContext } from "../../dockerfile/convert/plan.ts";
import { readIgnoreLines } from "../../dockerfile/dockerignore.ts";
import { exportLocal } from "../../exporter/local.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import { readTreeFile } from "../../layer/tree/read-tree-file.ts";
import { resolvePath } from "../../layer/tree/resolve-path.ts";
import type { RemoteContext } from "./remote-context.ts";
import type { ContextWorld, DockerfileSource, MainContext } from "./world.ts";
import type { Unpack } from "../../request.ts";

const MOST_IGNORE_BYTES = 4 << 20;

/** The context that a remote one becomes. Throws `CONTEXT` when the folder inside it is not there. */
export class UnpackedContext implements MainContext {
  readonly #world: ContextWorld;
  readonly #remote: RemoteContext;
  readonly #subPath: string;
  readonly #name: string;
  #dockerfile: string | undefined;

  /** `name` is what its source is called. */
  constructor(world: ContextWorld, remote: RemoteContext, { subPath }: Unpack, name: string) {
    this.#name = name;
    this.#world = world;
    this.#remote = remote;
    this.#subPath = subPath;
  }

  async dockerfile(): Promise<DockerfileSource> {
    const found = await this.#remote.dockerfile(await this.#inside());
    this.#dockerfile = found.name;
    return found;
  }

  async files(): Promise<NamedContext> {
    const { engine, signal, trees } = this.#world;
    const inside = await this.#inside();
    const tree = await this.#remote.tree();
    const path = join(engine.layers.place.workDirectory, randomUUID());
    const platform = this.#world.request.hostPlatform;
    await exportLocal(
      [{ platform, tree }],
      { path, platformSplit: false, deleteExtra: false, privileged: false },
      signal,
    );
    const ignored = await this.#ignoreFile(tree, inside);
    const lines = ignored === undefined ? [] : readIgnoreLines(ignored.text);
    trees.addLocal(this.#name, {
      directory: join(path, inside),
      ignoreFile: ignored === undefined ? undefined : { name: ignored.name, lines },
    });
    return { kind: "local", name: this.#name, excludes: lines.map(({ pattern }) => pattern) };
  }

  /** The folder's real path inside the tree. */
  async #inside(): Promise<string> {
    if (this.#subPath === "") return "";
    const { path, entry } = resolvePath(await this.#remote.tree(), bytePath(this.#subPath), { followLast: true });
    if (entry?.type !== "dir") throw new BuildError("CONTEXT", `the build context has no folder "${this.#subPath}"`);
    return displayPath(path);
  }

  async #ignoreFile(tree: FileTree, inside: string): Promise<{ name: string; text: string } | undefined> {
    const own = this.#dockerfile === undefined ? [] : [`${this.#dockerfile}.dockerignore`];
    for (const path of [...own, join(inside, ".dockerignore")]) {
      const bytes = await readTreeFile(tree, bytePath(path), MOST_IGNORE_BYTES, this.#world.signal);
      if (bytes !== undefined) return { name: path, text: Buffer.from(bytes).toString("utf8") };
    }
    return undefined;
  }
}
