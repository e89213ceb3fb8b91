// A bucket of S3, or of what speaks its protocol (docs.aws.amazon.com/AmazonS3/latest/API).

import { createHash } from "node:crypto";
import { BuildError } from "../../core/errors.ts";
import { bodyChunks } from "../registry/http/body-chunks.ts";
import type { HttpClient, HttpRequest, HttpResponse } from "../registry/http/http.ts";
import { discard } from "../registry/http/http.ts";
import { startOf } from "../registry/http/failure.ts";
import { collect } from "../source.ts";
import { reasonIn } from "./answers.ts";
import type { AwsLogin } from "./aws-credentials.ts";
import { EMPTY_SHA256, signAws } from "./aws-sign.ts";
import { pieces, sendPieces } from "./pieces.ts";
import { elementText, elementTexts, escapeXml } from "./xml.ts";

/** Where a bucket lies. */
export interface S3Place {
  readonly bucket: string;
  readonly region: string;
  /** "https://minio.example:9000"; absent: Amazon's own for the region. */
  readonly endpoint?: string;
  /** The bucket's name in the path, not in the host. */
  readonly usePathStyle?: boolean;
}

/** Bytes to be stored; `open` may be called again. */
export interface S3Object {
  readonly sizeBytes: number;
  /** In hex, of all bytes. */
  readonly sha256: string;
  readonly open: () => AsyncIterable<Uint8Array>;
}

/** Objects up to this size go in one request, larger ones in parts of it. */
const PART_BYTES = 16 << 20;
const MAX_PARTS = 10_000;
const PARTS_AT_ONCE = 2;
/** A copy in one request takes no more (5 GiB). */
const MAX_COPY_BYTES = 5 * 2 ** 30;

export class S3Bucket {
  /** For messages: `s3://bucket`. */
  readonly name: string;
  readonly #place: S3Place;
  readonly #login: AwsLogin;
  readonly #http: HttpClient;
  readonly #root: string;
  readonly #partBytes: number;

  /** Throws `USAGE` for an endpoint that is no URL. */
  constructor(place: S3Place, login: AwsLogin, http: HttpClient, partBytes = PART_BYTES) {
    this.name = `s3://${place.bucket}`;
    this.#place = place;
    this.#login = login;
    this.#http = http;
    this.#root = rootOf(place);
    this.#partBytes = partBytes;
  }

  /** What is known of an object; undefined when there is none. Throws `REGISTRY`. */
  async head(
    key: string,
    signal: AbortSignal,
  ): Promise<{ readonly sizeBytes: number; readonly modifiedMs: number } | undefined> {
    const response = await this.#send("HEAD", key, {}, signal);
    discard(response);
    if (response.status === 404) return undefined;
    if (response.status !== 200) throw await this.#refusal(response, `cannot look for "${key}"`);
    const { "content-length": length, "last-modified": modified } = response.headers;
    return { sizeBytes: Number(length ?? 0), modifiedMs: Date.parse(modified ?? "") };
  }

  /** An object's bytes from byte `from` on. Throws `INPUT_MISSING`, `REGISTRY`. */
  async *open(key: string, from: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const headers: Record<string, string> = from === 0 ? {} : { range: `bytes=${from}-` };
    const response = await this.#send("GET", key, { headers }, signal);
    if (response.status === 404) {
      const isBucketMissing = (await startOf(response.body)).includes("<Code>NoSuchBucket</Code>");
      throw new BuildError("INPUT_MISSING", `there is no ${isBucketMissing ? "bucket" : `"${key}" in`} ${this.name}`);
    }
    if (response.status !== (from === 0 ? 200 : 206)) throw await this.#refusal(response, `cannot read "${key}"`);
    yield* bodyChunks(response.body);
  }

  /** A small object whole; undefined when there is none. Throws `REGISTRY`. */
  async read(key: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    try {
      return await collect(this.open(key, 0, signal), maxBytes, `"${key}" in ${this.name}`);
    } catch (error) {
      if (error instanceof BuildError && error.code === "INPUT_MISSING") return undefined;
      throw error;
    }
  }

  /** The keys that begin with a prefix, in order. Throws `REGISTRY`. */
  async *list(prefix: string, signal: AbortSignal): AsyncIterable<string> {
    let next: string | undefined;
    do {
      const query = { "list-type": "2", prefix, ...(next === undefined ? {} : { "continuation-token": next }) };
      const response = await this.#send("GET", "", { query }, signal);
      if (response.status !== 200) throw await this.#refusal(response, `cannot list "${prefix}"`);
      const xml = Buffer.from(await collect(response.body, 16 << 20, `the list of ${this.name}`)).toString("utf8");
      yield* elementTexts(xml, "Key");
      next = elementText(xml, "IsTruncated") === "true" ? elementText(xml, "NextContinuationToken") : undefined;
    } while (next !== undefined);
  }

  /** Stores an object; it is there whole or, after a failure, not at all. Throws `REGISTRY`. */
  async put(key: string, object: S3Object, signal: AbortSignal): Promise<void> {
    if (object.sizeBytes > this.#partBytes) {
      await this.#putParts(key, object, signal);
      return;
    }
    const { sizeBytes, sha256, open } = object;
    const headers = { "content-length": String(sizeBytes), "content-type": "application/octet-stream" };
    const response = await this.#send("PUT", key, { headers, sha256, body: open }, signal);
    if (response.status !== 200) throw await this.#refusal(response, `cannot write "${key}"`);
    discard(response);
  }

  /** Makes an object's time that of now, without its bytes being sent. Throws `REGISTRY`. */
  async touch(key: string, sizeBytes: number, signal: AbortSignal): Promise<void> {
    const source = { "x-amz-copy-source": encodeKey(`${this.#place.bucket}/${key}`) };
    if (sizeBytes < MAX_COPY_BYTES) {
      const headers = {
        ...source,
        "x-amz-metadata-directive": "REPLACE",
        "x-amz-meta-updated-at": new Date().toISOString(),
        "content-length": "0",
      };
      await this.#done(await this.#send("PUT", key, { headers }, signal), `cannot touch "${key}"`);
      return;
    }
    await this.#inParts(key, signal, async (query) => {
      const tags: string[] = [];
      for (let from = 0; from < sizeBytes; from += MAX_COPY_BYTES) {
        const range = `bytes=${from}-${Math.min(from + MAX_COPY_BYTES, sizeBytes) - 1}`;
        const headers = { ...source, "x-amz-copy-source-range": range, "content-length": "0" };
        const part = { ...query, partNumber: String(tags.length + 1) };
        const response = await this.#send("PUT", key, { headers, query: part }, signal);
        tags.push(elementText(await this.#done(response, `cannot touch "${key}"`), "ETag") ?? "");
      }
      return tags;
    });
  }

  async #putParts(key: string, { sizeBytes, open }: S3Object, signal: AbortSignal): Promise<void> {
    const partBytes = Math.max(this.#partBytes, Math.ceil(sizeBytes / MAX_PARTS));
    await this.#inParts(
      key,
      signal,
      async (query) =>
        await sendPieces(pieces(open(), partBytes), PARTS_AT_ONCE, async (piece, number) => {
          const headers = { "content-length": String(piece.length) };
          const sha256 = createHash("sha256").update(piece).digest("hex");
          const part = { ...query, partNumber: String(number + 1) };
          const response = await this.#send(
            "PUT",
            key,
            { headers, query: part, sha256, body: () => once(piece) },
            signal,
          );
          const { etag } = response.headers;
          if (response.status !== 200 || etag === undefined)
            throw await this.#refusal(response, `cannot write part ${number + 1} of "${key}"`);
          discard(response);
          return etag;
        }),
    );
  }

  /** One upload of several parts: `parts` sends them and gives their tags. What did not come to its end is taken back. */
  async #inParts(
    key: string,
    signal: AbortSignal,
    parts: (query: Readonly<Record<string, string>>) => Promise<readonly string[]>,
  ): Promise<void> {
    const what = `cannot write "${key}"`;
    const begun = await this.#done(
      await this.#send("POST", key, { query: { uploads: "" }, headers: { "content-length": "0" } }, signal),
      what,
    );
    const uploadId = elementText(begun, "UploadId");
    if (uploadId === undefined) throw new BuildError("REGISTRY", `${what}: ${this.name} named no upload`);
    const query = { uploadId };
    try {
      const listed = (await parts(query)).map(
        (tag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${escapeXml(tag)}</ETag></Part>`,
      );
      const body = Buffer.from(`<CompleteMultipartUpload>${listed.join("")}</CompleteMultipartUpload>`);
      const headers = { "content-type": "application/xml", "content-length": String(body.length) };
      const sha256 = createHash("sha256").update(body).digest("hex");
      await this.#done(await this.#send("POST", key, { query, headers, sha256, body: () => once(body) }, signal), what);
    } catch (error) {
      // Also when the build was stopped: parts that nobody takes back are kept, and paid for.
      const last = AbortSignal.timeout(10_000);
      await this.#send("DELETE", key, { query }, last).then(discard, () => undefined);
      throw error;
    }
  }

  /** The text of an answer to a request that has been done; a failure may come late, with status 200. */
  async #done(response: HttpResponse, what: string): Promise<string> {
    if (response.status !== 200) throw await this.#refusal(response, what);
    const text = await startOf(response.body);
    if (/<Error>/.test(text)) throw new BuildError("REGISTRY", `${what}: ${this.name}${reasonIn(text)}`);
    return text;
  }

  async #send(
    method: HttpRequest["method"],
    key: string,
    {
      headers = {},
      query = {},
      sha256 = EMPTY_SHA256,
      body,
    }: {
      readonly headers?: Readonly<Record<string, string>>;
      readonly query?: Readonly<Record<string, string>>;
      readonly sha256?: string;
      readonly body?: () => AsyncIterable<Uint8Array>;
    },
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const url = new URL(this.#root + encodeKey(key));
    // Not searchParams: "+" for a blank is read otherwise by some servers.
    url.search = Object.entries(query)
      .map((pair) => pair.map(encode).join("="))
      .join("&");
    const credentials = await this.#login.credentials(signal);
    const request = { method, url, headers, ...(body === undefined ? {} : { body }) };
    const { region } = this.#place;
    return await this.#http.send(await signAws(request, credentials, { service: "s3", region }, sha256), signal);
  }

  async #refusal(response: HttpResponse, what: string): Promise<BuildError> {
    const { status, headers } = response;
    const text = await startOf(response.body);
    const region = headers["x-amz-bucket-region"] ?? elementText(text, "Region");
    const isElsewhere = region !== undefined && region !== this.#place.region && status >= 300;
    return new BuildError(
      "REGISTRY",
      `${what} in ${this.name}: "${response.url.host}" answered HTTP ${status}${reasonIn(text)}`,
      {
        hint: isElsewhere
          ? `the bucket lies in ${String(region)}: say region=${String(region)}`
          : status === 403
            ? "do these credentials belong to the bucket, and may they do this?"
            : undefined,
      },
    );
  }
}

/** The URL that keys follow. */
function rootOf({ bucket, region, endpoint, usePathStyle = false }: S3Place): string {
  const domain = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  const text = endpoint ?? `https://s3.${region}.${domain}`;
  const full = /^https?:\/\//.test(text) ? text : `https://${text}`;
  if (!URL.canParse(full)) throw new BuildError("USAGE", `the S3 endpoint "${text}" is no URL`);
  const url = new URL(full);
  const path = url.pathname.replace(/\/+$/, "");
  // A name with dots is in no certificate, and an address has no names below it.
  const isHost = /^[a-z0-9][a-z0-9-]+[a-z0-9]$/.test(bucket) && !/^[\d.]+$|^\[/.test(url.hostname);
  if (usePathStyle || !isHost) return `${url.origin}${path}/${encode(bucket)}/`;
  return `${url.protocol}//${bucket}.${url.host}${path}/`;
}

function encodeKey(key: string): string {
  return key.split("/").map(encode).join("/");
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
