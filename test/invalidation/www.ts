// A web server that gives the files below a folder as they are at the moment.

import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { listenOnLoopback, type LoopbackServer } from "../support/loopback.ts";

export async function serveFolder(folder: string): Promise<LoopbackServer> {
  const server = createServer((request, response) => {
    const file = path.join(folder, path.posix.normalize(new URL(request.url ?? "/", "http://localhost").pathname));
    if (!existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    const body = readFileSync(file);
    response.writeHead(200, {
      "content-type": "application/octet-stream",
      "content-length": body.length,
      "last-modified": statSync(file).mtime.toUTCString(),
    });
    response.end(request.method === "HEAD" ? undefined : body);
  });
  return await listenOnLoopback(server);
}
