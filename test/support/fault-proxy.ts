// A proxy between a client and its registry that does what networks and registries do on bad days: it cuts at a byte,
// in either direction, waits, refuses, lies about digests and lengths, never ends. It also tells what went through.

import { once } from "node:events";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { endServer } from "./loopback.ts";

/** What happens to one exchange. `meanwhile` is done, and waited for, at the moment of a cut: a process may be killed there. */
export type Fault =
  /** After so many bytes of the body of the request or of the answer. */
  | { readonly kind: "cut"; readonly where: "request" | "response"; readonly afterBytes: number; readonly meanwhile?: Meanwhile } // prettier-ignore
  /** Nothing reached the registry. */
  | { readonly kind: "cut before"; readonly meanwhile?: Meanwhile }
  /** The registry did it, and its answer is lost. */
  | { readonly kind: "cut after"; readonly meanwhile?: Meanwhile }
  | { readonly kind: "answer"; readonly status: number; readonly headers?: Headers; readonly body?: string }
  /** Nothing reached the registry, and no answer comes. */
  | { readonly kind: "hold" }
  /** The answer begins and stands still. */
  | { readonly kind: "stall"; readonly afterBytes: number }
  /** One byte of the answer is another one. */
  | { readonly kind: "spoil"; readonly atByte: number }
  /** The answer is so much longer or shorter than the truth. */
  | { readonly kind: "length"; readonly delta: number }
  | { readonly kind: "endless" }
  | { readonly kind: "loop" }
  | { readonly kind: "page" };

type Meanwhile = () => Promise<void>;
type Headers = Readonly<Record<string, string>>;

/** One request and its answer, as far as they went. */
export interface Exchange {
  readonly method: string;
  /** With the query. */
  readonly url: string;
  readonly requestHeaders: http.IncomingHttpHeaders;
  requestBytes: number;
  responseBytes: number;
  /** 0: none. */
  status: number;
  /** The whole answer went to the client. */
  isComplete: boolean;
}

export interface FaultProxy extends AsyncDisposable {
  /** "127.0.0.1:40001": in place of the registry's. */
  readonly host: string;
  /** Everything that went through, in order. */
  readonly exchanges: Exchange[];
  /** Asked for each exchange; may be replaced at any time. */
  decide: (exchange: Exchange) => Fault | undefined;
  /** As long as it is, every new connection is cut at once. */
  isDown: boolean;
  /** Cuts every connection there is. */
  cutAll(): void;
}

/** Starts a proxy before a registry ("127.0.0.1:5000", plain http). */
export async function startFaultProxy(upstream: string): Promise<FaultProxy> {
  const agent = new http.Agent({ keepAlive: true });
  const server = http.createServer({ keepAliveTimeout: 60_000 });
  const proxy: FaultProxy = {
    host: "",
    exchanges: [],
    decide: () => undefined,
    isDown: false,
    cutAll: () => server.closeAllConnections(),
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await endServer(server);
    },
  };
  server.on("request", (request, response) => {
    const { socket } = request;
    handle(proxy, upstream, agent, request, response, () => socket.destroy()).catch(() => socket.destroy());
  });
  server.on("connection", (socket) => {
    if (proxy.isDown) socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(proxy, { host: `127.0.0.1:${(server.address() as AddressInfo).port}` });
}

async function handle(
  proxy: FaultProxy,
  upstream: string,
  agent: http.Agent,
  request: http.IncomingMessage,
  response: http.ServerResponse,
  cutOff: () => void,
): Promise<void> {
  if (proxy.isDown) return cutOff();
  const { method = "", url = "", headers } = request;
  const exchange: Exchange = {
    method,
    url,
    requestHeaders: headers,
    requestBytes: 0,
    responseBytes: 0,
    status: 0,
    isComplete: false,
  };
  proxy.exchanges.push(exchange);
  const fault = proxy.decide(exchange);
  if (fault !== undefined && answerAlone(fault, exchange, request, response)) return;
  if (fault?.kind === "cut before") return await cut(cutOff, fault.meanwhile);
  // The registry gets the client's Host: the places it names lead through the proxy.
  const outgoing = http.request(`http://${upstream}${url}`, { method, agent, headers });
  const answered = once(outgoing, "response") as Promise<[http.IncomingMessage]>;
  answered.catch(() => undefined);
  const limit = fault?.kind === "cut" && fault.where === "request" ? fault.afterBytes : undefined;
  if (!(await forward(request, outgoing, exchange, limit, answered))) {
    outgoing.destroy();
    return await cut(cutOff, fault?.kind === "cut" ? fault.meanwhile : undefined);
  }
  const [answer] = await answered;
  await passOn(answer, exchange, fault, response, cutOff);
}

/** The client's body to the registry, or what it takes of it before it answers; false when the limit was reached. */
async function forward(
  request: http.IncomingMessage,
  outgoing: http.ClientRequest,
  exchange: Exchange,
  limit: number | undefined,
  answered: Promise<unknown>,
): Promise<boolean> {
  if (limit === 0) return false;
  let isAnswered = false;
  const early = answered.then(
    () => (isAnswered = true),
    () => (isAnswered = true),
  );
  try {
    // Leaving the loop must not end the request: nobody would read what is left of it, nor the next one on its connection.
    const chunks: AsyncIterable<Buffer> = request.iterator({ destroyOnReturn: false });
    for await (const chunk of chunks) {
      const rest = limit === undefined ? chunk : chunk.subarray(0, limit - exchange.requestBytes);
      exchange.requestBytes += rest.length;
      if (!outgoing.write(rest)) await Promise.race([drained(outgoing), early]);
      if (isAnswered) break;
      if (exchange.requestBytes === limit) {
        await sleep(5); // so that the registry sees them
        return false;
      }
    }
  } catch (error) {
    outgoing.destroy();
    throw error;
  }
  // Only once the loop is left: while it listens nothing flows, and what is left of a body would block its connection.
  if (isAnswered) request.resume();
  else outgoing.end();
  return true;
}

async function passOn(
  answer: http.IncomingMessage,
  exchange: Exchange,
  fault: Fault | undefined,
  response: http.ServerResponse,
  cutOff: () => void,
): Promise<void> {
  exchange.status = answer.statusCode ?? 0;
  if (fault?.kind === "cut after") {
    for await (const _ of answer);
    return await cut(cutOff, fault.meanwhile);
  }
  const headers = { ...answer.headers };
  if (fault?.kind === "length") headers["content-length"] = String(Number(headers["content-length"]) + fault.delta);
  response.writeHead(exchange.status, headers);
  const isCut = fault?.kind === "stall" || (fault?.kind === "cut" && fault.where === "response");
  const limit = isCut ? fault.afterBytes : undefined;
  if (limit !== undefined) response.flushHeaders();
  for await (const whole of answer as AsyncIterable<Buffer>) {
    const chunk = fault?.kind === "spoil" ? spoiled(whole, fault.atByte - exchange.responseBytes) : whole;
    const rest = limit === undefined ? chunk : chunk.subarray(0, limit - exchange.responseBytes);
    exchange.responseBytes += rest.length;
    if (rest.length > 0 && !response.write(rest)) await drained(response);
    if (exchange.responseBytes !== limit) continue;
    if (fault?.kind === "stall") return;
    await new Promise((resolve) => response.write("", resolve));
    answer.destroy();
    return await cut(cutOff, fault?.kind === "cut" ? fault.meanwhile : undefined);
  }
  response.end();
  await once(response, "close");
  exchange.isComplete = response.writableFinished;
}

/** Faults for which the registry is not needed. */
function answerAlone(
  fault: Fault,
  exchange: Exchange,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): boolean {
  const give = (status: number, headers: Headers, body = ""): true => {
    exchange.status = status;
    request.resume();
    response.writeHead(status, headers).end(request.method === "HEAD" ? undefined : body);
    return true;
  };
  switch (fault.kind) {
    case "answer":
      return give(fault.status, fault.headers ?? {}, fault.body);
    case "page":
      return give(200, { "content-type": "text/html" }, "<!DOCTYPE html><title>Sign in</title>");
    case "hold":
      request.resume();
      return true;
    case "loop":
      return give(307, { location: exchange.url });
    case "endless": {
      exchange.status = 200;
      request.resume();
      response.writeHead(200);
      const more = (): void => {
        if (request.method === "HEAD") return void response.end();
        while (!response.destroyed && response.write(Buffer.alloc(1 << 16)));
        if (!response.destroyed) response.once("drain", more);
      };
      more();
      return true;
    }
    case "cut":
    case "cut before":
    case "cut after":
    case "stall":
    case "spoil":
    case "length":
      return false;
  }
}

function spoiled(chunk: Buffer, at: number): Buffer {
  if (at < 0 || at >= chunk.length) return chunk;
  const copy = Buffer.from(chunk);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** Waits until there is room again, or nobody any more. */
async function drained(stream: http.ServerResponse | http.ClientRequest): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stream.off("drain", done).off("close", done);
      resolve();
    };
    stream.on("drain", done).on("close", done);
  });
}

async function cut(cutOff: () => void, meanwhile: Meanwhile | undefined): Promise<void> {
  await meanwhile?.();
  cutOff();
}
