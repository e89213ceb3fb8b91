// A context that lies with a remote client: its Dockerfile and ignore file are read at once, its files are brought when
// the graph wants them.

import { posix } from "node:path";
import type { ClientFolder } from "../../core/session.ts";
import { BuildError } from "../../core/errors.ts";
import { readIgnoreLines } from "../../dockerfile/dockerignore.ts";
import type { NamedContext } from "../../dockerfile/convert/plan.ts";
import { told } from "../internal-steps.ts";
import type { ContextWorld, DockerfileSource, MainContext } from "./world.ts";
import { dockerfileElsewhere } from "./dockerfile-source.ts";
import { noDockerfile } from "../../source/context.ts";

const IGNORE_FILE = ".dockerignore";

/** The Dockerfile of a client, and the ignore file that belongs to it alone. */
export interface ClientDockerfile {
  readonly bytes: Uint8Array;
  readonly name: string;
  readonly ownIgnore: IgnoreText | undefined;
}

interface IgnoreText {
  readonly text: string;
  readonly name: string;
}

/** Reads a Dockerfile and `<Dockerfile>.dockerignore`. Throws `INPUT_MISSING`. */
export async function readClientDockerfile(folder: ClientFolder, path = "Dockerfile"): Promise<ClientDockerfile> {
  const lower = posix.basename(path) === "Dockerfile" ? [posix.join(posix.dirname(path), "dockerfile")] : [];
  const own = `${path}${IGNORE_FILE}`;
  const found = await folder.read([path, own, ...lower]);
  for (const name of [path, ...lower]) {
    const bytes = found.get(name);
    if (bytes === undefined) continue;
    const ignore = found.get(own);
    const ownIgnore = ignore === undefined ? undefined : { text: Buffer.from(ignore).toString("utf8"), name: own };
    return { bytes, name, ownIgnore };
  }
  throw noDockerfile(path, ["the client's folder"]);
}

/** A client's folder as the main context. */
export class ClientContext implements MainContext {
  readonly #world: ContextWorld;
  readonly #folder: ClientFolder;
  readonly #name: string;

  /** `name` is that of the source that its files become. */
  constructor(world: ContextWorld, folder: ClientFolder, name: string) {
    this.#world = world;
    this.#folder = folder;
    this.#name = name;
  }

  async dockerfile(): Promise<DockerfileSource> {
    const { dockerfile } = this.#world.request;
    const elsewhere = await dockerfileElsewhere(this.#world, dockerfile);
    if (elsewhere === undefined) throw new BuildError("INTERNAL", "a client's context without its Dockerfile");
    return elsewhere;
  }

  async files(): Promise<NamedContext> {
    const own = this.#world.clientDockerfile?.ownIgnore;
    return await clientFiles(this.#world, this.#folder, {
      name: this.#name,
      step: "[internal] load .dockerignore",
      own,
    });
  }
}

/** A client's folder as files of the graph, without what its ignore file leaves out. */
export async function clientFiles(
  world: ContextWorld,
  folder: ClientFolder,
  { name, step, own }: { readonly name: string; readonly step: string; readonly own?: IgnoreText | undefined },
): Promise<NamedContext> {
  const ignored = await told(world.request, step, async (report) => {
    const found = own ?? (await readIgnore(folder));
    report.progress("transferring context:", Buffer.byteLength(found?.text ?? ""), 0, true);
    return found;
  });
  const lines = ignored === undefined ? [] : readIgnoreLines(ignored.text);
  const ignoreFile = ignored === undefined ? undefined : { name: ignored.name, lines };
  world.trees.addLocal(name, { directory: folder, ignoreFile });
  return { kind: "local", name, excludes: lines.map(({ pattern }) => pattern) };
}

async function readIgnore(folder: ClientFolder): Promise<IgnoreText | undefined> {
  const bytes = (await folder.read([IGNORE_FILE])).get(IGNORE_FILE);
  return bytes === undefined ? undefined : { text: Buffer.from(bytes).toString("utf8"), name: IGNORE_FILE };
}
