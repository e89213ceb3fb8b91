// What the tests of sources share: folders, a session with secrets, a server that does as it is told, git repositories.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";

import type { Session } from "../../builder/core/session.ts";
import type { FileTree } from "../../builder/layer/tree/file-tree.ts";
import type { RemoteOptions, SourceReport } from "../../builder/source/remote.ts";

export const NEVER = new AbortController().signal;

/** A folder that is gone after the test. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), "tsbuild-source-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A session with these secrets and nothing else. */
export function sessionWith(secrets: Readonly<Record<string, string>> = {}): Session {
  return {
    secret: (id) => Promise.resolve(secrets[id] === undefined ? undefined : Buffer.from(secrets[id])),
    sshAgent: () => Promise.resolve(undefined),
    credentials: () => Promise.resolve(undefined),
  };
}

/** What a remote source works with, on a store of the test's own. */
export function remoteOptions(folder: string, changes: Partial<RemoteOptions> = {}): RemoteOptions {
  const workDirectory = path.join(folder, "work");
  mkdirSync(workDirectory, { recursive: true });
  return {
    storeDirectory: path.join(folder, "store"),
    workDirectory,
    session: sessionWith(),
    environment: new Map([["PATH", process.env["PATH"] ?? ""]]),
    signal: NEVER,
    ...changes,
  };
}

/** Collects what a source reports. */
export function collectingReport(): SourceReport & { readonly log: SourceReport["log"]; text(): string } {
  let text = "";
  return { progress: () => undefined, log: (_, data) => void (text += Buffer.from(data).toString()), text: () => text };
}

export interface TestServer {
  readonly url: string;
  /** "GET /path", in order. */
  readonly requests: string[];
  readonly headers: IncomingMessage["headers"][];
}

/** A server on a loopback port, up to the end of the test. */
export async function serve(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  host = "127.0.0.1",
): Promise<TestServer> {
  const requests: string[] = [];
  const headers: IncomingMessage["headers"][] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    headers.push(request.headers);
    answer(request, response);
  });
  server.listen(0, host);
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://${host}:${(server.address() as AddressInfo).port}`, requests, headers };
}

/** The text of a file of a tree. */
export async function textOf(tree: FileTree, name: string): Promise<string> {
  const source = (await tree.sources([name], NEVER)).get(name);
  if (source === undefined) throw new Error(`${name} has no content`);
  return source.kind === "bytes" ? Buffer.from(source.bytes).toString() : readFileSync(source.path, "utf8");
}

const GIT_ENVIRONMENT = {
  PATH: process.env["PATH"],
  HOME: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_AUTHOR_NAME: "a",
  GIT_AUTHOR_EMAIL: "a@example.com",
  GIT_COMMITTER_NAME: "a",
  GIT_COMMITTER_EMAIL: "a@example.com",
  GIT_AUTHOR_DATE: "1700000000 +0000",
  GIT_COMMITTER_DATE: "1700000000 +0000",
  // The tests' own set-up adds submodules by path.
  GIT_ALLOW_PROTOCOL: "file:http",
};

/** Runs git in a folder, as somebody who makes repositories. */
export function git(folder: string, ...args: string[]): string {
  return execFileSync("git", ["-c", "init.defaultBranch=main", ...args], {
    cwd: folder,
    env: GIT_ENVIRONMENT,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  }).trim();
}

export const HAS_GIT = hasProgram("git");

function hasProgram(name: string): boolean {
  try {
    execFileSync(name, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Everything that the files of a folder hold. */
export function allText(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(path.join(entry.parentPath, entry.name), "latin1"))
    .join("");
}
