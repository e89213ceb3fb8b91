// Real registries (Debian's docker-registry on a loopback port), and small ones that lie.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { connect, createServer as createNetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Certificate } from "../support/certificates.ts";
import { endServer } from "../support/loopback.ts";

/** Why there is no real registry here; false when there is one. */
export const noRegistry: string | false =
  spawnSync("docker-registry", ["--version"]).status === 0 ? false : "docker-registry is not installed";

export interface RunningRegistry extends AsyncDisposable {
  /** "127.0.0.1:40001". */
  readonly host: string;
}

export interface Login {
  readonly username: string;
  readonly password: string;
}

/** How else it is protected. */
export interface Protection {
  /** It believes the tokens of this server. */
  readonly tokens?: {
    readonly realm: string;
    readonly issuer: string;
    readonly service: string;
    readonly signer: Certificate;
  };
  /** It speaks TLS only; with `clients` it lets in only whom that authority signed. */
  readonly tls?: { readonly certificate: Certificate; readonly clients?: Certificate };
}

/** Starts a real registry; with `login` it wants Basic authentication. */
export async function startRegistry(login?: Login, { tokens, tls }: Protection = {}): Promise<RunningRegistry> {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-registry-"));
  const host = `127.0.0.1:${await freePort()}`;
  const http: Record<string, unknown> = { addr: host };
  if (tls !== undefined) {
    const { certificate, clients } = tls;
    const clientcas = clients === undefined ? {} : { clientcas: [clients.certificatePath] };
    http["tls"] = { certificate: certificate.certificatePath, key: certificate.keyPath, ...clientcas };
  }
  const config: Record<string, unknown> = {
    version: "0.1",
    log: { level: "error", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: `${folder}/data` }, delete: { enabled: true } },
    http,
  };
  if (login !== undefined) config["auth"] = { htpasswd: { realm: "test", path: writeLogin(folder, login) } };
  if (tokens !== undefined) {
    const { realm, issuer, service, signer } = tokens;
    config["auth"] = { token: { realm, issuer, service, rootcertbundle: signer.certificatePath } };
  }
  // JSON is YAML.
  writeFileSync(join(folder, "config.yml"), JSON.stringify(config));
  const server = spawn("docker-registry", ["serve", join(folder, "config.yml")], { stdio: "ignore" });
  await untilListening(host);
  return {
    host,
    async [Symbol.asyncDispose]() {
      server.kill();
      await once(server, "exit");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function writeLogin(folder: string, { username, password }: Login): string {
  const hash = spawnSync("perl", ["-e", "print crypt($ARGV[0], q($2y$05$abcdefghijklmnopqrstuu))", password], {
    encoding: "utf8",
  }).stdout;
  writeFileSync(join(folder, "htpasswd"), `${username}:${hash}\n`);
  return join(folder, "htpasswd");
}

async function untilListening(host: string): Promise<void> {
  const [address = "", port] = host.split(":");
  for (let i = 0; i < 1000; i++) {
    const socket = connect(Number(port), address);
    try {
      await once(socket, "connect");
      return;
    } catch {
      await sleep(20);
    } finally {
      socket.destroy();
    }
  }
  throw new Error(`no registry listens at ${host}`);
}

/** Starts a server that answers as it likes; `/v2/` itself is always fine. */
export async function startLiar(
  answer: (request: IncomingMessage, response: ServerResponse, host: string) => void,
): Promise<RunningRegistry> {
  let host = "";
  const server = createServer((request, response) => {
    request.resume();
    if (request.url === "/v2/") response.end("{}");
    else answer(request, response, host);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    async [Symbol.asyncDispose]() {
      await endServer(server);
    },
  };
}

async function freePort(): Promise<number> {
  const server = createNetServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
