// The calls that a client makes within its build: it asks the frontend for a result, and hands a result back, which is
// then what the build is. Here nothing is built before it is handed back, unless the client asks for that: a result is
// what was asked for, under a name.

import { randomUUID } from "node:crypto";
import type { SourcePolicy } from "../../../builder/source-policy.ts";
import { CODE, RpcError } from "../../api/grpc/status.ts";
import type { Status } from "../../api/grpc/status.ts";
import type { ReturnRequest } from "../../api/proto/bridge.ts";
import type { Exporter } from "../../api/proto/control.ts";
import type { Of } from "../../api/proto/message.ts";
import type { FrontendInput } from "../build/contexts.ts";
import type { AskedDefinition } from "../build/definition.ts";

/** What a frontend was told. */
export type Attrs = ReadonlyMap<string, string>;

/** What a ref stands for: a Dockerfile by its frontend's attributes, or a graph. */
export interface Wanted {
  readonly attrs: Attrs;
  readonly definition?: AskedDefinition;
  /** Of the frontend, by name. */
  readonly inputs?: ReadonlyMap<string, FrontendInput>;
  /** Rules about sources, beside those of the whole build. */
  readonly policies?: readonly SourcePolicy[];
}

const MOST_REFS = 10_000;
/** Of the graphs of one build together. */
const MOST_BYTES = 64 << 20;
/** What a client says of the image that its result becomes. */
const IMAGE_CONFIG = "containerimage.config";

export class Gateway {
  readonly #refs = new Map<string, Wanted>();
  readonly #returned = Promise.withResolvers<Wanted | undefined>();
  #bytes = 0;
  /** A question was answered: there need not be a result then, whatever its outputs would be. */
  hasAnswered = false;

  constructor() {
    this.#returned.promise.catch(() => undefined); // asked for later, or never
  }

  /** The name of a result. */
  keep(asked: Asking & { readonly policies: readonly SourcePolicy[] }): string {
    const { policies } = asked;
    const wanted = { ...wantedOf(asked), ...(policies.length === 0 ? {} : { policies }) };
    const graph = wanted.definition?.message;
    this.#bytes += graph?.ops.reduce((sum, { length }) => sum + length, 0) ?? 0;
    if (this.#refs.size >= MOST_REFS) throw new RpcError(CODE.resourceExhausted, `more than ${MOST_REFS} results`);
    if (this.#bytes > MOST_BYTES) throw new RpcError(CODE.resourceExhausted, `graphs of more than ${MOST_BYTES} bytes`);
    const id = randomUUID();
    this.#refs.set(id, wanted);
    return id;
  }

  /** What the client asked for first; undefined when it has not asked yet. */
  get first(): Wanted | undefined {
    return this.#refs.values().next().value;
  }

  has(id: string): boolean {
    return this.#refs.has(id);
  }

  /** What a result's name stands for. Throws `RpcError`. */
  find(id: string): Wanted {
    const wanted = this.#refs.get(id);
    if (wanted === undefined) throw new RpcError(CODE.notFound, `no such reference ${id}`);
    return wanted;
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
    this.#returned.resolve(
      id === undefined ? undefined : withConfig(this.find(id), result?.metadata.get(IMAGE_CONFIG)),
    );
  }

  /** What the client handed back, waited for; undefined for nothing. Throws `RpcError`. */
  async returned(signal: AbortSignal): Promise<Wanted | undefined> {
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

/** What is asked of a frontend, or of none. */
export interface Asking {
  readonly frontend: string;
  readonly attrs: Attrs;
  readonly definition: AskedDefinition | undefined;
  readonly inputs: ReadonlyMap<string, FrontendInput>;
}

/** What is to be built. Throws `RpcError` for frontends that are not offered. */
export function wantedOf({ frontend, attrs, definition, inputs }: Asking): Wanted {
  if (frontend === "") {
    if (definition === undefined) throw new RpcError(CODE.invalidArgument, "neither a frontend nor a definition");
    return { attrs, definition };
  }
  const source = attrs.get("source") ?? "";
  // The image of the Dockerfile frontend: what it does is built in.
  const isOurs = /^(?:docker\.io\/)?docker\/dockerfile(?:-upstream)?(?::|@|$)/.test(source);
  if (frontend !== "dockerfile.v0" && !(frontend === "gateway.v0" && isOurs)) {
    const name = frontend === "gateway.v0" ? `"${source}"` : `"${frontend}"`;
    throw new RpcError(
      CODE.unimplemented,
      `the frontend ${name} is not supported: tsbuild builds Dockerfiles and graphs (LLB)`,
    );
  }
  if (definition !== undefined && definition.message.ops.length > 0)
    throw new RpcError(CODE.unimplemented, "a graph as the input of a frontend is not supported");
  return inputs.size === 0 ? { attrs } : { attrs, inputs };
}

function withConfig(wanted: Wanted, config: Uint8Array | undefined): Wanted {
  const { definition } = wanted;
  return definition === undefined || config === undefined
    ? wanted
    : { ...wanted, definition: { ...definition, config } };
}

/** A result with what its exporters say of its config; they no longer do then. */
export function configured(
  wanted: Wanted,
  exporters: readonly Exporter[],
): { readonly wanted: Wanted; readonly exporters: readonly Exporter[] } {
  const given = exporters.find(({ attrs }) => attrs.has(IMAGE_CONFIG))?.attrs.get(IMAGE_CONFIG);
  if (wanted.definition === undefined || given === undefined) return { wanted, exporters };
  const without = exporters.map(({ type, attrs }) => ({
    type,
    attrs: new Map([...attrs].filter(([key]) => key !== IMAGE_CONFIG)),
  }));
  return { wanted: withConfig(wanted, Buffer.from(given)), exporters: without };
}
