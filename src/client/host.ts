// Which daemon does the work, and a connection to it.

import { readFileSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { BuildError } from "../../builder/core/errors.ts";
import { GrpcClient } from "../api/grpc/client.ts";
import type { Arguments } from "../cli/flags.ts";
import { textOf } from "../cli/flags.ts";
import type { Environment } from "../config/environment.ts";

/** Where a daemon is and how it is spoken to. */
export interface Host {
  /** As it was said. */
  readonly name: string;
  readonly address: { readonly path: string } | { readonly host: string; readonly port: number };
  readonly tls: TlsOptions | undefined;
}

interface TlsOptions {
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
  readonly servername: string;
}

const CONNECT_MS = 30_000;

/** `--host`, else TSBUILD_HOST; undefined when this process does the work. Throws `USAGE`, `INPUT_MISSING`. */
export function readHost(args: Arguments, environment: Environment): Host | undefined {
  const name = textOf(args, "host") ?? environment["TSBUILD_HOST"] ?? "";
  if (name === "") return undefined;
  const path = /^unix:\/\/(.+)$/s.exec(name)?.[1];
  if (path !== undefined) return { name, address: { path }, tls: undefined };
  const [, host = "", port = ""] = /^tcp:\/\/(?:\[([^\]]+)\]|([^:/]+)):(\d+)\/?$/s.exec(name)?.filter(Boolean) ?? [];
  if (host === "")
    throw new BuildError("USAGE", `--host: "${name}" is no address of a daemon`, {
      hint: "write unix:///path/of/socket or tcp://host:port; to reach one by ssh, forward its socket: ssh -L",
    });
  return {
    name,
    address: { host, port: Number(port) },
    tls: tlsOptions(args, environment, host),
  };
}

function tlsOptions(args: Arguments, environment: Environment, host: string): TlsOptions | undefined {
  const ca = textOf(args, "tls-ca") ?? environment["TSBUILD_TLS_CA"] ?? "";
  const cert = textOf(args, "tls-cert") ?? environment["TSBUILD_TLS_CERT"] ?? "";
  const key = textOf(args, "tls-key") ?? environment["TSBUILD_TLS_KEY"] ?? "";
  const servername = textOf(args, "tls-server-name") ?? environment["TSBUILD_TLS_SERVER_NAME"] ?? "";
  if (ca === "" && cert === "" && key === "" && servername === "") return undefined;
  if ((cert === "") !== (key === "")) throw new BuildError("USAGE", "--tls-cert and --tls-key belong together");
  return {
    ca: pem(ca),
    cert: pem(cert),
    key: pem(key),
    servername: servername || host,
  };
}

function pem(path: string): Buffer | undefined {
  if (path === "") return undefined;
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new BuildError("INPUT_MISSING", `the file "${path}" for TLS cannot be read`, { cause, hint: String(cause) });
  }
}

/** Connects. Throws `INPUT_MISSING` when nobody answers, or the certificate is not right. */
export async function connectTo(host: Host, signal: AbortSignal): Promise<GrpcClient> {
  signal.throwIfAborted();
  const { address, tls } = host;
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
  return await new Promise((resolve, reject) => {
    const end = (error: unknown): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      socket.destroy();
      reject(error instanceof Error ? error : new Error(String(error)));
    };
    const abort = (): void => end(signal.reason);
    const timer = setTimeout(() => end(unreachable(host, new Error("no answer"))), CONNECT_MS);
    signal.addEventListener("abort", abort, { once: true });
    socket.once("error", (cause) => end(unreachable(host, cause)));
    socket.once(ready, () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      socket.removeAllListeners("error");
      resolve(new GrpcClient(socket));
    });
  });
}

function unreachable({ name, tls }: Host, cause: Error): BuildError {
  const hint =
    tls === undefined && name.startsWith("tcp:")
      ? "does the daemon want TLS? see --tls-ca, --tls-cert and --tls-key"
      : undefined;
  return new BuildError("INPUT_MISSING", `the daemon at ${name} cannot be reached: ${cause.message}`, { cause, hint });
}
