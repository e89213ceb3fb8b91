// A file by URL, as BuildKit's http source has it: kept from one build to the next, asked
// for anew each time (by its ETag) unless a checksum says what it must be.

import type { IncomingMessage } from "node:http";
import { createHash } from "node:crypto";
import { bytePath } from "../core/bytes/byte-path.ts";
import type { Digest } from "../core/digest.ts";
import { BuildError, isErrno } from "../core/errors.ts";
import type { Session } from "../core/session.ts";
import { decompress } from "../layer/compression/decompress.ts";
import type { FileTree } from "../layer/tree/file-tree.ts";
import { RootfsView } from "../layer/view/view.ts";
import { HttpClient } from "../transport/registry/http/http.ts";
import type { HttpResponse } from "../transport/registry/http/http.ts";
import type { Download } from "./download-cache.ts";
import { DownloadCache } from "./download-cache.ts";
import { downloadName } from "./download-name.ts";
import { parseHttpDate } from "./http-date.ts";
import { redact } from "./redact.ts";
import type { HttpSource, RemoteOptions } from "./remote.ts";

const DEFAULT_MODE = 0o600;

export interface HttpFile {
  /** The file alone, in the root. */
  readonly tree: FileTree;
  /** Absolute path of its bytes; they stay and do not change. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly digest: Digest;
  /** ms since the epoch, when the server said it. */
  readonly lastModified: number | undefined;
}

/** Limits of one download. */
export interface HttpLimits {
  /** More than this is an error. */
  readonly maxBytes?: number;
}

/** Brings the file. Throws `REGISTRY` when the server does not give it, `DIGEST_INVALID` when it is not the one that the checksum names. */
export async function openHttpFile(
  source: HttpSource,
  options: RemoteOptions,
  limits: HttpLimits = {},
): Promise<HttpFile> {
  // Anybody may have the file: it may also come by plain http.
  const client = new HttpClient({ allowsPlain: () => true, environment: options.environment });
  try {
    const fetcher = new Fetcher(source, options, client, limits);
    return await fetcher.file();
  } finally {
    client.close();
  }
}

class Fetcher {
  readonly #source: HttpSource;
  readonly #options: RemoteOptions;
  readonly #client: HttpClient;
  readonly #limits: HttpLimits;
  readonly #cache: DownloadCache;
  readonly #url: URL;
  /** For people. */
  readonly #shown: string;

  constructor(source: HttpSource, options: RemoteOptions, client: HttpClient, limits: HttpLimits) {
    this.#source = source;
    this.#options = options;
    this.#client = client;
    this.#limits = limits;
    this.#cache = new DownloadCache(options.storeDirectory, options.workDirectory, options.space);
    this.#shown = redact(source.url);
    if (!URL.canParse(source.url)) throw new BuildError("USAGE", `"${this.#shown}" is not a URL`);
    this.#url = new URL(source.url);
  }

  async file(): Promise<HttpFile> {
    const authorization = (await authorizationFor(this.#url, this.#options.session)) ?? "";
    const known = await this.#cache.known(this.#source.url, authorization);
    const { checksum } = this.#source;
    const pinned = known.find(({ digest }) => digest === checksum);
    if (pinned !== undefined) return await this.#fileOf(pinned);
    const download = await this.#download(known, authorization);
    return await this.#fileOf(download);
  }

  async #download(known: readonly Download[], authorization: string): Promise<Download> {
    const byTag = new Map(
      known.flatMap((each): [string, Download][] => (each.etag === undefined ? [] : [[each.etag, each]])),
    );
    const headers = authorization === "" ? {} : { authorization };
    // One that has a checksum is not there yet, whatever its tag.
    const asksTags = this.#source.checksum === undefined && byTag.size > 0;
    const asked = {
      ...headers,
      "accept-encoding": "gzip",
      ...(asksTags ? { "if-none-match": [...byTag.keys()].join(", ") } : {}),
    };
    const same = asksTags ? await this.#ask(byTag, asked) : undefined;
    if (same !== undefined) return same;
    const response = await this.#get(asked);
    if (response.status < 200 || response.status >= 300) {
      response.body.destroy();
      const unchanged = response.status === 304 ? tagged(byTag, response) : undefined;
      if (unchanged !== undefined) return unchanged;
      throw new BuildError("REGISTRY", `"${this.#shown}": invalid response status ${response.status}`);
    }
    const download = await this.#receive(response);
    this.#cache.remember(this.#source.url, authorization, download);
    return download;
  }

  async #get(headers: Readonly<Record<string, string>>): Promise<HttpResponse> {
    try {
      return await this.#client.send({ method: "GET", url: this.#url, headers }, this.#options.signal);
    } catch (error) {
      // The client's hint is about registries.
      if (!(error instanceof BuildError) || error.hint === undefined) throw error;
      throw new BuildError(error.code, error.message, { cause: error, hint: hintFor(error) });
    }
  }

  /**
   * Asks whether the file is still one of those that are known. By HEAD first, with the tags compared here: servers
   * answer If-None-Match wrongly more often than they send a wrong tag (BuildKit does the same). A HEAD that fails says
   * nothing.
   */
  async #ask(
    byTag: ReadonlyMap<string, Download>,
    headers: Readonly<Record<string, string>>,
  ): Promise<Download | undefined> {
    try {
      const response = await this.#client.send(
        { method: "HEAD", url: this.#url, headers, once: true },
        this.#options.signal,
      );
      response.body.destroy();
      return response.status === 200 || response.status === 304 ? tagged(byTag, response) : undefined;
    } catch (error) {
      if (this.#options.signal.aborted) throw error;
      return undefined;
    }
  }

  async #receive({ body, headers }: HttpResponse): Promise<Download> {
    const { signal } = this.#options;
    await using writer = await this.#cache.writer(signal);
    const check = this.#check();
    const total = Number(headers["content-length"] ?? 0);
    let received = 0;
    try {
      for await (const chunk of contentOf(body)) {
        received += chunk.length;
        if (received > (this.#limits.maxBytes ?? Number.POSITIVE_INFINITY)) {
          throw new BuildError("REGISTRY", `"${this.#shown}" is larger than ${this.#limits.maxBytes} bytes`);
        }
        check?.update(chunk);
        await writer.write(chunk);
        this.#options.report?.progress("downloading", received, total, false);
      }
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw error instanceof BuildError ? error : this.#brokenOff(error, received, total);
    } finally {
      body.destroy();
    }
    const { digest, size } = await writer.commit();
    this.#options.report?.progress("downloading", received, received, true);
    this.#verify(check === undefined ? digest : check.digest());
    const etag = bareTag(headers.etag);
    const lastModified = headers["last-modified"];
    const contentDisposition = headers["content-disposition"];
    return {
      digest,
      sizeBytes: size,
      ...(etag === undefined ? {} : { etag }),
      ...(lastModified === undefined ? {} : { lastModified }),
      ...(contentDisposition === undefined ? {} : { contentDisposition }),
    };
  }

  /** A second hash beside the cache's own, for checksums that are not sha256. */
  #check(): { update(chunk: Uint8Array): void; digest(): string } | undefined {
    const [algorithm = ""] = this.#source.checksum?.split(":") ?? [];
    if (algorithm === "" || algorithm === "sha256") return undefined;
    if (algorithm !== "sha384" && algorithm !== "sha512")
      throw new BuildError("USAGE", `unsupported digest algorithm "${algorithm}"`);
    const hash = createHash(algorithm);
    return { update: (chunk) => void hash.update(chunk), digest: () => `${algorithm}:${hash.digest("hex")}` };
  }

  #verify(found: string): void {
    const { checksum } = this.#source;
    if (checksum === undefined || checksum === found) return;
    throw new BuildError("DIGEST_INVALID", `digest mismatch ${found}: ${checksum}`, {
      hint: `"${this.#shown}" is not the file that the checksum names`,
    });
  }

  #brokenOff(error: unknown, received: number, total: number): BuildError {
    const message = error instanceof Error ? error.message : String(error);
    const of = total > 0 ? ` of ${total}` : "";
    return new BuildError("REGISTRY", `"${this.#shown}" broke off after ${received}${of} bytes: ${message}`, {
      cause: error,
    });
  }

  async #fileOf(download: Download): Promise<HttpFile> {
    const { fileName, mode = DEFAULT_MODE, uid = 0, gid = 0, url } = this.#source;
    const path = await this.#cache.pathOf(download);
    const lastModified = parseHttpDate(download.lastModified);
    const name = downloadName(url, fileName, download.contentDisposition);
    const mtimeNs = BigInt(lastModified ?? 0) * 1_000_000n;
    const { digest, sizeBytes } = download;
    const entry = { path: bytePath(name), type: "file", mode, uid, gid, size: sizeBytes, mtimeNs, digest } as const;
    const content = { kind: "path", path: bytePath(path) } as const;
    const tree = new RootfsView([
      { entries: [entry], sources: (paths) => Promise.resolve(new Map(paths.map((each) => [each, content]))) },
    ]);
    return { tree, path, sizeBytes, digest, lastModified };
  }
}

/** What an encoding of the transfer hides is the file: Go's client, which asks for gzip, takes it off as well. */
function contentOf(body: IncomingMessage): AsyncIterable<Uint8Array> {
  const bytes: AsyncIterable<Uint8Array> = body; // no encoding is set: chunks are buffers
  return body.headers["content-encoding"] === "gzip" ? decompress(bytes, "layer") : bytes;
}

/** The known download that a response speaks of. "Not modified" without a tag speaks of the only one that was sent. */
function tagged(byTag: ReadonlyMap<string, Download>, { status, headers }: HttpResponse): Download | undefined {
  const etag = bareTag(headers.etag);
  if (etag !== undefined) return byTag.get(etag);
  return status === 304 && byTag.size === 1 ? [...byTag.values()][0] : undefined;
}

function bareTag(etag: string | undefined): string | undefined {
  return etag === undefined || etag === "" ? undefined : etag.replace(/^W\//, "");
}

/** Secrets of the session for a host; the token comes before the header. The header goes to that host alone (`HttpClient`). */
async function authorizationFor(url: URL, session: Session): Promise<string | undefined> {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const token = await session.secret(`HTTP_AUTH_TOKEN_${host}`);
  if (token !== undefined) return checkedHeader(`Bearer ${Buffer.from(token).toString("utf8")}`, host);
  const header = await session.secret(`HTTP_AUTH_HEADER_${host}`);
  return header === undefined ? undefined : checkedHeader(Buffer.from(header).toString("utf8"), host);
}

function checkedHeader(text: string, host: string): string {
  const value = text.trim();
  if (/[^\x20-\x7e\t]/.test(value))
    throw new BuildError(
      "USAGE",
      `the secret for "${host}" cannot stand in an HTTP header: it has more than one line or is not ASCII`,
    );
  return value;
}

function hintFor({ cause }: BuildError): string | undefined {
  if (isErrno(cause, "ENOTFOUND")) return "is the name right?";
  if (isErrno(cause, "ECONNREFUSED")) return "does a server run there, on this port?";
  return "the server's certificate must be one that is trusted here: NODE_EXTRA_CA_CERTS names a file with more of them";
}
