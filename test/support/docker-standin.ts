// A stand-in for a docker daemon's API: it keeps what is loaded, gives it back, and answers wrongly where a test wants it.

import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endServer } from "./loopback.ts";

export interface StandinOptions {
  /** The containerd image store, which keeps manifests. */
  readonly isContainerd?: boolean;
  /** Answers instead of the daemon; true when it did. */
  readonly answer?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

export interface DockerStandin extends AsyncDisposable {
  /** As DOCKER_HOST has it. */
  readonly host: string;
  /** Archives that were loaded whole. */
  readonly loaded: Buffer[];
  /** What `docker save` gives, and what inspect calls an image, by name. */
  readonly archives: Map<string, Buffer>;
  readonly ids: Map<string, string>;
}

/** Starts one on a unix socket of its own. */
export async function startDockerStandin({
  isContainerd = false,
  answer,
}: StandinOptions = {}): Promise<DockerStandin> {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-docker-"));
  const loaded: Buffer[] = [];
  const archives = new Map<string, Buffer>();
  const ids = new Map<string, string>();
  const json = (response: ServerResponse, status: number, body: object): void => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = new URL(request.url ?? "", "http://docker").pathname;
    const [, name = "", verb = ""] = /^\/images\/(.+)\/(get|json)$/.exec(path) ?? [];
    if (path === "/info")
      return json(response, 200, {
        DriverStatus: isContainerd
          ? [["driver-type", "io.containerd.snapshotter.v1"]]
          : [["Backing Filesystem", "extfs"]],
      });
    if (path === "/images/load") {
      const parts: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) parts.push(chunk);
      loaded.push(Buffer.concat(parts));
      return json(response, 200, { stream: "Loaded image\n" });
    }
    const archive = archives.get(name);
    if (verb === "get" && archive !== undefined) return void response.end(archive);
    const id = ids.get(name);
    if (verb === "json" && id !== undefined) return json(response, 200, { Id: id });
    json(response, 404, { message: `No such image: ${name}` });
  };
  const server = createServer((request, response) => {
    if (answer?.(request, response) === true) return;
    respond(request, response).catch(() => response.destroy());
  });
  const socket = join(folder, "docker.sock");
  server.listen(socket);
  await once(server, "listening");
  return {
    host: `unix://${socket}`,
    loaded,
    archives,
    ids,
    async [Symbol.asyncDispose]() {
      await endServer(server);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
