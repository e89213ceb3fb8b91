// The door for archives at the edges, where members are few and large: OCI and docker
// archives, in and out, as streams. Layers and contexts of many files go through the
// workers instead (`LayerJobs`: pack, apply, unpack).

import type { BytePath } from "../core/byte-path.ts";
import { BuildError } from "../core/errors.ts";
import type { ByteSource } from "./decompress.ts";
import { decompress } from "./decompress.ts";
import type { TarHeader, TarType } from "./tar-format.ts";
import { paddingOf } from "./tar-format.ts";
import { TarReader } from "./tar-reader.ts";
import { encodeTarHeader, TAR_END } from "./tar-writer.ts";

/** One member of an archive that is read. */
export interface ArchiveMember {
  /** As the archive has it: make it safe before a file system sees it. */
  readonly name: BytePath;
  readonly type: TarType;
  readonly size: number;
  readonly link: BytePath;
  /** The bytes; read them before asking for the next member, or they are skipped. */
  readonly content: AsyncIterable<Uint8Array>;
}

/** Reads an archive of any compression we know. Throws `ARCHIVE_INVALID` where it is damaged or ends early. */
export async function* readArchive(source: ByteSource): AsyncGenerator<ArchiveMember> {
  const events = tarEvents(source);
  try {
    for (let event = await events.next(); event.done !== true; event = await events.next()) {
      if (event.value.kind !== "begin") continue; // bytes that nobody read
      const { name, type, size, link } = event.value.header;
      yield { name, type, size, link, content: contentFrom(events) };
    }
  } finally {
    await events.return(undefined);
  }
}

/** One member of an archive that is written: a file with its content, or a directory. */
export interface MemberToWrite {
  readonly name: BytePath;
  readonly type: "file" | "dir";
  readonly mode: number;
  /** Of the content, exactly. */
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly content?: ByteSource;
}

/** The bytes of an archive, in the order of its members. Throws `INTERNAL` when content is not as long as it was to be. */
export async function* writeArchive(
  members: Iterable<MemberToWrite> | AsyncIterable<MemberToWrite>,
): AsyncGenerator<Uint8Array> {
  for await (const { content, ...member } of members) {
    // A copy: the encoder uses its buffer again.
    yield Uint8Array.from(encodeTarHeader({ ...member, uid: 0, gid: 0, link: "", major: 0, minor: 0 }));
    let written = 0;
    for await (const chunk of content ?? []) {
      written += chunk.length;
      if (chunk.length > 0) yield chunk;
    }
    if (written !== member.size) {
      throw new BuildError("INTERNAL", `"${member.name}" has ${written} bytes where ${member.size} were to be`);
    }
    const padding = paddingOf(written);
    if (padding > 0) yield TAR_END.slice(0, padding);
  }
  yield TAR_END.slice();
}

type TarEvent =
  | { readonly kind: "begin"; readonly header: TarHeader }
  | { readonly kind: "data"; readonly bytes: Uint8Array; readonly offset: number }
  | { readonly kind: "end"; readonly size: number };

/** What the reader pushes, for somebody who pulls: it holds what one chunk of the source gave, no more. */
async function* tarEvents(source: ByteSource): AsyncGenerator<TarEvent> {
  let ready: TarEvent[] = [];
  let size = 0;
  const reader = new TarReader({
    begin: (header) => {
      size = header.size;
      ready.push({ kind: "begin", header });
    },
    data: (bytes, offset) => void ready.push({ kind: "data", bytes, offset }),
    end: () => void ready.push({ kind: "end", size }),
  });
  for await (const chunk of decompress(source, "archive")) {
    reader.push(chunk);
    const events = ready;
    ready = [];
    yield* events;
  }
  reader.end();
}

async function* contentFrom(events: AsyncGenerator<TarEvent>): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let event = await events.next(); event.done !== true; event = await events.next()) {
    const { value } = event;
    if (value.kind === "begin") throw new BuildError("INTERNAL", "a member was read after the next one began");
    yield* zeros((value.kind === "data" ? value.offset : value.size) - at);
    if (value.kind === "end") return;
    yield value.bytes;
    at = value.offset + value.bytes.length;
  }
}

/** The hole of a sparse file. */
function* zeros(count: number): Generator<Uint8Array> {
  for (let left = count; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, Math.min(left, ZEROS.length));
}

const ZEROS = new Uint8Array(1 << 20);
