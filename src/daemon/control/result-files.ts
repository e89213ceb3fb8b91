// The files of a result, for clients that look into it before they go on: `docker buildx bake` reads the definition of a
// remote project so.

import { open } from "node:fs/promises";
import type { BytePath } from "../../../builder/core/bytes/byte-path.ts";
import { baseOf, displayPath, fsPath, parentOf } from "../../../builder/core/bytes/byte-path.ts";
import type { OutgoingFile } from "../../../builder/core/client-file.ts";
import { compilePatterns } from "../../../builder/core/patterns/pattern.ts";
import { statOf } from "../../api/files/go-stat.ts";
import { CODE, RpcError } from "../../api/grpc/status.ts";
import type { StatMessage } from "../../api/proto/bridge.ts";

const MOST_LINKS = 255;
/** Of one answer: what fits into a message. */
const MOST_BYTES = 16 << 20;

/** Bytes of a file, from `offset` on. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Paths are taken from the root of the result, symlinks are followed inside of it. All methods throw `RpcError` for what is not there. */
export class ResultFiles {
  readonly #files: ReadonlyMap<BytePath, OutgoingFile>;

  constructor(files: readonly OutgoingFile[]) {
    this.#files = new Map(files.map((one) => [one.file.path, one]));
  }

  /** The bytes of a regular file; all of them without a range. */
  async read(asked: BytePath, range: ByteRange | undefined): Promise<Uint8Array> {
    const { file, source } = this.#find(asked, "open");
    if (file.type !== "file") throw failed(`${displayPath(asked)} is not a regular file`);
    const from = Math.min(Math.max(range?.offset ?? 0, 0), file.size);
    const length = Math.min(Math.max(range?.length ?? file.size, 0), file.size - from);
    if (length > MOST_BYTES)
      throw new RpcError(CODE.resourceExhausted, `${displayPath(asked)}: ${length} bytes are too many for one answer`);
    if (source === undefined || length === 0) return new Uint8Array();
    if (source.kind === "bytes") return source.bytes.subarray(from, from + length);
    await using handle = await open(fsPath(source.path), "r");
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, from);
    return buffer.subarray(0, bytesRead);
  }

  /** Whether there is anything. */
  has(asked: BytePath): boolean {
    const path = this.#resolve(asked);
    return path === "" || this.#whole(path) !== undefined;
  }

  /** What lies in a directory, by names; those that a pattern of .dockerignore's kind matches. */
  list(asked: BytePath, includePattern: string): readonly StatMessage[] {
    const directory = this.#resolve(asked);
    if (directory !== "" && this.#find(asked, "readdir").file.type !== "dir")
      throw failed(`readdir ${displayPath(asked)}: not a directory`);
    const wanted = includePattern === "" ? undefined : compilePatterns([includePattern], "USAGE");
    return [...this.#files.keys()]
      .filter((path) => path !== "" && parentOf(path) === directory)
      .filter((path) => wanted === undefined || wanted.matchesPath(baseOf(path)))
      .toSorted()
      .map((path) => statMessage(this.#whole(path), baseOf(path)));
  }

  stat(asked: BytePath): StatMessage {
    return statMessage(this.#find(asked, "lstat"), baseOf(this.#resolve(asked)));
  }

  #find(asked: BytePath, call: string): OutgoingFile {
    const path = this.#resolve(asked);
    if (path === "") return this.#files.get("") ?? ROOT;
    const found = this.#whole(path);
    if (found === undefined) throw failed(`${call} ${displayPath(asked)}: no such file or directory`);
    return found;
  }

  /** A file by any of its names. */
  #whole(path: BytePath): OutgoingFile | undefined {
    const found = this.#files.get(path);
    return found?.file.type === "hardlink" ? this.#files.get(found.file.link ?? "") : found;
  }

  /** Where a path leads; of what is not there the path that it would have. */
  #resolve(asked: BytePath): BytePath {
    const rest = asked.split("/").reverse();
    let at: BytePath = "";
    let links = 0;
    for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
      if (name === "" || name === ".") continue;
      if (name === "..") {
        at = parentOf(at);
        continue;
      }
      const path = at === "" ? name : `${at}/${name}`;
      const file = this.#files.get(path)?.file;
      if (file?.type !== "symlink") {
        at = path;
        continue;
      }
      if (++links > MOST_LINKS) throw failed(`${displayPath(asked)}: too many levels of symbolic links`);
      const target = file.link ?? "";
      if (target.startsWith("/")) at = "";
      rest.push(...target.split("/").reverse());
    }
    return at;
  }
}

const ROOT: OutgoingFile = { file: { path: "", type: "dir", mode: 0o755, uid: 0, gid: 0, size: 0, mtimeNs: 0n } };

function statMessage(found: OutgoingFile | undefined, name: BytePath): StatMessage {
  const { path: _path, link, ...stat } = statOf((found ?? ROOT).file);
  return { ...stat, path: Buffer.from(name, "latin1"), link: Buffer.from(link, "latin1") };
}

/** As BuildKit: the text alone says what it was. */
function failed(message: string): RpcError {
  return new RpcError(CODE.unknown, message);
}
