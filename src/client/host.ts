// Which daemon does the work.

import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { BuildError } from "../../builder/core/errors.ts";
import type { Arguments } from "../cli/flags.ts";
import { textOf } from "../cli/flags.ts";
import type { Environment } from "../config/environment.ts";
import type { SshTarget } from "./ssh.ts";
import { parseSshTarget } from "./ssh.ts";

/** Where a daemon is and how it is spoken to. */
export interface Host {
  /** As it was said. */
  readonly name: string;
  readonly address: SocketAddress | SshTarget;
  readonly tls: TlsOptions | undefined;
}

export type SocketAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** How a daemon is known, and we to it. */
export interface TlsOptions {
  /** Paths of the files that were read, for messages. */
  readonly files: { readonly ca: string; readonly cert: string };
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
  readonly servername: string;
}

/** `--host`, else TSBUILD_HOST; undefined when this process does the work. Throws `USAGE`, `INPUT_MISSING`, `CONFIG`. */
export function readHost(args: Arguments, environment: Environment): Host | undefined {
  const name = textOf(args, "host") ?? environment["TSBUILD_HOST"] ?? "";
  if (name === "") return undefined;
  const path = /^unix:\/\/(.+)$/s.exec(name)?.[1];
  if (path !== undefined) return { name, address: { path }, tls: undefined };
  const ssh = parseSshTarget(name);
  if (ssh !== undefined) return { name, address: ssh, tls: undefined };
  const [, host = "", port = ""] = /^tcp:\/\/(?:\[([^\]]+)\]|([^:/]+)):(\d+)\/?$/s.exec(name)?.filter(Boolean) ?? [];
  if (host === "")
    throw new BuildError("USAGE", `--host: "${name}" is no address of a daemon`, {
      hint: "write unix:///path/of/socket, tcp://host:port or ssh://user@host",
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
  const tls = { files: { ca, cert }, ca: pem(ca), cert: pem(cert), key: pem(key), servername: servername || host };
  checkFiles(tls, key);
  return tls;
}

/** TLS itself would say of them only that something is wrong. */
function checkFiles({ files, ca, cert, key }: TlsOptions, keyPath: string): void {
  if (ca !== undefined) certificateIn(ca, "--tls-ca", files.ca);
  if (cert === undefined || key === undefined) return;
  const certificate = certificateIn(cert, "--tls-cert", files.cert);
  try {
    if (certificate.checkPrivateKey(createPrivateKey(key))) return;
  } catch (cause) {
    throw new BuildError("CONFIG", `--tls-key: "${keyPath}" is no private key that can be read`, {
      cause,
      hint: "PEM, and not encrypted",
    });
  }
  throw new BuildError("CONFIG", `--tls-cert and --tls-key: "${files.cert}" and "${keyPath}" are no pair`);
}

function certificateIn(bytes: Buffer, flag: string, path: string): X509Certificate {
  try {
    return new X509Certificate(bytes);
  } catch (cause) {
    throw new BuildError("CONFIG", `${flag}: "${path}" is no certificate`, { cause, hint: "PEM is expected" });
  }
}

function pem(path: string): Buffer | undefined {
  if (path === "") return undefined;
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new BuildError("INPUT_MISSING", `the file "${path}" for TLS cannot be read`, { cause, hint: String(cause) });
  }
}
