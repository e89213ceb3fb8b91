// A folder of a client, over its session (BuildKit, session/filesync).

import type { BroughtFolder, ClientFolder, FolderSelection } from "../../../builder/core/session.ts";
import type { StoreSpace } from "../../../builder/core/space.ts";
import type { ClientFolders } from "../../../builder/client-folders.ts";
import { bytePath } from "../../../builder/core/bytes/byte-path.ts";
import type { CallMetadata } from "../../api/grpc/client.ts";
import type { ClientSession } from "./client-session.ts";
import { explainSession } from "./explain.ts";
import { receiveFiles } from "../../api/files/receive-files.ts";
import type { FilePeer } from "../../api/files/file-call.ts";
import { SmallFiles } from "./small-files.ts";

const DIFF_COPY = "/moby.filesync.v1.FileSync/DiffCopy";
const PEER: FilePeer = { name: "the client", code: "CONTEXT" };

/** What a folder is brought with. */
export interface FolderWorld {
  readonly session: ClientSession;
  /** The name under which the client offers it ("context", "dockerfile"). */
  readonly name: string;
  /** Equal from build to build for one folder, where the client says it. */
  readonly sharedKeyHint: string;
  readonly places: ClientFolders;
  /** What is to be disposed when the build ends. */
  readonly held: DisposableStack;
  readonly signal: AbortSignal;
}

export class SessionFolder implements ClientFolder {
  readonly #world: FolderWorld;

  constructor(world: FolderWorld) {
    this.#world = world;
  }

  async read(paths: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>> {
    const files = new SmallFiles();
    await this.#transfer({ followpaths: paths }, (call) => receiveFiles(call, files, PEER));
    return new Map(
      paths.flatMap((path): [string, Uint8Array][] => {
        const bytes = files.read(bytePath(path.replace(/^\/+/, "")));
        return bytes === undefined ? [] : [[path, bytes]];
      }),
    );
  }

  async bring(
    { excludes, includes = [], paths }: FolderSelection,
    progress: (bytes: number) => void,
    space: StoreSpace,
  ): Promise<BroughtFolder> {
    const { session, name, sharedKeyHint, places, held } = this.#world;
    // Without a key of the client's nothing says that a later folder is this one.
    const key = session.sharedKey === "" && sharedKeyHint === "" ? session.id : `${sharedKeyHint}:${session.sharedKey}`;
    const place = held.use(places.take(`${name}:${key}`));
    const lists = { "include-patterns": includes, "exclude-patterns": excludes, followpaths: paths };
    return await this.#transfer(lists, async (call) => {
      using folder = place.receive(progress, space);
      await receiveFiles(call, folder, PEER);
      const { bytes, scan } = folder.finish();
      place.measured(bytes);
      return { directory: place.directory, scan };
    });
  }

  async #transfer<T>(
    lists: Readonly<Record<string, readonly string[]>>,
    receive: (call: ReturnType<ClientSession["client"]["call"]>) => Promise<T>,
  ): Promise<T> {
    const { session, name, signal } = this.#world;
    const metadata: Record<string, string | readonly string[]> = {};
    for (const [key, values] of Object.entries({ "dir-name": [name], ...lists }))
      Object.assign(metadata, encoded(key, values));
    try {
      await using call = session.client.call(DIFF_COPY, metadata, signal);
      return await receive(call);
    } catch (error) {
      throw explainSession(error, `the client's folder "${name}" cannot be read`, "CONTEXT", signal);
    }
  }
}

/** Headers are ASCII: where a value is not, all of its key are written as in a URL, and a second key says so. */
function encoded(key: string, values: readonly string[]): CallMetadata {
  if (values.length === 0) return {};
  if (values.every((value) => /^[\x20-\x7e]*$/.test(value))) return { [key]: values };
  return {
    [key]: values.map((value) => encodeURIComponent(value).replaceAll("%20", "+")),
    [`${key}-encoded`]: "1",
  };
}
