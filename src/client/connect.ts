// A connection to the daemon that does the work.

import { connect as connectSocket, isIP } from "node:net";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectionOptions, PeerCertificate } from "node:tls";
import { checkServerIdentity, connect as connectTls } from "node:tls";
import { BuildError } from "../../builder/core/errors.ts";
import { GrpcClient } from "../api/grpc/client.ts";
import { Empty, InfoResponse } from "../api/proto/control.ts";
import { RpcError } from "../api/grpc/status.ts";
import type { Host, SocketAddress, TlsOptions } from "./host.ts";
import { connectSsh } from "./ssh.ts";
import { tlsFailure } from "./tls-failure.ts";

const INFO = "/moby.buildkit.v1.Control/Info";
const CONNECT_MS = 30_000;
const KEEP_ALIVE_MS = 30_000;
/** How long a connection that has ended takes to say why. */
const END_MS = 2000;

/** Connects; the daemon has answered then. Throws `INPUT_MISSING` when nobody does, or a certificate is not right. */
export async function connectTo(host: Host, signal: AbortSignal): Promise<GrpcClient> {
  const { address } = host;
  signal.throwIfAborted();
  const { stream, ended } = "socket" in address ? connectSsh(address) : await openSocket(host, address, signal);
  const client = new GrpcClient(stream, `the connection to ${host.name}`);
  const patience = AbortSignal.timeout(CONNECT_MS);
  // Only an answer shows that ssh came through, and that the other side accepts our certificate.
  const answered = client.unary(INFO, [Empty, InfoResponse], {}, AbortSignal.any([signal, patience])).then(
    () => undefined,
    async (error: unknown) => {
      if (error instanceof RpcError && !client.isClosed) return undefined; // it answers, whatever it says
      if (patience.aborted || signal.aborted) return NO_ANSWER;
      // Why the connection ended is known a little later.
      return await Promise.race([ended, sleep(END_MS, error, { ref: false })]);
    },
  );
  const why = await Promise.race([answered, ended]);
  if (why === undefined) return client;
  client[Symbol.dispose]();
  signal.throwIfAborted();
  throw unreachable(host, why);
}

/** The bytes of a connection, for another program. Throws as `connectTo`. */
export async function rawConnection(host: Host, signal: AbortSignal): Promise<Duplex> {
  const { address } = host;
  signal.throwIfAborted();
  return ("socket" in address ? connectSsh(address) : await openSocket(host, address, signal)).stream;
}

/** An open socket; `ended` settles with why it ended. */
async function openSocket(
  host: Host,
  address: SocketAddress,
  signal: AbortSignal,
): Promise<{ readonly stream: Socket; readonly ended: Promise<unknown> }> {
  const { tls } = host;
  const socket: Socket =
    tls === undefined
      ? connectSocket(address)
      : connectTls({ ...address, ...namedTls(tls), ALPNProtocols: ["h2"], minVersion: "TLSv1.2" });
  // A daemon that was cut off is noticed while a build is quiet; of no effect on a unix socket.
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  const ended = new Promise<unknown>((resolve) => {
    socket.on("error", resolve);
    socket.once("close", () => resolve(HUNG_UP));
  });
  const waiting = new AbortController();
  const connected = new Promise<undefined>((resolve) => {
    socket.once(tls === undefined ? "connect" : "secureConnect", () => resolve(undefined));
  });
  const late = sleep(CONNECT_MS, NO_ANSWER, { signal: AbortSignal.any([signal, waiting.signal]) }).catch(
    () => NO_ANSWER,
  );
  const why = await Promise.race([connected, ended, late]);
  waiting.abort();
  if (why === undefined) return { stream: socket, ended };
  socket.destroy();
  signal.throwIfAborted();
  throw unreachable(host, why);
}

/** Only names are asked for by name (RFC 6066, 3); an address is held against the certificate all the same. */
function namedTls({ ca, cert, key, servername }: TlsOptions): ConnectionOptions {
  const checked = {
    checkServerIdentity: (_: string, shown: PeerCertificate) => checkServerIdentity(servername, shown),
  };
  return { ca, cert, key, ...checked, ...(isIP(servername) === 0 ? { servername } : {}) };
}

const NO_ANSWER = new Error("no answer");
const HUNG_UP = Object.assign(new Error("it ended the connection"), { code: "ECONNRESET" });

function unreachable({ name, tls }: Host, cause: unknown): BuildError {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  const code = "code" in error ? String(error.code) : "";
  const isPlainTcp = tls === undefined && name.startsWith("tcp:");
  const { message, hint } = (tls === undefined ? undefined : tlsFailure(code, tls)) ?? {
    message: error.message,
    hint:
      error instanceof BuildError
        ? error.hint
        : isPlainTcp
          ? "does the daemon want TLS? see --tls-ca, --tls-cert and --tls-key"
          : undefined,
  };
  return new BuildError("INPUT_MISSING", `the daemon at ${name} cannot be reached: ${message}`, { cause, hint });
}
