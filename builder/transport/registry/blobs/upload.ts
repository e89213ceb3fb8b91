// Blobs to a registry (distribution-spec, Pushing Blobs): taken over from another repository where that is possible, in
// one piece, or in chunks once a connection has shown that it does not carry large pieces. What breaks off is taken up
// where the registry says that it stands; a registry that cannot say gets the blob anew.

import { setTimeout as sleep } from "node:timers/promises";
import type { Descriptor } from "../../../core/image/descriptor.ts";
import { BuildError } from "../../../core/errors.ts";
import type { BlobNotes } from "../../../store/store.ts";
import { BlobCursor } from "./blob-cursor.ts";
import type { RegistryClient } from "../client.ts";
import { RefusalError } from "../http/failure.ts";
import type { HttpResponse } from "../http/http.ts";
import { ConnectionError } from "../http/http.ts";
import { isPassing, pauseMs, retryAfterMs } from "../http/retry.ts";
import type { UploadSession } from "./upload-session.ts";
import { beginUpload, resumeUpload, sessionAfter } from "./upload-session.ts";

const ACCESS = "pull,push";
/** The size of the first chunks; each break makes them smaller. */
const CHUNK_BYTES = 16 << 20;
const SMALLEST_CHUNK_BYTES = 1 << 20;
/** Smaller blobs are sent again sooner than anybody could ask where they stand. */
const NOTED_BYTES = 4 << 20;

type Open = () => AsyncIterable<Uint8Array>;

/** Sends blobs to one repository; it learns from each what the connection carries. */
export class BlobUploader {
  readonly #client: RegistryClient;
  /** Undefined as long as whole blobs go through. */
  #chunkBytes: number | undefined;

  constructor(client: RegistryClient, chunkBytes?: number) {
    this.#client = client;
    this.#chunkBytes = chunkBytes;
  }

  /** Sends one blob that the repository lacks. Throws `REGISTRY` when it is not taken. */
  async put(blob: Descriptor, open: Open, signal: AbortSignal, notes?: BlobNotes): Promise<void> {
    await using cursor = new BlobCursor(open, blob);
    const note = async (session: UploadSession | undefined): Promise<void> => {
      if (blob.size >= NOTED_BYTES) await notes?.setUpload(blob.digest, this.#client.name, session?.url.href);
    };
    let session = await this.#takeUp(blob, signal, notes);
    let [failures, furthest, spoiled] = [0, 0, 0];
    for (;;) {
      try {
        if (session === undefined) {
          const begun = await beginUpload(this.#client, blob, await this.#sharer(blob, notes), signal);
          if (begun === "mounted") return await note(undefined);
          session = begun;
          await note(session);
        }
        await this.#send(blob, session, cursor, signal, note);
        return await note(undefined);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (!(error instanceof Interruption) || session === undefined) throw error;
        if (error.kind === "spoiled" && spoiled++ > 0) throw error.reason;
        this.#learn(error, blob);
        if (await this.#isThere(blob, signal)) return await note(undefined);
        if (session.position > furthest) [failures, furthest] = [0, session.position];
        const pause = pauseMs(this.#client.retry, failures, error.retryAfterMs);
        if (failures++ >= this.#client.retry.retries || pause === undefined) throw error.reason;
        await sleep(pause, undefined, { signal }).catch(() => undefined);
        const isVoid = error.kind === "void" || error.kind === "spoiled";
        session = isVoid ? undefined : await resumeUpload(this.#client, blob, session.url, signal);
      }
    }
  }

  async #send(
    blob: Descriptor,
    session: UploadSession,
    cursor: BlobCursor,
    signal: AbortSignal,
    note: (session: UploadSession) => Promise<void>,
  ): Promise<void> {
    const isWhole = session.position === 0 && (this.#chunkBytes === undefined || blob.size <= this.#chunkBytes);
    if (!isWhole) await this.#sendChunks(blob, session, cursor, signal, note);
    // The rest of the query stays as it was written: it may be signed.
    const { href, search } = session.url;
    const url = new URL(`${href}${search === "" ? "?" : "&"}digest=${encodeURIComponent(blob.digest)}`);
    const body = isWhole ? { from: 0, to: blob.size } : { from: blob.size, to: blob.size };
    const response = await this.#request("PUT", url, blob, cursor, body, {}, signal);
    if (response.status !== 201 && response.status !== 204 && response.status !== 200)
      throw await this.#interruption(response, blob, body.to - body.from);
    response.body.resume();
    const stored = response.headers["docker-content-digest"];
    if (typeof stored === "string" && stored !== blob.digest) {
      const what = this.#client.describe(`blob ${blob.digest}`);
      throw new BuildError("REGISTRY", `${what}: the registry keeps it as "${stored}"`);
    }
  }

  /** Sends what is left, chunk by chunk; the session moves on with each. */
  async #sendChunks(
    blob: Descriptor,
    session: UploadSession,
    cursor: BlobCursor,
    signal: AbortSignal,
    note: (session: UploadSession) => Promise<void>,
  ): Promise<void> {
    while (session.position < blob.size) {
      const from = session.position;
      const length = Math.max(this.#chunkBytes ?? CHUNK_BYTES, session.smallestChunkBytes);
      const to = Math.min(from + length, blob.size);
      const headers = { "content-range": `${from}-${to - 1}` };
      const response = await this.#request("PATCH", session.url, blob, cursor, { from, to }, headers, signal);
      if (response.status !== 202 && response.status !== 204) throw await this.#interruption(response, blob, to - from);
      response.body.resume();
      const next = sessionAfter(this.#client, response, blob, session, to);
      // The session that a failure asks about is the last one that the registry gave.
      [session.url, session.position] = [next.url, next.position];
      await note(session);
      if (next.position <= from) throw new Interruption(this.#stuck(blob, from), "void");
    }
  }

  async #request(
    method: "PUT" | "PATCH",
    url: URL,
    blob: Descriptor,
    cursor: BlobCursor,
    { from, to }: { readonly from: number; readonly to: number },
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const described = { "content-type": "application/octet-stream", "content-length": String(to - from), ...headers };
    const body = (): AsyncIterable<Uint8Array> => cursor.read(from, to);
    try {
      return await this.#client.send(method, url, ACCESS, signal, { headers: described, body, once: true });
    } catch (error) {
      if (!(error instanceof ConnectionError) || !error.mayPass) throw error;
      const what = this.#client.describe(`blob ${blob.digest}`);
      const reason = new BuildError("REGISTRY", `${what}: ${error.message}`, { cause: error, hint: error.hint });
      throw new Interruption(reason, "broken", to - from);
    }
  }

  /** What an answer means for the upload: something to be tried again, or the end. */
  async #interruption(response: HttpResponse, blob: Descriptor, sentBytes: number): Promise<unknown> {
    const { status, headers } = response;
    const askedMs = retryAfterMs(headers);
    const error = await this.#client.failure(response, `blob ${blob.digest}`);
    const codes = error instanceof RefusalError ? error.codes : [];
    if (status === 413 && sentBytes > SMALLEST_CHUNK_BYTES) return new Interruption(error, "too large", sentBytes);
    // What arrived was not what was sent: once more, in case something on the way spoiled it.
    if (codes.includes("DIGEST_INVALID") || codes.includes("SIZE_INVALID")) return new Interruption(error, "spoiled");
    if (status === 404 || codes.includes("BLOB_UPLOAD_UNKNOWN") || codes.includes("BLOB_UPLOAD_INVALID"))
      return new Interruption(error, "void");
    if (status === 416 || isPassing(status)) return new Interruption(error, "busy", sentBytes, askedMs);
    return error;
  }

  /** The next pieces are smaller than one that did not get through. */
  #learn({ kind, sentBytes }: Interruption, { size }: Descriptor): void {
    if ((kind !== "broken" && kind !== "too large") || sentBytes <= SMALLEST_CHUNK_BYTES) return;
    const smaller = Math.max(SMALLEST_CHUNK_BYTES, Math.min(CHUNK_BYTES, Math.floor(sentBytes / 4), size));
    this.#chunkBytes = Math.min(this.#chunkBytes ?? smaller, smaller);
  }

  /** An upload that an earlier process left; what the registry says about it decides. */
  async #takeUp(blob: Descriptor, signal: AbortSignal, notes?: BlobNotes): Promise<UploadSession | undefined> {
    const url = await notes?.upload(blob.digest, this.#client.name);
    if (url === undefined || !URL.canParse(url)) return undefined;
    return await resumeUpload(this.#client, blob, new URL(url), signal);
  }

  /** Another repository of this registry that is known to have the blob. */
  async #sharer({ digest }: Descriptor, notes?: BlobNotes): Promise<string | undefined> {
    const { registry, repository } = this.#client.endpoint;
    const holders = (await notes?.holders(digest)) ?? [];
    const inRegistry = holders.flatMap((holder) =>
      holder.startsWith(`${registry}/`) ? holder.slice(registry.length + 1) : [],
    );
    return inRegistry.find((holder) => holder !== repository);
  }

  /** The answer may have been lost, not the blob. */
  async #isThere({ digest, size }: Descriptor, signal: AbortSignal): Promise<boolean> {
    try {
      const response = await this.#client.send("HEAD", `blobs/${digest}`, ACCESS, signal, { once: true });
      response.body.resume();
      return response.status === 200 && Number(response.headers["content-length"] ?? size) === size;
    } catch (error) {
      if (signal.aborted || !(error instanceof BuildError)) throw error;
      return false;
    }
  }

  #stuck({ digest }: Descriptor, position: number): BuildError {
    const what = this.#client.describe(`blob ${digest}`);
    return new BuildError("REGISTRY", `${what}: the registry takes no byte beyond ${position}`);
  }
}

/** "void": nothing of the upload can be used any more; "spoiled": neither, and its bytes were wrong. */
type InterruptionKind = "void" | "spoiled" | "broken" | "too large" | "busy";

/** A failure after which an upload may go on. */
class Interruption extends Error {
  readonly reason: BuildError;
  readonly kind: InterruptionKind;
  /** Length of the body that did not get through. */
  readonly sentBytes: number;
  readonly retryAfterMs: number | undefined;

  constructor(reason: BuildError, kind: InterruptionKind, sentBytes = 0, askedMs?: number) {
    super(reason.message);
    this.reason = reason;
    this.kind = kind;
    this.sentBytes = sentBytes;
    this.retryAfterMs = askedMs;
  }
}
