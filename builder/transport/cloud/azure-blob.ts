// Blobs in Azure's storage, each known by its URL (learn.microsoft.com, "Blob Storage REST API").

import { BuildError } from "../../core/errors.ts";
import { bodyChunks } from "../registry/http/body-chunks.ts";
import { startOf } from "../registry/http/failure.ts";
import type { HttpClient, HttpRequest, HttpResponse } from "../registry/http/http.ts";
import { discard } from "../registry/http/http.ts";
import { collect } from "../source.ts";
import { reasonIn } from "./answers.ts";
import type { AzureLogin } from "./azure-credentials.ts";
import type { AzureKey } from "./azure-sign.ts";
import { AZURE_VERSION, signAzure } from "./azure-sign.ts";
import { pieces, sendPieces } from "./pieces.ts";

/** How requests prove who sends them. */
export type AzureProof =
  | { readonly kind: "key"; readonly key: AzureKey }
  | { readonly kind: "login"; readonly login: AzureLogin }
  /** The URL itself does (a shared access signature). */
  | { readonly kind: "url" };

/** Bytes to be stored; `open` may be called again. */
export interface BlobBytes {
  readonly sizeBytes: number;
  readonly open: () => AsyncIterable<Uint8Array>;
}

/** Blobs up to this size go in one request, larger ones in blocks of it (a blob has 50,000 at most). */
const BLOCK_BYTES = 16 << 20;
const MAX_BLOCKS = 50_000;
const BLOCKS_AT_ONCE = 2;

export class AzureBlobs {
  readonly #http: HttpClient;
  readonly #proof: AzureProof;
  readonly #blockBytes: number;

  constructor(http: HttpClient, proof: AzureProof, blockBytes = BLOCK_BYTES) {
    this.#http = http;
    this.#proof = proof;
    this.#blockBytes = blockBytes;
  }

  /** Makes a container unless it is there. Throws `REGISTRY`. */
  async ensureContainer(url: URL, signal: AbortSignal): Promise<void> {
    const query = { restype: "container" };
    const asked = await this.#send("HEAD", url, { query }, signal);
    if (asked.status !== 404) return await this.#done(asked, 200, "cannot look for the container");
    discard(asked);
    const made = await this.#send("PUT", url, { query, headers: { "content-length": "0" } }, signal);
    // Another one made it at the same time.
    if (made.status === 409) return discard(made);
    await this.#done(made, 201, "cannot make the container");
  }

  /** Whether a blob is there. Throws `REGISTRY`. */
  async has(url: URL, signal: AbortSignal): Promise<boolean> {
    const response = await this.#send("HEAD", url, {}, signal);
    if (response.status === 404) {
      discard(response);
      return false;
    }
    await this.#done(response, 200, "cannot look for the blob");
    return true;
  }

  /** A blob's bytes from byte `from` on. Throws `INPUT_MISSING`, `REGISTRY`. */
  async *open(url: URL, from: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const headers: Record<string, string> = from === 0 ? {} : { "x-ms-range": `bytes=${from}-` };
    const response = await this.#send("GET", url, { headers }, signal);
    if (response.status === 404) {
      discard(response);
      throw new BuildError("INPUT_MISSING", `there is no "${placeOf(url)}"`);
    }
    if (response.status !== (from === 0 ? 200 : 206)) throw await refusalOf(response, "cannot read the blob");
    yield* bodyChunks(response.body);
  }

  /** A small blob whole; undefined when there is none. Throws `REGISTRY`. */
  async read(url: URL, maxBytes: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    try {
      return await collect(this.open(url, 0, signal), maxBytes, `"${placeOf(url)}"`);
    } catch (error) {
      if (error instanceof BuildError && error.code === "INPUT_MISSING") return undefined;
      throw error;
    }
  }

  /** Stores a block blob, whole or not at all; `isNew`: what is there already stays. Throws `REGISTRY`. */
  async put(url: URL, bytes: BlobBytes, { isNew }: { readonly isNew: boolean }, signal: AbortSignal): Promise<void> {
    const condition: Record<string, string> = isNew ? { "if-none-match": "*" } : {};
    const response =
      bytes.sizeBytes <= this.#blockBytes
        ? await this.#putWhole(url, bytes, condition, signal)
        : await this.#putBlocks(url, bytes, condition, signal);
    if (isNew && (response.status === 409 || response.status === 412)) return discard(response);
    await this.#done(response, 201, "cannot write the blob");
  }

  async #putWhole(
    url: URL,
    { sizeBytes, open }: BlobBytes,
    condition: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const headers = {
      ...condition,
      "content-length": String(sizeBytes),
      "content-type": "application/octet-stream",
      "x-ms-blob-type": "BlockBlob",
    };
    return await this.#send("PUT", url, { headers, body: open }, signal);
  }

  /** Blocks that no list names are gone after a week. */
  async #putBlocks(
    url: URL,
    { sizeBytes, open }: BlobBytes,
    condition: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const blockBytes = Math.max(this.#blockBytes, Math.ceil(sizeBytes / MAX_BLOCKS));
    const ids = await sendPieces(pieces(open(), blockBytes), BLOCKS_AT_ONCE, async (piece, number) => {
      const id = Buffer.from(`tsbuild-${String(number).padStart(8, "0")}`).toString("base64");
      const query = { comp: "block", blockid: id };
      const headers = { "content-length": String(piece.length) };
      const response = await this.#send("PUT", url, { query, headers, body: () => once(piece) }, signal);
      await this.#done(response, 201, `cannot write block ${number + 1} of the blob`);
      return id;
    });
    const list = ids.map((id) => `<Latest>${id}</Latest>`).join("");
    const body = Buffer.from(`<?xml version="1.0" encoding="utf-8"?><BlockList>${list}</BlockList>`);
    const headers = { ...condition, "content-length": String(body.length), "content-type": "application/xml" };
    return await this.#send("PUT", url, { query: { comp: "blocklist" }, headers, body: () => once(body) }, signal);
  }

  async #send(
    method: HttpRequest["method"],
    blob: URL,
    {
      headers = {},
      query = {},
      body,
    }: {
      readonly headers?: Readonly<Record<string, string>>;
      readonly query?: Readonly<Record<string, string>>;
      readonly body?: () => AsyncIterable<Uint8Array>;
    },
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const url = new URL(blob);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const request = { method, url, headers, ...(body === undefined ? {} : { body }) };
    return await this.#http.send(await this.#proven(request, signal), signal);
  }

  async #proven(request: HttpRequest, signal: AbortSignal): Promise<HttpRequest> {
    const headers = { ...request.headers, "x-ms-version": AZURE_VERSION };
    switch (this.#proof.kind) {
      case "key":
        return signAzure(request, this.#proof.key);
      case "login":
        return {
          ...request,
          headers: { ...headers, authorization: `Bearer ${await this.#proof.login.token(signal)}` },
        };
      case "url":
        return { ...request, headers };
    }
  }

  async #done(response: HttpResponse, status: number, what: string): Promise<void> {
    if (response.status !== status) throw await refusalOf(response, what);
    discard(response);
  }
}

async function refusalOf(response: HttpResponse, what: string): Promise<BuildError> {
  const { status, headers, url } = response;
  const text = await startOf(response.body);
  const code = headers["x-ms-error-code"];
  const reason = reasonIn(text) || (typeof code === "string" ? `: ${code}` : "");
  return new BuildError("REGISTRY", `${what} "${placeOf(url)}": HTTP ${status}${reason}`, {
    hint: status === 403 ? "does this key or login belong to the account, and may it do this?" : undefined,
  });
}

/** A URL without its query, which may be a key. */
function placeOf({ origin, pathname }: URL): string {
  return origin + pathname;
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
