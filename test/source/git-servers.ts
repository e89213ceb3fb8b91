// Git repositories over http: as plain files ("dumb"), and by git's own program ("smart").

import { spawn } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import path from "node:path";
import type { TestContext } from "node:test";

import { serve, type TestServer } from "./support.ts";

/** Serves a folder as it is; run `git update-server-info` in its repositories. */
export function serveDumb(t: TestContext, folder: string): Promise<TestServer> {
  return serve(t, (request, response) => {
    const file = path.join(folder, new URL(request.url ?? "/", "http://h").pathname);
    const isFile = statSync(file, { throwIfNoEntry: false })?.isFile() === true;
    if (isFile) response.writeHead(200).end(readFileSync(file));
    else response.writeHead(404).end();
  });
}

/** Serves the repositories of a folder by `git http-backend`; `wanted` is the Authorization header that it insists on. */
export function serveSmart(t: TestContext, folder: string, wanted?: string): Promise<TestServer> {
  return serve(t, (request, response) => {
    if (wanted !== undefined && request.headers.authorization !== wanted) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
      return;
    }
    runBackend(folder, request, response);
  });
}

function runBackend(folder: string, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "/", "http://h");
  const backend = spawn("git", ["http-backend"], {
    env: {
      PATH: process.env["PATH"],
      GIT_PROJECT_ROOT: folder,
      GIT_HTTP_EXPORT_ALL: "1",
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "safe.directory",
      GIT_CONFIG_VALUE_0: "*",
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
      GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  request.pipe(backend.stdin);
  const parts: Buffer[] = [];
  backend.stdout.on("data", (part: Buffer) => parts.push(part));
  backend.on("close", () => {
    const all = Buffer.concat(parts);
    const end = all.indexOf("\r\n\r\n");
    const headers = Object.fromEntries(
      all
        .toString("latin1", 0, end)
        .split("\r\n")
        .map((line) => line.split(": ", 2)),
    ) as Record<string, string>;
    response.writeHead(Number.parseInt(headers["Status"] ?? "200", 10), headers).end(all.subarray(end + 4));
  });
}
