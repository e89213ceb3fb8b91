// Real registries (Debian's docker-registry on a loopback port), and small ones that lie.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createNetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Why there is no real registry here; false when there is one. */
export const noRegistry: string | false =
  spawnSync("docker-registry", ["--version"]).status === 0 ? false : "docker-registry is not installed";

export interface RunningRegistry extends AsyncDisposable {
  /** "127.0.0.1:40001". */
  readonly host: string;
}

/** Starts a real registry; with `login` it wants Basic authentication. */
export async function startRegistry(login?: {
  readonly username: string;
  readonly password: string;
}): Promise<RunningRegistry> {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-registry-"));
  const host = `127.0.0.1:${await freePort()}`;
  const lines = [
    "version: 0.1",
    "log: { level: error, accesslog: { disabled: true } }",
    `storage: { filesystem: { rootdirectory: ${folder}/data }, delete: { enabled: true } }`,
    `http: { addr: "${host}" }`,
  ];
  if (login !== undefined) {
    const hash = spawnSync("perl", ["-e", "print crypt($ARGV[0], q($2y$05$abcdefghijklmnopqrstuu))", login.password], {
      encoding: "utf8",
    }).stdout;
    writeFileSync(join(folder, "htpasswd"), `${login.username}:${hash}\n`);
    lines.push(`auth: { htpasswd: { realm: test, path: ${folder}/htpasswd } }`);
  }
  writeFileSync(join(folder, "config.yml"), lines.join("\n"));
  const server = spawn("docker-registry", ["serve", join(folder, "config.yml")], { stdio: "ignore" });
  for (let i = 0; i < 200; i++) {
    const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer !== undefined) break;
    await sleep(50);
  }
  return {
    host,
    async [Symbol.asyncDispose]() {
      server.kill();
      await once(server, "exit");
      rmSync(folder, { recursive: true, force: true });
    },
  };
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
      server.closeAllConnections();
      server.close();
      await once(server, "close");
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
