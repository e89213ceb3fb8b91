// The door for archives at the edges, where members are few and large: OCI and docker
// archives on their way out, by tar-stream. Layers and contexts of many files have a
// codec of their own (tar-reader.ts, tar-writer.ts), which keeps what tar-stream does not:
// names and attributes of any bytes, fractions of seconds.

import { once } from "node:events";
import { pack, type Pack } from "tar-stream";
import { BuildError } from "../core/errors.ts";

/** One member of an archive that is written: a file with its content, or a directory. */
export interface MemberToWrite {
  /** ASCII. */
  readonly name: string;
  readonly type: "file" | "dir";
  readonly mode: number;
  /** Of the content, exactly. */
  readonly size: number;
  readonly content?: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** The bytes of an archive, in the order of its members; owners and times are 0. Throws `INTERNAL` when content is not as long as it was to be. */
export async function* writeArchive(members: Iterable<MemberToWrite>): AsyncGenerator<Uint8Array> {
  const archive = pack();
  archive.on("error", () => undefined); // the loop below sees it
  // Its failure also ends the loop below, by destroying the archive.
  const writing = writeMembers(archive, members).catch((error: unknown) => {
    archive.destroy(error as Error);
    throw error;
  });
  writing.catch(() => undefined); // seen below
  try {
    for await (const chunk of archive) yield chunk as Uint8Array;
  } catch (error) {
    await writing;
    throw error;
  } finally {
    archive.destroy();
  }
  await writing;
}

async function writeMembers(archive: Pack, members: Iterable<MemberToWrite>): Promise<void> {
  const closed = new Promise<void>((resolve) => void archive.once("close", () => resolve()));
  for (const { name, type, mode, size, content } of members) {
    const header = {
      name,
      mode,
      size,
      mtime: new Date(0),
      uid: 0,
      gid: 0,
      type: type === "dir" ? "directory" : "file",
    } as const;
    const sink = archive.entry(header);
    sink.on("error", () => undefined); // the archive has it too
    let written = 0;
    for await (const chunk of content ?? []) {
      written += chunk.length;
      if (written > size) break;
      if (!sink.write(chunk) && !archive.destroyed) await Promise.race([once(sink, "drain"), closed]);
      if (archive.destroyed) return; // nobody reads any more
    }
    if (written !== size) {
      throw new BuildError("INTERNAL", `"${name}" has ${written} bytes where ${size} were to be`);
    }
    sink.end(undefined); // streamx types ask for the argument
  }
  archive.finalize();
}
