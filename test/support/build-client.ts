// A client of BuildKit's API, small enough to misbehave on purpose: it opens a session with a folder of files and takes
// outputs. Its wire is the daemon's own; that real clients understand it is for other tests to show.

import { once } from "node:events";
import { connect } from "node:net";
import { matchesGlob } from "node:path";
import type { CallMetadata } from "../../src/api/grpc/client.ts";
import { GrpcClient } from "../../src/api/grpc/client.ts";
import type { Handler, ServerCall } from "../../src/api/grpc/server.ts";
import { GrpcServer } from "../../src/api/grpc/server.ts";
import { CODE, RpcError } from "../../src/api/grpc/status.ts";
import { ReturnRequest } from "../../src/api/proto/bridge.ts";
import { BridgeSolveRequest, BridgeSolveResponse, PongResponse } from "../../src/api/proto/bridge.ts";
import { Empty, SolveRequest, SolveResponse, StatusRequest, StatusResponse } from "../../src/api/proto/control.ts";
import type { MessageType, Of } from "../../src/api/proto/message.ts";
import { readBytesMessage, readPacket, writePacket } from "../../src/api/proto/packets.ts";
import type { Stat } from "../../src/api/proto/packets.ts";
import { tunnel } from "../../src/api/grpc/tunnel.ts";

const NEVER = new AbortController().signal;
const DIR = 0x80000000;
const PREFIX = "x-docker-expose-session";

/** A file that the client has; a folder where there are no bytes. */
export interface OwnFile {
  readonly bytes?: Uint8Array;
  readonly mode?: number;
  readonly modTime?: bigint;
  readonly link?: string;
}

/** What the client offers, and what it was asked for. */
export interface Offer {
  /** By name of the folder, then by path, in the order in which they are told of. */
  readonly folders: Readonly<Record<string, ReadonlyMap<string, OwnFile>>>;
  readonly requested: string[];
  readonly outputs: Buffer[];
  /** Files of a folder that was sent back, by path. */
  readonly received: Map<string, string>;
  /** Called before a file is sent; what it throws is the client's end of the call. */
  readonly beforeFile?: (path: string, call: ServerCall) => Promise<void>;
  /** Called before an output is read. */
  readonly beforeOutput?: () => Promise<void>;
}

/** An offer of one folder, which is both the context and where the Dockerfile lies. */
export function offerOf(files: Readonly<Record<string, string>>, more: Partial<Offer> = {}): Offer {
  const folder = new Map(
    Object.entries(files)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, text]): [string, OwnFile] => [path, path.endsWith("/") ? {} : { bytes: Buffer.from(text) }]),
  );
  return { folders: { context: folder, dockerfile: folder }, requested: [], outputs: [], received: new Map(), ...more };
}

/** Connects to a daemon's socket. */
export async function connectTo(path: string): Promise<GrpcClient> {
  const socket = connect(path);
  await once(socket, "connect");
  return new GrpcClient(socket);
}

/** Opens a session. Disposing it ends it as a client does that is done. */
export function openSession(client: GrpcClient, id: string, offer: Offer): AsyncDisposable {
  const handlers = new Map<string, Handler>([
    ["/moby.filesync.v1.FileSync/DiffCopy", (call) => sendFolder(call, offer)],
    ["/moby.filesync.v1.FileSend/DiffCopy", (call) => takeOutput(call, offer)],
  ]);
  const call = client.call(
    "/moby.buildkit.v1.Control/Session",
    {
      [`${PREFIX}-uuid`]: id,
      [`${PREFIX}-sharedkey`]: "shared",
      [`${PREFIX}-grpc-method`]: [...handlers.keys()],
    },
    NEVER,
  );
  const server = new GrpcServer(handlers);
  server.accept(tunnel({ messages: call.messages, send: (...parts) => call.send(...parts), signal: NEVER }));
  return {
    [Symbol.asyncDispose]: async () => {
      call.end();
      await call.ended().catch(() => undefined);
      await call[Symbol.asyncDispose]();
      await server.stop();
    },
  };
}

/** A build as buildx makes one: through the bridge, its result handed back. */
export async function buildThrough(
  client: GrpcClient,
  request: Partial<Of<typeof SolveRequest>> & { readonly ref: string },
  attrs: Readonly<Record<string, string>>,
  signal: AbortSignal = NEVER,
  metadata: CallMetadata = {},
): Promise<ReadonlyMap<string, string>> {
  const types = [SolveRequest, SolveResponse] as const;
  const solved = client.unary("/moby.buildkit.v1.Control/Solve", types, request, signal, metadata);
  solved.catch(() => undefined);
  const bridge = bridgeOf(client, request.ref, signal);
  await bridge("Ping", [Empty, PongResponse], {});
  const question = { frontend: "dockerfile.v0", frontendOpt: new Map(Object.entries(attrs)) };
  try {
    const { result } = await bridge("Solve", [BridgeSolveRequest, BridgeSolveResponse], question);
    await bridge("Return", [ReturnRequest, Empty], { result });
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    await bridge("Return", [ReturnRequest, Empty], { error: error.status }).catch(() => undefined);
  }
  return (await solved).exporterResponse;
}

type Bridge = <Q, A>(
  method: string,
  types: readonly [MessageType<Q>, MessageType<A>],
  request: Partial<Q>,
) => Promise<A>;

/** The calls within a build. */
export function bridgeOf(client: GrpcClient, ref: string, signal: AbortSignal = NEVER): Bridge {
  return async (method, [question, answer], request) => {
    const path = `/moby.buildkit.v1.frontend.LLBBridge/${method}`;
    await using call = client.call(path, { "buildkit-controlapi-buildid": ref }, signal);
    await call.send(question.encode(request));
    call.end();
    for await (const message of call.messages) return answer.decode(message);
    throw new Error(`${method} gave no answer`);
  };
}

/** All that a build says of itself. */
export async function statusOf(client: GrpcClient, ref: string): Promise<readonly StatusResponse[]> {
  await using call = client.call("/moby.buildkit.v1.Control/Status", {}, NEVER);
  await call.send(StatusRequest.encode({ ref }));
  call.end();
  const found: StatusResponse[] = [];
  for await (const message of call.messages) found.push(StatusResponse.decode(message));
  return found;
}

async function sendFolder(call: ServerCall, offer: Offer): Promise<void> {
  const folder = offer.folders[call.metadata.get("dir-name") ?? ""] ?? new Map<string, OwnFile>();
  const wanted = [...call.metadata.all("followpaths"), ...call.metadata.all("include-patterns")];
  const files = [...folder].filter(
    ([path]) =>
      wanted.length === 0 ||
      wanted.some((one) => matchesGlob(path, one) || matchesGlob(path, `${one}/**`) || isAbove(path, one)),
  );
  for (const [path, file] of files)
    await call.send(writePacket({ kind: "stat", stat: stat(path.replace(/\/$/, ""), file) }));
  await call.send(writePacket({ kind: "stat", stat: undefined }));
  for await (const message of call.messages) {
    const packet = readPacket(message);
    if (packet.kind === "finish") {
      await call.send(writePacket({ kind: "finish" }));
      continue;
    }
    if (packet.kind !== "request") throw new RpcError(CODE.internal, `unexpected ${packet.kind}`);
    const [path = "", file] = files[packet.id] ?? [];
    offer.requested.push(path);
    await offer.beforeFile?.(path, call);
    if (file?.bytes !== undefined && file.bytes.length > 0)
      await call.send(writePacket({ kind: "data", id: packet.id, data: file.bytes }));
    await call.send(writePacket({ kind: "data", id: packet.id, data: new Uint8Array() }));
  }
}

/** Whether a path is a folder ("a/b/") on the way to what a pattern means. */
function isAbove(path: string, pattern: string): boolean {
  const parts = path.split("/").slice(0, -1);
  return path.endsWith("/") && parts.every((part, at) => matchesGlob(part, pattern.split("/")[at] ?? ""));
}

async function takeOutput(call: ServerCall, offer: Offer): Promise<void> {
  await offer.beforeOutput?.();
  const parts: Uint8Array[] = [];
  const paths: string[] = [];
  let isFolder = false;
  for await (const message of call.messages) {
    // A folder comes as packets, and the first of them tells of a file: no BytesMessage begins with a field 2.
    isFolder ||= parts.length === 0 && message[0] === 0x12;
    if (!isFolder) {
      parts.push(Uint8Array.from(readBytesMessage(message)));
      continue;
    }
    const packet = readPacket(message);
    if (packet.kind === "stat" && packet.stat !== undefined) {
      paths.push(packet.stat.path);
      if (packet.stat.mode < 0o1000) await call.send(writePacket({ kind: "request", id: paths.length - 1 }));
    } else if (packet.kind === "data") {
      const path = paths[packet.id] ?? "";
      offer.received.set(path, (offer.received.get(path) ?? "") + Buffer.from(packet.data).toString("utf8"));
      if (packet.data.length === 0 && offer.received.size === paths.length)
        await call.send(writePacket({ kind: "finish" }));
    }
  }
  offer.outputs.push(Buffer.concat(parts));
}

function stat(path: string, { bytes, mode = 0o644, modTime = 1_700_000_000_000_000_000n, link = "" }: OwnFile): Stat {
  const size = bytes?.length ?? 0;
  return {
    path,
    mode: bytes === undefined ? DIR + 0o755 : mode,
    uid: 0,
    gid: 0,
    size,
    modTime,
    link,
    major: 0,
    minor: 0,
  };
}
