// What one client offers: which methods, and the connection on which they are called.

import type { Duplex } from "node:stream";
import { GrpcClient } from "../../api/grpc/client.ts";
import type { Metadata } from "../../api/grpc/metadata.ts";

const PREFIX = "x-docker-expose-session";

/** The id that a client gives its session; "" where it says none. */
export function sessionIdOf(metadata: Metadata): string {
  return metadata.get(`${PREFIX}-uuid`) ?? "";
}

/** An open session. Disposing it ends the connection; calls under way fail as unavailable. */
export class ClientSession implements Disposable {
  readonly id: string;
  /** Equal for contexts that are one from build to build; "" where the client says none. */
  readonly sharedKey: string;
  readonly client: GrpcClient;
  readonly #methods: ReadonlySet<string>;

  constructor(metadata: Metadata, connection: Duplex) {
    this.id = sessionIdOf(metadata);
    this.sharedKey = metadata.get(`${PREFIX}-sharedkey`) ?? "";
    this.#methods = new Set(metadata.all(`${PREFIX}-grpc-method`).map((name) => name.toLowerCase()));
    this.client = new GrpcClient(connection);
  }

  /** Whether the client has a method ("/moby.filesync.v1.FileSync/DiffCopy"). */
  offers(method: string): boolean {
    return this.#methods.has(method.toLowerCase());
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
  }
}
