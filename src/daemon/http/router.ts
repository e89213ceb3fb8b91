// Which part of the daemon answers a request of HTTP/1.1: by its method, and by its path with what differs left open.

import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { Duplex, Readable } from "node:stream";
import { HttpError } from "./answer.ts";

/** A request. */
export interface HttpRequest {
  /** In capitals. A HEAD comes to the route for GET: what it writes as a body is dropped. */
  readonly method: string;
  /** Whose it is: equal for all requests of one client. */
  readonly client: string;
  /** As it was sent, without its query and without a version of the API before it ("/v1.47"). */
  readonly path: string;
  /** What the route's pattern leaves open, decoded. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** Name, value, name, value: for headers that may be repeated. */
  readonly rawHeaders: readonly string[];
  /** For one reader; fails when the client goes before its end. */
  readonly body: Readable;
  /** Aborted when the client has gone, or the daemon gives its builds up. */
  readonly signal: AbortSignal;
}

/** Answers a request; what it throws before it has written anything becomes a JSON error. */
export type HttpHandler = (request: HttpRequest, response: ServerResponse) => Promise<void>;

/** Takes over the connection of a request that asks for another protocol; throws only before it has written to it. */
export type UpgradeHandler = (request: Omit<HttpRequest, "body">, connection: Duplex) => Promise<void>;

/** A place that answers. */
export interface Route {
  readonly method: string;
  /** "/images/{name...}/json": `{x}` stands for one segment of the path, `{x...}` for one or more. */
  readonly pattern: string;
  readonly handler: HttpHandler;
}

/** A place where a connection turns to another protocol. */
export interface UpgradeRoute {
  readonly path: string;
  /** As the header Upgrade has it. */
  readonly protocol: string;
  readonly handler: UpgradeHandler;
}

/** What a path was found to mean. */
export interface Found {
  readonly handler: HttpHandler;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Looks routes up; of several that fit the first is taken. */
export class Router {
  readonly #routes: readonly (Route & { readonly expression: RegExp })[];

  constructor(routes: readonly Route[]) {
    this.#routes = routes.map((route) => ({ ...route, expression: expressionOf(route.pattern) }));
  }

  /** Throws `HttpError`: 404 for a path that nothing answers, 405 where something does, but not this method. */
  find(method: string, path: string): Found {
    const wanted = method === "HEAD" ? "GET" : method;
    const others: string[] = [];
    for (const { expression, handler, ...route } of this.#routes) {
      const match = expression.exec(path);
      if (match === null) continue;
      if (route.method !== wanted && route.method !== "*") others.push(route.method);
      else return { handler, parameters: decoded(match.groups ?? {}) };
    }
    if (others.length > 0) throw new HttpError(405, `${method} of ${path} is not offered, only ${others.join(", ")}`);
    throw new HttpError(404, `there is nothing at ${path}`);
  }
}

/** Of docker 28.5, whose command line all of this was tried with. */
export const API_VERSION = "1.51";
/** Oldest that its clients may speak. */
export const MIN_API_VERSION = "1.24";

/**
 * A path without the version of the API that may stand before it; all answers are alike for those that are spoken. Throws
 * `HttpError` 400 for others, as docker does.
 */
export function withoutVersion(path: string): string {
  const [prefix = "", version = API_VERSION] = /^\/v(\d+\.\d+)(?=\/)/.exec(path) ?? [];
  if (isNewer(version, API_VERSION))
    throw new HttpError(400, `client version ${version} is too new. Maximum supported API version is ${API_VERSION}`);
  if (isNewer(MIN_API_VERSION, version))
    throw new HttpError(
      400,
      `client version ${version} is too old. Minimum supported API version is ${MIN_API_VERSION}, please upgrade your client to a newer version`,
    );
  return path.slice(prefix.length);
}

function isNewer(one: string, other: string): boolean {
  return one.localeCompare(other, "en", { numeric: true }) > 0;
}

function expressionOf(pattern: string): RegExp {
  const source = pattern.replaceAll(/\{(\w+)(\.\.\.)?\}|[.*+?^$()|[\]\\]/g, (text, name?: string, many?: string) =>
    name === undefined ? `\\${text}` : `(?<${name}>${many === undefined ? "[^/]+" : ".+"})`,
  );
  return new RegExp(`^${source}$`);
}

function decoded(groups: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  try {
    return Object.fromEntries(Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value)]));
  } catch {
    throw new HttpError(400, "the path is not percent-encoded as a path is");
  }
}
