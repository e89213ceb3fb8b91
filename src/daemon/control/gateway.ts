// The calls that a client makes within its build: it asks the frontend for a result, and hands a result back, which is
// then what the build is. Here nothing is built before it is handed back, unless the client asks for that: a result is
// what was asked for, under a name.

import { randomUUID } from "node:crypto";
import { CODE, RpcError } from "../../api/grpc/status.ts";
import type { Status } from "../../api/grpc/status.ts";
import type { BridgeSolveRequest, ReturnRequest } from "../../api/proto/bridge.ts";
import type { Of } from "../../api/proto/message.ts";

/** What a ref stands for. */
export type Attrs = ReadonlyMap<string, string>;

const MOST_REFS = 10_000;

export class Gateway {
  readonly #refs = new Map<string, Attrs>();
  readonly #returned = Promise.withResolvers<Attrs | undefined>();

  constructor() {
    this.#returned.promise.catch(() => undefined); // asked for later, or never
  }

  /** The name of a result. */
  keep({ frontend, frontendOpt }: Of<typeof BridgeSolveRequest>): string {
    requireKnownFrontend(frontend, frontendOpt);
    if (this.#refs.size >= MOST_REFS) throw new RpcError(CODE.resourceExhausted, `more than ${MOST_REFS} results`);
    const id = randomUUID();
    this.#refs.set(id, frontendOpt);
    return id;
  }

  /** What a result's name stands for. Throws `RpcError`. */
  find(id: string): Attrs {
    const attrs = this.#refs.get(id);
    if (attrs === undefined) throw new RpcError(CODE.notFound, `no such reference ${id}`);
    return attrs;
  }

  /** The client is done: with a result, with none, or with an error that becomes the build's. */
  return({ result, error }: Of<typeof ReturnRequest>): void {
    if (error !== undefined && error.code !== CODE.ok) {
      this.#returned.reject(failed(error));
      return;
    }
    const ids = [result?.oldRef, result?.ref?.id, ...[...(result?.refs?.refs.values() ?? [])].map(({ id }) => id)];
    const [id, ...others] = new Set(ids.filter((one) => one !== undefined && one !== ""));
    if (others.length > 0)
      throw new RpcError(CODE.unimplemented, "a result that is put together of several is not supported");
    this.#returned.resolve(id === undefined ? undefined : this.find(id));
  }

  /** What the client handed back, waited for; undefined for nothing. Throws `RpcError`. */
  async returned(signal: AbortSignal): Promise<Attrs | undefined> {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => undefined); // the race below may have been won
    const stop = (): void => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    try {
      signal.throwIfAborted();
      return await Promise.race([this.#returned.promise, promise]);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }
}

function failed({ code, message, details }: Status): RpcError {
  return new RpcError(code, message, details);
}

/** Throws `RpcError` for a frontend that is not the Dockerfile's. */
export function requireKnownFrontend(frontend: string, attrs: Attrs): void {
  if (frontend === "dockerfile.v0") return;
  const source = attrs.get("source") ?? "";
  // The image of the Dockerfile frontend: what it does is built in.
  if (frontend === "gateway.v0" && /^(?:docker\.io\/)?docker\/dockerfile(?:-upstream)?(?::|@|$)/.test(source)) return;
  const name = frontend === "gateway.v0" ? `"${source}"` : `"${frontend}"`;
  if (frontend === "")
    throw new RpcError(
      CODE.unimplemented,
      "graphs in BuildKit's low-level form (LLB) are not supported by tsbuild yet",
    );
  throw new RpcError(CODE.unimplemented, `the frontend ${name} is not supported: tsbuild builds Dockerfiles`);
}
