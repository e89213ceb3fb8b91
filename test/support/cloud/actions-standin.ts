// GitHub's cache service in memory, versions 1 and 2, with the storage that version 2 sends its clients to. Entries are
// taken when they are begun, seen when they are whole, and never changed.

import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { listenOnLoopback } from "../loopback.ts";
import type { AzureStandin } from "./azure-standin.ts";
import { startAzureStandin } from "./azure-standin.ts";

export interface ActionsStandin extends AsyncDisposable {
  readonly url: string;
  readonly entries: readonly Entry[];
  /** "find KEY", "reserve KEY", "commit KEY", "list PREFIX", "blob", in the order they came. */
  readonly asked: string[];
  /** Answers calls of these words ("reserve") with a status. */
  fail: ((what: string) => number | undefined) | undefined;
  /** As a job's: a JWT that nobody signed. Branches that it reads, and those that it writes too ("!" before the name). */
  token(...branches: readonly string[]): string;
}

interface Entry {
  readonly id: number;
  key: string;
  readonly version: string;
  readonly scope: string;
  bytes: Buffer;
  isWhole: boolean;
}

const SERVICE = "/twirp/github.actions.results.api.v1.CacheService/";
const SIGNATURE = "a/signature+of=a%test";
export const REST_TOKEN = "of-the-rest-api";

interface State {
  readonly entries: Entry[];
  readonly asked: string[];
  fail: ActionsStandin["fail"];
}

/** Starts one on a loopback port, and its storage on another one. */
export async function startActionsStandin(port = 0, storagePort = 0): Promise<ActionsStandin> {
  const state: State = { entries: [], asked: [], fail: undefined };
  const storage = await startAzureStandin({ account: "actions", key: "", sig: SIGNATURE, containers: ["results"] }, storagePort); // prettier-ignore
  const server = createServer((request, response) => {
    answer(request, response, state, storage).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  const listening = await listenOnLoopback(server, port);
  return Object.assign(state, {
    url: listening.url,
    token: tokenOf,
    [Symbol.asyncDispose]: async () => {
      await listening[Symbol.asyncDispose]();
      await storage[Symbol.asyncDispose]();
    },
  });
}

function tokenOf(...branches: readonly string[]): string {
  const scopes = branches.map((name) => ({ Scope: name.replace("!", ""), Permission: name.startsWith("!") ? 3 : 1 }));
  const now = Math.floor(Date.now() / 1000);
  const claims = { ac: JSON.stringify(scopes), nbf: now - 60, exp: now + 3600 };
  const text = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${text({ alg: "RS256", typ: "JWT" })}.${text(claims)}.bm90aGluZw`;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  state: State,
  storage: AzureStandin,
): Promise<void> {
  const { method = "GET", url = "/", headers } = request;
  const body = await buffer(request);
  const { pathname, searchParams: query } = new URL(url, "http://x");
  const json = (status: number, value: unknown): void =>
    void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
  if (pathname.startsWith("/archive/")) {
    const { bytes } = state.entries[Number(pathname.slice("/archive/".length)) - 1] ?? { bytes: Buffer.alloc(0) };
    const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
    const range = { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
    return void response.writeHead(from > 0 ? 206 : 200, from > 0 ? range : {}).end(bytes.subarray(from));
  }
  const bearer = (headers.authorization ?? "").replace(/^Bearer /, "");
  if (pathname.startsWith("/repos/")) {
    state.asked.push(`list ${query.get("key") ?? ""}`);
    if (bearer !== REST_TOKEN) return json(401, { message: "Bad credentials" });
    const found = state.entries.filter(({ isWhole, key, scope }) => isWhole && key.startsWith(query.get("key") ?? "") && scope === query.get("ref")); // prettier-ignore
    const from = (Number(query.get("page")) - 1) * Number(query.get("per_page"));
    return json(200, { total_count: found.length, actions_caches: found.slice(from, from + Number(query.get("per_page"))).map(({ key }) => ({ key })) }); // prettier-ignore
  }
  const scopes = scopesOf(bearer);
  if (scopes === undefined) return json(401, { code: "unauthenticated", msg: "no token", message: "no token" });
  const fails = (what: string): boolean => {
    state.asked.push(what);
    const status = state.fail?.(what);
    if (status !== undefined) json(status, { code: "internal", message: "asked to fail" });
    return status !== undefined;
  };
  if (pathname.startsWith(SERVICE)) {
    if (method !== "POST" || headers["content-type"] !== "application/json") return json(404, { code: "bad_route" });
    const asked = JSON.parse(body.toString()) as Record<string, unknown>;
    const key = String(asked["key"]);
    const version = String(asked["version"]);
    switch (pathname.slice(SERVICE.length)) {
      case "CreateCacheEntry": {
        if (fails(`reserve ${key}`)) return;
        const entry = reserve(state, key, version, scopes);
        if (entry === undefined) return json(409, { code: "already_exists", msg: "cache entry with the same key" });
        return json(200, { ok: true, signed_upload_url: `${storage.url}/results/${entry.id}?sig=${encodeURIComponent(SIGNATURE)}` }); // prettier-ignore
      }
      case "FinalizeCacheEntryUpload": {
        if (fails(`commit ${key}`)) return;
        const entry = state.entries.find((one) => one.key === key && one.version === version && !one.isWhole);
        const bytes = storage.blobs.get(`results/${entry?.id ?? 0}`);
        if (entry === undefined || bytes?.length !== Number(asked["size_bytes"])) return json(200, { ok: false });
        Object.assign(entry, { bytes, isWhole: true });
        return json(200, { ok: true, entry_id: String(entry.id) });
      }
      case "GetCacheEntryDownloadURL": {
        if (fails(`find ${key}`)) return;
        const found = find(state, [key, ...(asked["restore_keys"] as string[])], version, scopes);
        if (found === undefined) return json(200, { ok: false, signed_download_url: "", matched_key: "" });
        return json(200, { ok: true, matched_key: found.key, signed_download_url: `${storage.url}/results/${found.id}?sig=${encodeURIComponent(SIGNATURE)}` }); // prettier-ignore
      }
      default:
        return json(404, { code: "bad_route" });
    }
  }
  const path = pathname.replace("/_apis/artifactcache/", "");
  if (!(headers.accept ?? "").includes("api-version=6.0-preview.1")) return json(406, { message: "no version" });
  if (method === "GET" && path === "cache") {
    const keys = (query.get("keys") ?? "").split(",");
    if (fails(`find ${keys.join()}`)) return;
    const found = find(state, keys, query.get("version") ?? "", scopes);
    if (found === undefined) return void response.writeHead(204).end();
    return json(200, { cacheKey: found.key, scope: found.scope, archiveLocation: `http://${headers.host ?? ""}/archive/${found.id}` }); // prettier-ignore
  }
  if (method === "POST" && path === "caches") {
    const { key, version } = JSON.parse(body.toString()) as { key: string; version: string };
    if (fails(`reserve ${key}`)) return;
    const entry = reserve(state, key, version, scopes);
    if (entry === undefined) return json(409, { typeKey: "ArtifactCacheItemAlreadyExistsException", message: "Cache already exists." }); // prettier-ignore
    return json(201, { cacheId: entry.id });
  }
  const entry = state.entries[Number(path.replace("caches/", "")) - 1];
  if (entry === undefined || entry.isWhole) return json(404, { message: "no such cache" });
  if (method === "PATCH") {
    const [, from = "", to = ""] = /^bytes (\d+)-(\d+)\/\*$/.exec(headers["content-range"] ?? "") ?? [];
    if (body.length === 0 || Number(to) - Number(from) + 1 !== body.length) return json(400, { message: "the range" });
    const grown = Buffer.alloc(Math.max(entry.bytes.length, Number(to) + 1));
    entry.bytes.copy(grown);
    body.copy(grown, Number(from));
    entry.bytes = grown;
    return void response.writeHead(204).end();
  }
  if (fails(`commit ${entry.key}`)) return;
  if ((JSON.parse(body.toString()) as { size: number }).size !== entry.bytes.length) return json(400, { message: "the size" }); // prettier-ignore
  entry.isWhole = true;
  response.writeHead(204).end();
}

type Scope = { readonly Scope: string; readonly Permission: number };

function scopesOf(token: string): readonly Scope[] | undefined {
  try {
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { ac: string };
    return JSON.parse(claims.ac) as Scope[];
  } catch {
    return undefined;
  }
}

function reserve({ entries }: State, key: string, version: string, scopes: readonly Scope[]): Entry | undefined {
  const scope = scopes.find(({ Permission }) => (Permission & 2) !== 0)?.Scope;
  if (scope === undefined) return undefined;
  if (entries.some((one) => one.key === key && one.version === version && one.scope === scope)) return undefined;
  const entry = { id: entries.length + 1, key, version, scope, bytes: Buffer.alloc(0), isWhole: false };
  entries.push(entry);
  return entry;
}

/** In the first scope that has one: the very key, else the newest that begins so. */
function find(
  { entries }: State,
  keys: readonly string[],
  version: string,
  scopes: readonly Scope[],
): Entry | undefined {
  // prettier-ignore
  for (const { Scope: scope } of scopes) {
    const seen = entries.filter((one) => one.isWhole && one.version === version && one.scope === scope).toReversed();
    for (const key of keys) {
      const found = seen.find((one) => one.key === key) ?? seen.find((one) => one.key.startsWith(key));
      if (found !== undefined) return found;
    }
  }
  return undefined;
}
