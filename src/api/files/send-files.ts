// The sending side of a file transfer (fsutil, send.go): all files are told of in order, and those that the other side
// asks for are sent in pieces.

import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { fsPath } from "../../../builder/core/bytes/byte-path.ts";
import type { OutgoingFile } from "../../../builder/core/client-file.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import { readPacket, writePacket } from "../proto/packets.ts";
import type { FileCall, FilePeer } from "./file-call.ts";
import { statOf } from "./go-stat.ts";

const PIECE_BYTES = 32 << 10;
const STATS_AT_ONCE = 256;

/** Sends all of `files`. Throws with `peer`'s code for what no receiver sends, `RpcError` when it goes. */
export async function sendFiles(call: FileCall, files: readonly OutgoingFile[], peer: FilePeer): Promise<void> {
  const sorted = files.toSorted((a, b) => comparePaths(a.file.path, b.file.path));
  const listing = (async () => {
    for (let at = 0; at < sorted.length; at += STATS_AT_ONCE) {
      const some = sorted.slice(at, at + STATS_AT_ONCE);
      await call.sendAll(some.map(({ file }) => writePacket({ kind: "stat", stat: statOf(file) })));
    }
    await call.send(writePacket({ kind: "stat", stat: undefined }));
  })();
  listing.catch(() => undefined); // told below
  let isFinished = false;
  for await (const message of call.messages) {
    const packet = readPacket(message);
    switch (packet.kind) {
      case "request": {
        const item = sorted[packet.id];
        if (item?.file.type !== "file")
          throw new BuildError(peer.code, `${peer.name} asks for a file that was not told of (${packet.id})`);
        await sendFile(call, packet.id, item);
        break;
      }
      case "finish":
        isFinished = true;
        await listing;
        await call.send(writePacket({ kind: "finish" }));
        // The receiver waits for the end of the call: who serves it ends it by returning, who called hears how it went.
        if (call.end === undefined) return;
        call.end();
        break;
      case "error":
        throw new BuildError(peer.code, `${peer.name} cannot take the files: ${packet.message}`);
      case "stat":
      case "data":
        throw new BuildError(peer.code, `${peer.name} sends a ${packet.kind} where it receives`);
    }
  }
  await listing;
  if (!isFinished) throw new BuildError(peer.code, `${peer.name} has gone before it had all files`);
}

async function sendFile(call: FileCall, id: number, { file, source }: OutgoingFile): Promise<void> {
  if (source?.kind === "bytes") {
    for (let at = 0; at < source.bytes.length; at += PIECE_BYTES)
      await call.send(writePacket({ kind: "data", id, data: source.bytes.subarray(at, at + PIECE_BYTES) }));
  } else if (source !== undefined && file.size > 0) {
    await using handle = await open(fsPath(source.path), "r");
    for await (const data of pieces(handle)) await call.send(writePacket({ kind: "data", id, data }));
  }
  await call.send(writePacket({ kind: "data", id, data: new Uint8Array() }));
}

async function* pieces(file: FileHandle): AsyncIterable<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(8 * PIECE_BYTES);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) return;
    for (let at = 0; at < bytesRead; at += PIECE_BYTES)
      yield buffer.subarray(at, Math.min(at + PIECE_BYTES, bytesRead));
  }
}

/** The receiver wants directories' contents right after them: "/" sorts lowest. */
function comparePaths(a: string, b: string): number {
  const [x, y] = [a.replaceAll("/", "\0"), b.replaceAll("/", "\0")];
  return x < y ? -1 : x > y ? 1 : 0;
}
