// GitHub's cache service for jobs, versions 1 and 2 (github.com/actions/toolkit, packages/cache): entries that are written
// once and found by their key or its beginning, the newest first. What is large lies in Azure's storage.

import * as v from "valibot";
import { BuildError } from "../../core/errors.ts";
import { bodyChunks } from "../registry/http/body-chunks.ts";
import type { HttpClient, HttpRequest, HttpResponse } from "../registry/http/http.ts";
import { discard } from "../registry/http/http.ts";
import { startOf } from "../registry/http/failure.ts";
import { collect } from "../source.ts";
import { parseAnswer, reasonIn } from "./answers.ts";
import type { BlobBytes } from "./azure-blob.ts";
import { AzureBlobs } from "./azure-blob.ts";
import { pieces, sendPieces } from "./pieces.ts";

/** How a job reaches the service. */
export interface ActionsAccess {
  readonly url: string;
  readonly version: 1 | 2;
  /** A JWT; its claims say which scopes it may read and write. */
  readonly token: string;
  /** How long one request may take with all its attempts. */
  readonly timeoutMs: number;
}

/** A branch's part of the cache. */
export interface ActionsScope {
  /** "refs/heads/main". */
  readonly name: string;
  readonly canWrite: boolean;
}

/** An entry that was found. */
export interface ActionsEntry {
  /** The whole key, of which the beginning may have been asked for. */
  readonly key: string;
  readonly url: URL;
}

/** What sets entries of one kind apart: SHA-256 of "|go-actionscache-1.0", as BuildKit has it, so that both find each other's. */
const ENTRY_VERSION = "693bb7016429d80366022f036f84856888c9f13e00145f5f6f4dce303a38d6f2";
const CHUNK_BYTES = 16 << 20;
const CHUNKS_AT_ONCE = 2;
const SERVICE = "twirp/github.actions.results.api.v1.CacheService";

const ClaimsSchema = v.object({
  ac: v.pipe(v.string(), v.parseJson(), v.array(v.object({ Scope: v.string(), Permission: v.number() }))),
  exp: v.number(),
  nbf: v.optional(v.number(), 0),
});
const FoundV1 = v.object({ cacheKey: v.string(), archiveLocation: v.string() });
const ReservedV1 = v.union([
  v.pipe(
    v.object({ cacheId: v.number() }),
    v.transform(({ cacheId }) => cacheId),
  ),
  v.pipe(
    v.object({ cacheID: v.number() }),
    v.transform(({ cacheID }) => cacheID),
  ),
]);
const FoundV2 = v.object({
  ok: v.optional(v.boolean(), false),
  signed_download_url: v.optional(v.string(), ""),
  matched_key: v.optional(v.string(), ""),
});
const ReservedV2 = v.object({ ok: v.optional(v.boolean(), false), signed_upload_url: v.optional(v.string(), "") });
const DoneV2 = v.object({ ok: v.optional(v.boolean(), false) });

export class ActionsCache {
  readonly scopes: readonly ActionsScope[];
  readonly #access: ActionsAccess;
  readonly #http: HttpClient;
  readonly #blobs: AzureBlobs;

  /** Throws `CONFIG` for a token that is none, or has ended. */
  constructor(access: ActionsAccess, http: HttpClient) {
    this.scopes = scopesIn(access.token);
    this.#access = access;
    this.#http = http;
    this.#blobs = new AzureBlobs(http, { kind: "url" });
  }

  /** The newest entry whose key begins so; undefined when there is none. Throws `REGISTRY`. */
  async find(key: string, signal: AbortSignal): Promise<ActionsEntry | undefined> {
    const what = "cannot look into the cache of GitHub Actions";
    if (this.#access.version === 1) {
      const query = new URLSearchParams({ keys: key, version: ENTRY_VERSION });
      const response = await this.#send({ method: "GET", url: this.#urlV1(`cache?${query.toString()}`) }, signal);
      const text = await this.#text(response, what, [200, 204, 404]);
      if (response.status !== 200 || text === "") return undefined;
      const { cacheKey, archiveLocation } = parseAnswer(FoundV1, text, what);
      return { key: cacheKey, url: urlIn(archiveLocation, what) };
    }
    const asked = { key, restore_keys: [key], version: ENTRY_VERSION };
    const response = await this.#call("GetCacheEntryDownloadURL", asked, signal);
    const text = await this.#text(response, what, [200, 404]);
    if (response.status === 404) return undefined;
    const found = parseAnswer(FoundV2, text, what);
    return found.ok ? { key: found.matched_key, url: urlIn(found.signed_download_url, what) } : undefined;
  }

  /** An entry's bytes from byte `from` on. Throws `INPUT_MISSING`, `REGISTRY`. */
  async *open(entry: ActionsEntry, from: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    if (this.#access.version === 2) {
      yield* this.#blobs.open(entry.url, from, signal);
      return;
    }
    const headers: Record<string, string> = from === 0 ? {} : { range: `bytes=${from}-` };
    const response = await this.#http.send({ method: "GET", url: entry.url, headers }, signal);
    if (response.status !== (from === 0 ? 200 : 206))
      await this.#text(response, `cannot read "${entry.key}" of the cache of GitHub Actions`, []);
    yield* bodyChunks(response.body);
  }

  /** A small entry whole. Throws `REGISTRY`. */
  async read(entry: ActionsEntry, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    return await collect(this.open(entry, 0, signal), maxBytes, `"${entry.key}" of the cache of GitHub Actions`);
  }

  /** Writes an entry; false when the key is taken, whether its bytes are there already or still come. Throws `REGISTRY`. */
  async save(key: string, bytes: BlobBytes, signal: AbortSignal): Promise<boolean> {
    return this.#access.version === 1 ? await this.#saveV1(key, bytes, signal) : await this.#saveV2(key, bytes, signal);
  }

  async #saveV1(key: string, { sizeBytes, open }: BlobBytes, signal: AbortSignal): Promise<boolean> {
    const what = `cannot write "${key}" to the cache of GitHub Actions`;
    const asked = await this.#send(
      jsonRequest("POST", this.#urlV1("caches"), { key, version: ENTRY_VERSION, cacheSize: sizeBytes }),
      signal,
    );
    const text = await this.#text(asked, what, [200, 201, 409]);
    if (asked.status === 409) return false;
    const url = this.#urlV1(`caches/${parseAnswer(ReservedV1, text, what)}`);
    await sendPieces(pieces(open(), CHUNK_BYTES), CHUNKS_AT_ONCE, async (piece, number) => {
      const from = number * CHUNK_BYTES;
      const headers = {
        "content-type": "application/octet-stream",
        "content-length": String(piece.length),
        "content-range": `bytes ${from}-${from + piece.length - 1}/*`,
      };
      const sent = await this.#send({ method: "PATCH", url, headers, body: () => once(piece) }, signal);
      await this.#text(sent, what, [200, 204]);
    });
    await this.#text(await this.#send(jsonRequest("POST", url, { size: sizeBytes }), signal), what, [200, 201, 204]);
    return true;
  }

  async #saveV2(key: string, bytes: BlobBytes, signal: AbortSignal): Promise<boolean> {
    const what = `cannot write "${key}" to the cache of GitHub Actions`;
    const asked = await this.#call("CreateCacheEntry", { key, version: ENTRY_VERSION }, signal);
    const text = await this.#text(asked, what, [200, 409]);
    if (asked.status === 409) return false;
    const reserved = parseAnswer(ReservedV2, text, what);
    if (!reserved.ok) return false;
    await this.#blobs.put(urlIn(reserved.signed_upload_url, what), bytes, { isNew: false }, signal);
    const end = { key, size_bytes: bytes.sizeBytes, version: ENTRY_VERSION };
    const done = parseAnswer(
      DoneV2,
      await this.#text(await this.#call("FinalizeCacheEntryUpload", end, signal), what, [200]),
      what,
    );
    if (!done.ok) throw new BuildError("REGISTRY", `${what}: the service did not take it`);
    return true;
  }

  async #call(method: string, value: unknown, signal: AbortSignal): Promise<HttpResponse> {
    return await this.#send(jsonRequest("POST", new URL(`${this.#root}/${SERVICE}/${method}`), value), signal);
  }

  async #send(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    const { token, timeoutMs } = this.#access;
    const headers = {
      accept: this.#access.version === 1 ? "application/json;api-version=6.0-preview.1" : "application/json",
      ...request.headers,
      authorization: `Bearer ${token}`,
    };
    try {
      const within = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      return await this.#http.send({ ...request, headers }, within);
    } catch (cause) {
      signal.throwIfAborted();
      if (cause instanceof BuildError) throw cause;
      const message = `the cache of GitHub Actions ("${request.url.host}") did not answer in ${timeoutMs / 1000} s`;
      throw new BuildError("REGISTRY", message, { cause, hint: "timeout=20m lets it have more time" });
    }
  }

  /** An answer's text. Throws `REGISTRY` when its status is none of these. */
  async #text(response: HttpResponse, what: string, statuses: readonly number[]): Promise<string> {
    const { status, url } = response;
    const text = await startOf(response.body);
    if (statuses.includes(status)) return text;
    discard(response);
    throw new BuildError("REGISTRY", `${what}: "${url.host}" answered HTTP ${status}${reasonIn(text)}`, {
      hint: status === 401 || status === 403 ? "has the job's token ended, or may it not write here?" : undefined,
    });
  }

  get #root(): string {
    return this.#access.url.replace(/\/+$/, "");
  }

  #urlV1(path: string): URL {
    return new URL(`${this.#root}/_apis/artifactcache/${path}`);
  }
}

function jsonRequest(method: "POST", url: URL, value: unknown): HttpRequest {
  const body = Buffer.from(JSON.stringify(value));
  const headers = { "content-type": "application/json", "content-length": String(body.length) };
  return { method, url, headers, body: () => once(body) };
}

/** The claim `ac` of a job's token; its signature is the service's to check. */
function scopesIn(token: string): readonly ActionsScope[] {
  let claims: unknown;
  try {
    claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8"));
  } catch {
    claims = undefined;
  }
  const result = v.safeParse(ClaimsSchema, claims);
  if (!result.success)
    throw new BuildError("CONFIG", "the token for the cache of GitHub Actions is not a job's token", {
      hint: "ACTIONS_RUNTIME_TOKEN has it; steps of a workflow see it with crazy-max/ghaction-github-runtime",
    });
  const { ac, exp, nbf } = result.output;
  const now = Date.now() / 1000;
  if (now > exp || now < nbf)
    throw new BuildError("CONFIG", "the token for the cache of GitHub Actions does not hold now", {
      hint: `it holds from ${new Date(nbf * 1000).toISOString()} to ${new Date(exp * 1000).toISOString()}`,
    });
  return ac.map(({ Scope, Permission }) => ({ name: Scope, canWrite: (Permission & 2) !== 0 }));
}

function urlIn(text: string, what: string): URL {
  if (URL.canParse(text) && /^https?:/.test(text)) return new URL(text);
  throw new BuildError("REGISTRY", `${what}: the service named no place`);
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
