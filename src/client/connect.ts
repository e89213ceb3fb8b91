// A connection to the daemon that does the work.

import { connect as connectSocket } from "node:net";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { BuildError } from "../../builder/core/errors.ts";
import { GrpcClient } from "../api/grpc/client.ts";
import { Empty, InfoResponse } from "../api/proto/control.ts";
import type { Host, SocketAddress } from "./host.ts";
import type { SshTarget } from "./ssh.ts";
import { connectSsh } from "./ssh.ts";

const INFO = "/moby.buildkit.v1.Control/Info";
const CONNECT_MS = 30_000;
/** How long ssh takes to end when its connection did. */
const SSH_END_MS = 2000;

/** Connects. Throws `INPUT_MISSING` when nobody answers, or the certificate is not right. */
export async function connectTo(host: Host, signal: AbortSignal): Promise<GrpcClient> {
  const { address } = host;
  return "socket" in address
    ? await throughSsh(host, address, signal)
    : new GrpcClient(await openSocket(host, address, signal));
}

/** The bytes of a connection, for another program. Throws as `connectTo`. */
export async function rawConnection(host: Host, signal: AbortSignal): Promise<Duplex> {
  const { address } = host;
  return "socket" in address ? connectSsh(address).stream : await openSocket(host, address, signal);
}

/** Only an answer shows that ssh came through. */
async function throughSsh(host: Host, target: SshTarget, signal: AbortSignal): Promise<GrpcClient> {
  signal.throwIfAborted();
  const { stream, ended } = connectSsh(target);
  const client = new GrpcClient(stream);
  const answered = (async () => {
    try {
      await client.unary(INFO, [Empty, InfoResponse], {}, signal);
    } catch {
      // Where ssh ended, that is why; what the daemon does not like it says again of what is asked next.
      await sleep(SSH_END_MS, undefined, { ref: false });
    }
  })();
  const error = await Promise.race([ended, answered]);
  signal.throwIfAborted();
  if (!(error instanceof BuildError)) return client;
  client[Symbol.dispose]();
  throw unreachable(host, error);
}

async function openSocket({ name, tls }: Host, address: SocketAddress, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const socket: Socket =
    tls === undefined
      ? connectSocket(address)
      : connectTls({
          ...address,
          ...tls,
          ALPNProtocols: ["h2"],
          minVersion: "TLSv1.2",
        });
  const ready = tls === undefined ? "connect" : "secureConnect";
  const why = { name, tls };
  return await new Promise((resolve, reject) => {
    const end = (error: unknown): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      socket.destroy();
      reject(error instanceof Error ? error : new Error(String(error)));
    };
    const abort = (): void => end(signal.reason);
    const timer = setTimeout(() => end(unreachable(why, new Error("no answer"))), CONNECT_MS);
    signal.addEventListener("abort", abort, { once: true });
    socket.once("error", (cause) => end(unreachable(why, cause)));
    socket.once(ready, () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      socket.removeAllListeners("error");
      resolve(socket);
    });
  });
}

function unreachable({ name, tls }: Pick<Host, "name" | "tls">, cause: Error): BuildError {
  const isPlainTcp = tls === undefined && name.startsWith("tcp:");
  const hint = isPlainTcp ? "does the daemon want TLS? see --tls-ca, --tls-cert and --tls-key" : undefined;
  return new BuildError("INPUT_MISSING", `the daemon at ${name} cannot be reached: ${cause.message}`, {
    cause,
    hint: cause instanceof BuildError ? cause.hint : hint,
  });
}
