// The web server of a case: its www folder, with status, headers and redirects where www.json says so.

import { readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";

import * as v from "valibot";

import { type Case, has } from "./case.ts";
import { listenOnLoopback, type LoopbackServer } from "../support/loopback.ts";

const Rules = v.record(
  v.string(),
  v.strictObject({
    status: v.optional(v.number()),
    headers: v.optional(v.record(v.string(), v.string()), {}),
    /** Serve this file instead. */
    file: v.optional(v.string()),
    redirect: v.optional(v.string()),
    no_last_modified: v.optional(v.boolean(), false),
  }),
);
const NO_RULE = v.parse(Rules, { "/": {} })["/"];

/** Serves the case's files on a free port; undefined when it has none. */
export async function serve(it: Case): Promise<LoopbackServer | undefined> {
  if (!has(it, "www")) return undefined;
  const root = path.join(it.folder, "www");
  const rules = has(it, "www.json") ? v.parse(Rules, readJson(path.join(it.folder, "www.json"))) : {};
  const server = createServer((request, response) => {
    const { status, headers, body } = answer(root, rules, new URL(request.url ?? "/", "http://localhost").pathname);
    response.writeHead(status, {
      "content-type": "application/octet-stream",
      ...headers,
      "content-length": body.length,
    });
    response.end(request.method === "HEAD" ? undefined : body);
  });
  return await listenOnLoopback(server);
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

function answer(root: string, rules: v.InferOutput<typeof Rules>, pathname: string): Answer {
  const name = decodeURIComponent(pathname);
  const rule = rules[name] ?? NO_RULE;
  const headers = rule?.headers ?? {};
  if (rule?.redirect !== undefined) {
    return { status: rule.status ?? 302, headers: { ...headers, location: rule.redirect }, body: Buffer.alloc(0) };
  }
  const file = path.join(root, rule?.file ?? name);
  if (statSync(file, { throwIfNoEntry: false })?.isFile() === true && file.startsWith(`${root}/`)) {
    const dated = rule?.no_last_modified === true ? {} : { "last-modified": "Tue, 14 Nov 2023 22:13:20 GMT" };
    return { status: rule?.status ?? 200, headers: { ...dated, ...headers }, body: readFileSync(file) };
  }
  if (rule?.status !== undefined) return { status: rule.status, headers, body: Buffer.alloc(0) };
  return { status: 404, headers, body: Buffer.from("not found\n") };
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, "utf8"));
}
