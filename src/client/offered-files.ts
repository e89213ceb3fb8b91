// The folders that a daemon may read, and the outputs that it may write, by the names under which they were offered.

import { randomBytes } from "node:crypto";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { BuildError, isSystemError } from "../../builder/core/errors.ts";
import type { FileSink } from "../../builder/request.ts";
import type { FilePeer } from "../api/files/file-call.ts";
import { receiveFiles } from "../api/files/receive-files.ts";
import { sendFiles } from "../api/files/send-files.ts";
import type { Handler, ServerCall } from "../api/grpc/server.ts";
import { CODE, RpcError } from "../api/grpc/status.ts";
import { bytesMessage, readBytesMessage } from "../api/proto/packets.ts";
import { listFiles } from "./list-files.ts";
import { FolderReceiver } from "./receive-folder.ts";

const CONTEXT_PEER: FilePeer = { name: "the daemon", code: "CONTEXT" };
const OUTPUT_PEER: FilePeer = { name: "the daemon", code: "OUTPUT" };

/** Where one output goes. */
export type OutputPlace =
  | FileSink
  /** With `deleteExtra` nothing else is there afterwards. */
  | { readonly kind: "folder"; readonly path: string; readonly deleteExtra: boolean };

/** What a build offers to its daemon. */
export interface Offered {
  /** Folders, absolute, by name; or the bytes of the one file in it. */
  readonly folders: ReadonlyMap<string, string | { readonly file: string; readonly bytes: Uint8Array }>;
  /** By the place of their exporter. */
  readonly outputs: ReadonlyMap<number, OutputPlace>;
  /** What is piped in, by the path of the URL that stands for it. */
  readonly uploads: ReadonlyMap<string, () => AsyncIterable<Uint8Array>>;
  /** Told of what went wrong on this side: the daemon only knows that a call failed. */
  readonly failed: (error: unknown) => void;
}

/** The methods of a session about files. */
export function fileHandlers(offered: Offered): readonly (readonly [string, Handler])[] {
  const told =
    (handler: Handler): Handler =>
    async (call) => {
      try {
        await handler(call);
      } catch (error) {
        if (!call.signal.aborted) offered.failed(error);
        throw error;
      }
    };
  return [
    ["/moby.filesync.v1.FileSync/DiffCopy", told((call) => sendFolder(call, offered))],
    ["/moby.filesync.v1.FileSend/DiffCopy", told((call) => takeOutput(call, offered))],
    ["/moby.upload.v1.Upload/Pull", told((call) => upload(call, offered))],
  ];
}

async function sendFolder(call: ServerCall, { folders }: Offered): Promise<void> {
  const name = call.metadata.get("dir-name") ?? "";
  const folder = folders.get(name);
  if (folder === undefined) throw new RpcError(CODE.notFound, `no access allowed to dir "${name}"`);
  const paths = [...list(call, "followpaths"), ...list(call, "include-patterns")];
  if (typeof folder !== "string") {
    const { file, bytes } = folder;
    const stat = {
      path: file,
      type: "file",
      mode: 0o644,
      uid: 0,
      gid: 0,
      size: bytes.length,
      mtimeNs: 0n,
    } as const;
    return await sendFiles(call, [{ file: stat, source: { kind: "bytes", bytes } }], CONTEXT_PEER);
  }
  await sendFiles(call, listFiles(folder, { excludes: list(call, "exclude-patterns"), paths }), CONTEXT_PEER);
}

/** Repeated headers; where one is not plain text all of its key are written as in a URL. */
function list({ metadata }: ServerCall, key: string): readonly string[] {
  const values = metadata.all(key);
  return metadata.get(`${key}-encoded`) === undefined
    ? values
    : values.map((value) => decodeURIComponent(value.replaceAll("+", "%20")));
}

async function takeOutput(call: ServerCall, { outputs }: Offered): Promise<void> {
  // Old daemons name no exporter: then there is one.
  const number = Number(call.metadata.get("buildkit-attachable-exporter-id") ?? [...outputs.keys()][0] ?? "");
  const place = outputs.get(number);
  if (place === undefined) throw new RpcError(CODE.notFound, `there is no output ${number}`);
  call.start();
  switch (place.kind) {
    case "folder": {
      await writable(place.path, async () => {
        using folder = new FolderReceiver(place.path);
        await receiveFiles(call, folder, OUTPUT_PEER);
        folder.finish(place.deleteExtra);
      });
      return;
    }
    case "file":
      return await writeFile(place.path, chunks(call));
    case "stream":
      for await (const chunk of chunks(call)) await place.write(chunk);
      await place.end?.();
  }
}

async function* chunks(call: ServerCall): AsyncIterable<Uint8Array> {
  for await (const message of call.messages) yield readBytesMessage(message);
}

/** Readers see all of it or what was there before. */
async function writeFile(path: string, data: AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  await writable(path, async () => {
    try {
      await mkdir(dirname(path), { recursive: true });
      await using file = await open(temporary, "wx", 0o644);
      for await (const chunk of data) await file.writeFile(chunk);
      await file.sync();
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  });
}

/** What the disk says no to is said of the output. */
async function writable(path: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    throw new BuildError("OUTPUT", `cannot write "${path}": ${cause.message}`, { cause });
  }
}

async function upload(call: ServerCall, { uploads }: Offered): Promise<void> {
  const path = call.metadata.get("urlpath") ?? "";
  const source = uploads.get(path);
  if (source === undefined) throw new RpcError(CODE.notFound, `nothing is piped in as ${path}`);
  const most = 1 << 20;
  for await (const chunk of source())
    for (let at = 0; at < chunk.length; at += most) await call.send(...bytesMessage(chunk.subarray(at, at + most)));
}
