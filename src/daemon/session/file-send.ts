// Outputs on their way to the client: one file as bytes, or a folder as packets (BuildKit, session/filesync; fsutil,
// send.go).

import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { fsPath } from "../../../builder/core/byte-path.ts";
import type { OutgoingFile } from "../../../builder/core/client-file.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import type { FileSink, FolderSink } from "../../../builder/request.ts";
import type { ClientCall } from "../grpc/client.ts";
import { bytesMessage, readPacket, writePacket } from "../proto/packets.ts";
import type { ClientSession } from "./client-session.ts";
import { explainSession } from "./explain.ts";
import { statOf } from "./go-stat.ts";

const DIFF_COPY = "/moby.filesync.v1.FileSend/DiffCopy";
/** The client takes at most 4 MiB a message. */
const CHUNK_BYTES = 1 << 20;
const PIECE_BYTES = 32 << 10;

/** Where an output goes: the client's session, and which of its outputs it is. */
export interface OutputWorld {
  readonly session: ClientSession;
  /** Its place in the client's list of exporters. */
  readonly exporter: number;
  readonly signal: AbortSignal;
}

/** One output file of the client's. */
export function clientFile(world: OutputWorld): FileSink {
  let call: ClientCall | undefined;
  const explained = async (work: (call: ClientCall) => Promise<void>): Promise<void> => {
    try {
      await work((call ??= begin(world)));
    } catch (error) {
      throw explainSession(error, "the client does not take the output", "OUTPUT", world.signal);
    }
  };
  return {
    kind: "stream",
    write: (chunk) =>
      explained(async (open) => {
        for (let at = 0; at < chunk.length; at += CHUNK_BYTES)
          await sendOrSay(open, bytesMessage(chunk.subarray(at, at + CHUNK_BYTES)));
      }),
    end: () =>
      explained(async (open) => {
        open.end();
        await open.ended();
      }),
  };
}

/** What the client says is told, not that it stopped listening. */
async function sendOrSay(call: ClientCall, parts: readonly Uint8Array[]): Promise<void> {
  try {
    await call.send(...parts);
  } catch (error) {
    await call.ended();
    throw error;
  }
}

function begin({ session, exporter, signal }: OutputWorld): ClientCall {
  if (!session.offers(DIFF_COPY)) throw new BuildError("OUTPUT", "the client takes no output");
  return session.client.call(DIFF_COPY, { "buildkit-attachable-exporter-id": String(exporter) }, signal);
}

/** A folder of the client's. */
export function clientDirectory(world: OutputWorld): FolderSink {
  return {
    write: async (files) => {
      try {
        await using call = begin(world);
        await sendFolder(call, files);
      } catch (error) {
        throw explainSession(error, "the client does not take the files", "OUTPUT", world.signal);
      }
    },
  };
}

async function sendFolder(call: ClientCall, files: readonly OutgoingFile[]): Promise<void> {
  const sorted = files.toSorted((a, b) => comparePaths(a.file.path, b.file.path));
  const listing = (async () => {
    for (const { file } of sorted) await call.send(writePacket({ kind: "stat", stat: statOf(file) }));
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
          throw new BuildError("OUTPUT", `the client asks for a file that was not told of (${packet.id})`);
        await sendFile(call, packet.id, item);
        break;
      }
      case "finish":
        isFinished = true;
        await listing;
        await call.send(writePacket({ kind: "finish" }));
        call.end();
        break;
      case "error":
        throw new BuildError("OUTPUT", `the client cannot write its files: ${packet.message}`);
      case "stat":
      case "data":
        throw new BuildError("OUTPUT", `the client sends a ${packet.kind} where it receives`);
    }
  }
  await listing;
  if (!isFinished) throw new BuildError("OUTPUT", "the client has gone before it had all files");
}

async function sendFile(call: ClientCall, id: number, { file, source }: OutgoingFile): Promise<void> {
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
