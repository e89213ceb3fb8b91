// The HTTP API of a docker daemon (or of podman's service, which speaks the same), through
// its unix socket or by TCP. Only what images need: ping, get, load, inspect.

import http from "node:http";
import https from "node:https";
import { BuildError, isErrno } from "../../core/errors.ts";
import type { DaemonEndpoint } from "../../core/session.ts";

const ERROR_BYTES = 64 << 10;

/** One daemon. Requests are independent of each other; closing ends those under way. */
export class DaemonClient {
  readonly host: string;
  readonly #options: http.RequestOptions;
  readonly #send: typeof http.request;
  readonly #agent: http.Agent;

  constructor(endpoint: DaemonEndpoint) {
    this.host = endpoint.host;
    const { options, isSecure } = requestOptions(endpoint);
    this.#agent = isSecure ? new https.Agent() : new http.Agent();
    this.#options = { ...options, agent: this.#agent };
    this.#send = isSecure ? https.request : http.request;
  }

  /** Sends a request; the answer of status 200 to 299. Throws `INPUT_MISSING` for 404, `REGISTRY` for the rest, with what the daemon said. */
  async request(
    method: "GET" | "POST",
    path: string,
    signal: AbortSignal,
    body?: AsyncIterable<Uint8Array>,
  ): Promise<http.IncomingMessage> {
    signal.throwIfAborted();
    const headers = body === undefined ? {} : { "content-type": "application/x-tar" };
    const outgoing = this.#send({ ...this.#options, method, path, headers, signal });
    const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
      outgoing.on("response", resolve);
      outgoing.on("error", (error) => reject(signal.aborted ? error : this.#unreachable(error)));
    });
    answered.catch(() => undefined); // awaited below; writing the body may fail first
    await writeBody(outgoing, body, answered);
    const response = await answered;
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    const said = saidIn(await textOf(response));
    throw new BuildError(
      status === 404 ? "INPUT_MISSING" : "REGISTRY",
      `the docker daemon at "${this.host}" answered HTTP ${status}: ${said}`,
    );
  }

  /** A JSON answer. */
  async json(path: string, signal: AbortSignal): Promise<unknown> {
    return JSON.parse(await textOf(await this.request("GET", path, signal), 16 << 20)) as unknown;
  }

  close(): void {
    this.#agent.destroy();
  }

  #unreachable(error: Error): BuildError {
    const [why, hint] = isErrno(error, "ENOENT", "ECONNREFUSED", "ENOTFOUND")
      ? ["nobody answers there", "is it running? DOCKER_HOST says where it is"]
      : isErrno(error, "EACCES", "EPERM")
        ? ["permission denied", "the socket belongs to root and the group docker"]
        : [error.message, undefined];
    return new BuildError("REGISTRY", `cannot reach the docker daemon at "${this.host}": ${why}`, {
      cause: error,
      hint,
    });
  }
}

/** Reads DOCKER_HOST's forms. Throws `USAGE`, `UNSUPPORTED`. */
function requestOptions({ host, tls }: DaemonEndpoint): { options: https.RequestOptions; isSecure: boolean } {
  const [, scheme = "", rest = ""] = /^([a-z]+):\/\/(.*)$/s.exec(host) ?? [];
  switch (scheme) {
    case "unix":
      return { options: { socketPath: rest === "" ? "/var/run/docker.sock" : rest, host: "docker" }, isSecure: false };
    case "tcp":
    case "http":
    case "https": {
      const isSecure = scheme === "https" || (scheme === "tcp" && tls !== undefined);
      const url = URL.canParse(`http://${rest}`) ? new URL(`http://${rest}`) : undefined;
      if (url === undefined || url.hostname === "") break;
      const port = url.port === "" ? (isSecure ? 2376 : 2375) : Number(url.port);
      return {
        options: {
          host: url.hostname.replace(/^\[|\]$/g, ""),
          port,
          ...(tls === undefined
            ? {}
            : { ca: tls.ca, cert: tls.certificate, key: tls.key, rejectUnauthorized: !tls.isUnchecked }),
        },
        isSecure,
      };
    }
    case "ssh":
    case "npipe":
    case "fd":
      throw new BuildError("UNSUPPORTED", `a docker daemon by ${scheme}:// cannot be reached ("${host}")`, {
        hint: scheme === "ssh" ? "forward its socket: ssh -L /tmp/docker.sock:/var/run/docker.sock host" : undefined,
      });
  }
  throw new BuildError("USAGE", `"${host}" is not the address of a docker daemon`, {
    hint: "write unix:///path or tcp://host:port",
  });
}

// A daemon that has enough answers before the end of the body: the answer counts.
async function writeBody(
  outgoing: http.ClientRequest,
  body: AsyncIterable<Uint8Array> | undefined,
  answered: Promise<unknown>,
): Promise<void> {
  let isAnswered = false;
  const settled = answered.then(
    () => void (isAnswered = true),
    () => void (isAnswered = true),
  );
  try {
    for await (const chunk of body ?? []) {
      if (isAnswered) break;
      if (!outgoing.write(chunk))
        await Promise.race([new Promise((resolve) => outgoing.once("drain", resolve)), settled]);
    }
  } catch (error) {
    outgoing.destroy(); // the end of the body is never seen: the daemon drops what came
    throw error;
  }
  outgoing.end();
}

/** The text of an answer, as far as it is not longer than that. */
export async function textOf(response: http.IncomingMessage, maxBytes = ERROR_BYTES): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    parts.push(chunk);
    size += chunk.length;
    if (size >= maxBytes) break;
  }
  return Buffer.concat(parts).toString("utf8");
}

function saidIn(text: string): string {
  try {
    const { message, cause } = JSON.parse(text) as { message?: unknown; cause?: unknown };
    const said = [message, cause].find((one) => typeof one === "string" && one !== "");
    if (typeof said === "string") return said;
  } catch {
    // Not JSON.
  }
  return text.trim().slice(0, 300) || "it said nothing more";
}
