// Where clients come in: unix sockets, TCP with TLS, sockets that systemd opened. Each connection is handed on as it is.

import { chmodSync, chownSync, closeSync, mkdirSync, openSync, rmSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { dirname, isAbsolute } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { BuildError, isErrno } from "../../builder/core/errors.ts";
import { flock } from "../../builder/core/system/syscall.ts";
import type { RefusedClient } from "./refused-client.ts";
import { refusedClient } from "./refused-client.ts";

/** TLS of a TCP address; with `ca` clients must show a certificate that it signed. */
export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
  readonly ca?: string | undefined;
}

export interface ListenOptions {
  readonly tls?: TlsFiles | undefined;
  /** TCP without TLS, for networks where somebody else sees to that. */
  readonly isInsecure: boolean;
  /** Group id that may use a unix socket; undefined: its owner alone. */
  readonly group?: number | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Told of a client that TLS kept out. */
  readonly onRefused?: ((refused: RefusedClient) => void) | undefined;
}

export type TakeConnection = (connection: Socket) => void;

/** An open address. Disposing it takes no more connections and removes the socket; those there are stay. */
export interface Listener extends AsyncDisposable {
  /** As clients write it: with the port that was given where 0 was asked for. */
  readonly address: string;
}

const FIRST_SYSTEMD_FD = 3;
/** Of a unix socket's path, in bytes (unix(7), sun_path, with a zero at its end). */
const LONGEST_PATH = 107;
/** A client that was cut off is noticed by the kernel, also while nothing is sent (tcp(7), TCP_KEEPIDLE). */
const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelay: 30_000 };

/** Opens an address. Throws `USAGE` for one that is none or may not be opened so, `CONFIG` for TLS files, `OUTPUT` when it is in use. */
export async function listen(
  address: string,
  options: ListenOptions,
  take: TakeConnection,
): Promise<readonly Listener[]> {
  const [, scheme = "", rest = ""] = /^([a-z]+):\/\/(.*)$/s.exec(address) ?? [];
  switch (scheme) {
    case "unix":
      return [await listenUnix(rest, options, take)];
    case "tcp":
      return [await listenTcp(rest, options, take)];
    case "fd":
      return await listenInherited(rest, options, take);
    default:
      throw new BuildError("USAGE", `--addr: "${address}" is no address`, {
        hint: "write unix:///run/tsbuild.sock, tcp://0.0.0.0:1234 or fd://",
      });
  }
}

async function listenUnix(path: string, { group }: ListenOptions, take: TakeConnection): Promise<Listener> {
  if (!isAbsolute(path)) throw new BuildError("USAGE", `--addr: the path of unix://${path} is not absolute`);
  if (Buffer.byteLength(path) > LONGEST_PATH)
    throw new BuildError("USAGE", `--addr: the path of unix://${path} is longer than ${LONGEST_PATH} bytes`);
  mkdirSync(dirname(path), { recursive: true });
  const lock = await lockSocket(path);
  try {
    const server = createServer(take);
    // Nobody else may use it between bind and chmod.
    const umask = process.umask(0o177);
    try {
      await opened(server, () => server.listen(path), `unix://${path}`);
    } finally {
      process.umask(umask);
    }
    if (group !== undefined) {
      chownSync(path, -1, group);
      chmodSync(path, 0o660);
    }
    return {
      address: `unix://${path}`,
      [Symbol.asyncDispose]: async () => {
        await closed(server);
        rmSync(path, { force: true });
        unlockSocket(path, lock);
      },
    };
  } catch (error) {
    unlockSocket(path, lock);
    throw error;
  }
}

/** Only one daemon at a time has a socket; what a dead one left is taken away. */
async function lockSocket(path: string): Promise<number> {
  const inUse = new BuildError("OUTPUT", `a daemon listens on "${path}" already`, {
    hint: "stop it first, or name another socket with --addr",
  });
  const lock = openSync(`${path}.lock`, "a", 0o600);
  if (!flock(lock, "exclusive", { wait: false })) {
    closeSync(lock);
    throw inUse;
  }
  try {
    const there = statSync(path, { throwIfNoEntry: false });
    if (there === undefined) return lock;
    if (!there.isSocket()) throw new BuildError("OUTPUT", `"${path}" is there, and no socket`);
    if (await answers(path)) throw inUse;
    rmSync(path);
    return lock;
  } catch (error) {
    unlockSocket(path, lock);
    throw error;
  }
}

function unlockSocket(path: string, lock: number): void {
  rmSync(`${path}.lock`, { force: true });
  closeSync(lock);
}

async function answers(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const probe = connect(path);
    probe.on("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.on("error", () => resolve(false));
  });
}

async function listenTcp(hostPort: string, options: ListenOptions, take: TakeConnection): Promise<Listener> {
  const [, bracketed, plain, portText = ""] = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(hostPort) ?? [];
  const [host, port] = [bracketed ?? plain ?? "", Number(portText)];
  if (portText === "" || port > 65535)
    throw new BuildError("USAGE", `--addr: "tcp://${hostPort}" is not tcp://HOST:PORT`);
  if (options.tls === undefined && !options.isInsecure) {
    throw new BuildError("USAGE", `--addr: tcp://${hostPort} without TLS lets anybody who reaches it build`, {
      hint: "give --tlscert and --tlskey (and --tlscacert, so that clients must show a certificate), or say --insecure",
    });
  }
  const server =
    options.tls === undefined ? createServer(KEEP_ALIVE, take) : await tlsServer(options.tls, take, options.onRefused);
  await opened(server, () => server.listen(port, host === "" ? "::" : host), `tcp://${hostPort}`);
  const bound = server.address();
  const actual = typeof bound === "object" && bound !== null ? bound.port : port;
  const shown = host.includes(":") ? `[${host}]` : host;
  return { address: `tcp://${shown}:${actual}`, [Symbol.asyncDispose]: () => closed(server) };
}

/**
 * Clients need not say which protocol they speak (ALPN): buildx does not. Those that speak both (browsers) mean pages,
 * and those are HTTP/1.1's.
 */
async function tlsServer(
  files: TlsFiles,
  take: TakeConnection,
  onRefused: ListenOptions["onRefused"],
): Promise<Server> {
  const read = async (path: string): Promise<Buffer> => {
    try {
      return await readFile(path);
    } catch (cause) {
      throw new BuildError("CONFIG", `TLS: cannot read "${path}"`, { cause, hint: String(cause) });
    }
  };
  try {
    const server = createTlsServer({
      ...KEEP_ALIVE,
      cert: await read(files.certificate),
      key: await read(files.key),
      ...(files.ca === undefined ? {} : { ca: await read(files.ca), requestCert: true, rejectUnauthorized: true }),
      minVersion: "TLSv1.2",
      ALPNCallback: ({ protocols }) => ["http/1.1", "h2"].find((one) => protocols.includes(one)),
    });
    server.on("secureConnection", take);
    // A socket says the address of a client that has gone only when it was asked before.
    server.prependListener("connection", (socket: Socket) => void socket.remoteAddress);
    server.on("tlsClientError", (error, socket) => onRefused?.(refusedClient(error, socket)));
    return server;
  } catch (cause) {
    if (cause instanceof BuildError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new BuildError("CONFIG", `TLS: "${files.certificate}" and "${files.key}" cannot be used: ${why}`, { cause });
  }
}

/** Sockets that a service manager opened (sd_listen_fds(3)). */
async function listenInherited(which: string, options: ListenOptions, take: TakeConnection): Promise<Listener[]> {
  const { LISTEN_FDS: count, LISTEN_PID: pid, TSBUILD_USERNS: inner } = options.environment;
  // Run once more inside a user namespace this may be another process than the one that was started.
  const isForUs = inner !== undefined || pid === undefined || Number(pid) === process.pid;
  if (count === undefined || !/^\d+$/.test(count) || Number(count) === 0 || !isForUs)
    throw new BuildError("USAGE", "--addr: fd:// needs a socket unit of systemd, and no socket was handed over");
  if (which !== "" && !/^\d+$/.test(which))
    throw new BuildError("USAGE", `--addr: "fd://${which}" is not fd:// or fd://N`);
  const all = Array.from({ length: Number(count) }, (_, at) => FIRST_SYSTEMD_FD + at);
  const fds = which === "" ? all : all.filter((fd) => fd === Number(which));
  if (fds.length === 0) throw new BuildError("USAGE", `--addr: systemd handed no socket ${which} over`);
  return await Promise.all(
    fds.map(async (fd) => {
      const server = createServer(KEEP_ALIVE, take);
      await opened(server, () => server.listen({ fd }), `fd://${fd}`);
      // The socket is systemd's: it stays.
      return { address: `fd://${fd}`, [Symbol.asyncDispose]: () => closed(server) };
    }),
  );
}

async function opened(server: Server, open: () => void, address: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.once("listening", resolve);
      open();
    });
  } catch (cause) {
    const why = isErrno(cause, "EADDRINUSE")
      ? "it is in use"
      : isErrno(cause, "EACCES", "EPERM")
        ? "permission denied"
        : cause instanceof Error
          ? cause.message
          : String(cause);
    throw new BuildError("OUTPUT", `cannot listen on ${address}: ${why}`, { cause });
  }
  server.on("error", () => undefined); // of one connection: the others go on
}

async function closed(server: Server): Promise<void> {
  // Connections that are open are somebody else's to end.
  server.close();
  await Promise.resolve();
}
