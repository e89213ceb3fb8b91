// A registry in memory that does all that the distribution specification 1.1 says, also what Debian's docker-registry
// (2.8) does not: uploads that outlive a broken connection, the referrers API, tags that are deleted alone, pages of one
// tag, a smallest chunk, a largest body.

import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { endServer } from "./loopback.ts";

export interface MemoryOptions {
  readonly hasReferrers?: boolean;
  /** Tags a page. */
  readonly pageSize?: number;
  /** OCI-Chunk-Min-Length; a smaller chunk that is not the last is refused. */
  readonly smallestChunk?: number;
  /** A larger body is refused with 413. */
  readonly largestBody?: number;
}

/** One request, its body counted as far as it came. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  bytes: number;
}

export interface MemoryRegistry extends AsyncDisposable {
  readonly host: string;
  readonly seen: Seen[];
  /** By repository, then digest. */
  readonly blobs: Map<string, Map<string, Buffer>>;
  /** By repository, then digest or tag. */
  readonly manifests: Map<string, Map<string, { readonly type: string; readonly bytes: Buffer }>>;
}

interface Upload {
  readonly chunks: Buffer[];
  size: number;
}

/** Starts one on a loopback port. */
export async function startMemoryRegistry(options: MemoryOptions = {}): Promise<MemoryRegistry> {
  const server = createServer((request, response) => {
    registry.answer(request, response).catch(() => request.socket.destroy());
  });
  const registry = new Registry(options);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { seen, blobs, manifests } = registry;
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    blobs,
    manifests,
    async [Symbol.asyncDispose]() {
      await endServer(server);
    },
  };
}

class Registry {
  readonly seen: Seen[] = [];
  readonly blobs: MemoryRegistry["blobs"] = new Map();
  readonly manifests: MemoryRegistry["manifests"] = new Map();
  readonly #uploads = new Map<string, Upload>();
  readonly #options: MemoryOptions;

  constructor(options: MemoryOptions) {
    this.#options = options;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url: target = "", headers } = request;
    const seen: Seen = { method, url: target, headers, bytes: 0 };
    this.seen.push(seen);
    const url = new URL(target, "http://here");
    const path = url.pathname;
    if (path === "/v2/") return void response.end("{}");
    const [, repository = "", kind = "", rest = ""] =
      /^\/v2\/(.+?)\/(blobs\/uploads|blobs|manifests|tags|referrers)\/(.*)$/.exec(path) ?? [];
    const length = Number(headers["content-length"] ?? 0);
    if (length > (this.#options.largestBody ?? Number.POSITIVE_INFINITY)) return refuse(response, 413, "SIZE_INVALID");
    switch (kind) {
      case "blobs/uploads":
        return await this.#upload(request, response, repository, rest, url.searchParams, seen);
      case "blobs":
        return this.#blob(request, response, repository, rest);
      case "manifests":
        return await this.#manifest(request, response, repository, rest, seen);
      case "tags":
        return this.#tags(response, repository, url.searchParams);
      case "referrers":
        return this.#referrers(response, repository, rest, url.searchParams);
      default:
        return refuse(response, 404, "NAME_UNKNOWN");
    }
  }

  async #upload(
    request: IncomingMessage,
    response: ServerResponse,
    repository: string,
    id: string,
    query: URLSearchParams,
    seen: Seen,
  ): Promise<void> {
    if (request.method === "POST") return this.#begin(response, repository, query);
    const upload = this.#uploads.get(id);
    if (upload === undefined) return refuse(response, 404, "BLOB_UPLOAD_UNKNOWN");
    if (request.method === "GET") return void response.writeHead(204, this.#place(repository, id, upload)).end();
    const from = Number(/^(\d+)-/.exec(request.headers["content-range"] ?? "")?.[1] ?? upload.size);
    if (from !== upload.size) return void response.writeHead(416, this.#place(repository, id, upload)).end();
    // What came before a connection broke stays.
    await read(request, seen, (bytes) => {
      upload.chunks.push(bytes);
      upload.size += bytes.length;
    });
    if (request.method === "PATCH") return void response.writeHead(202, this.#place(repository, id, upload)).end();
    const digest = query.get("digest") ?? "";
    const whole = Buffer.concat(upload.chunks);
    if (digest !== digestOf(whole)) return refuse(response, 400, "DIGEST_INVALID");
    this.#uploads.delete(id);
    inside(this.blobs, repository).set(digest, whole);
    response.writeHead(201, { location: `/v2/${repository}/blobs/${digest}`, "docker-content-digest": digest }).end();
  }

  #begin(response: ServerResponse, repository: string, query: URLSearchParams): void {
    const [mount, from] = [query.get("mount") ?? "", query.get("from") ?? ""];
    const shared = this.blobs.get(from)?.get(mount);
    if (shared !== undefined) {
      inside(this.blobs, repository).set(mount, shared);
      return void response.writeHead(201, { location: `/v2/${repository}/blobs/${mount}` }).end();
    }
    const id = randomUUID();
    const upload: Upload = { chunks: [], size: 0 };
    this.#uploads.set(id, upload);
    response.writeHead(202, this.#place(repository, id, upload)).end();
  }

  #place(repository: string, id: string, { size }: Upload): Record<string, string> {
    const { smallestChunk } = this.#options;
    return {
      location: `/v2/${repository}/blobs/uploads/${id}?state=${size}`,
      range: `0-${Math.max(0, size - 1)}`,
      "content-length": "0",
      ...(smallestChunk === undefined ? {} : { "oci-chunk-min-length": String(smallestChunk) }),
    };
  }

  #blob(request: IncomingMessage, response: ServerResponse, repository: string, digest: string): void {
    const bytes = this.blobs.get(repository)?.get(digest);
    if (bytes === undefined) return refuse(response, 404, "BLOB_UNKNOWN");
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const range = from === 0 ? {} : { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
    response.writeHead(from === 0 ? 200 : 206, { "content-length": String(bytes.length - from), ...range });
    response.end(request.method === "HEAD" ? undefined : bytes.subarray(from));
  }

  async #manifest(
    request: IncomingMessage,
    response: ServerResponse,
    repository: string,
    name: string,
    seen: Seen,
  ): Promise<void> {
    const all = inside(this.manifests, repository);
    if (request.method === "PUT") {
      const chunks: Buffer[] = [];
      await read(request, seen, (chunk) => chunks.push(chunk));
      const bytes = Buffer.concat(chunks);
      const [digest, type] = [digestOf(bytes), request.headers["content-type"] ?? ""];
      for (const key of [name, digest]) all.set(key, { type, bytes });
      const subject = subjectOf(bytes);
      const more = subject === undefined || this.#options.hasReferrers !== true ? {} : { "oci-subject": subject };
      return void response.writeHead(201, { "docker-content-digest": digest, ...more }).end();
    }
    const found = all.get(name);
    if (found === undefined) return refuse(response, 404, "MANIFEST_UNKNOWN");
    if (request.method === "DELETE") {
      const digest = digestOf(found.bytes);
      for (const [key, { bytes }] of all)
        if (key === name || (name === digest && digestOf(bytes) === digest)) all.delete(key);
      return void response.writeHead(202).end();
    }
    const { type, bytes } = found;
    response.writeHead(200, {
      "content-type": type,
      "content-length": String(bytes.length),
      "docker-content-digest": digestOf(bytes),
    });
    response.end(request.method === "HEAD" ? undefined : bytes);
  }

  #tags(response: ServerResponse, repository: string, query: URLSearchParams): void {
    const all = [...(this.manifests.get(repository)?.keys() ?? [])].filter((name) => !name.includes(":")).toSorted();
    if (!this.manifests.has(repository)) return refuse(response, 404, "NAME_UNKNOWN");
    const left = all.filter((tag) => tag > (query.get("last") ?? ""));
    const page = left.slice(0, this.#options.pageSize ?? Number(query.get("n") ?? 100));
    const link =
      page.length < left.length ? { link: `</v2/${repository}/tags/list?last=${page.at(-1)}&n=1>; rel="next"` } : {};
    response.writeHead(200, { "content-type": "application/json", ...link });
    response.end(JSON.stringify({ name: repository, tags: page }));
  }

  #referrers(response: ServerResponse, repository: string, subject: string, query: URLSearchParams): void {
    if (this.#options.hasReferrers !== true) return refuse(response, 404, "UNSUPPORTED");
    const wanted = query.get("artifactType");
    const found = [...(this.manifests.get(repository) ?? [])].flatMap(([name, { type, bytes }]) => {
      if (!name.includes(":") || subjectOf(bytes) !== subject) return [];
      const { artifactType, annotations } = JSON.parse(bytes.toString()) as Record<string, unknown>;
      return [{ mediaType: type, digest: name, size: bytes.length, artifactType, annotations }];
    });
    const manifests = found.filter(({ artifactType }) => wanted === null || artifactType === wanted);
    const type = "application/vnd.oci.image.index.v1+json";
    response.writeHead(200, {
      "content-type": type,
      ...(wanted === null ? {} : { "oci-filters-applied": "artifactType" }),
    });
    response.end(JSON.stringify({ schemaVersion: 2, mediaType: type, manifests }));
  }
}

function inside<T>(map: Map<string, Map<string, T>>, repository: string): Map<string, T> {
  const found = map.get(repository) ?? new Map<string, T>();
  map.set(repository, found);
  return found;
}

async function read(request: IncomingMessage, seen: Seen, take: (bytes: Buffer) => void): Promise<void> {
  for await (const chunk of request as AsyncIterable<Buffer>) {
    seen.bytes += chunk.length;
    take(chunk);
  }
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function subjectOf(bytes: Buffer): string | undefined {
  return (JSON.parse(bytes.toString()) as { subject?: { digest: string } }).subject?.digest;
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ errors: [{ code, message: code.toLowerCase().replaceAll("_", " ") }] }));
}
