// A repository wherever it can be read: the mirrors in their order, the registry itself last. What one place does not
// give, the next one is asked for.

import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { RegistryOptions } from "./client.ts";
import { RegistryClient } from "./client.ts";
import type { RoutedReference } from "./endpoints.ts";
import { RefusalError } from "./http/failure.ts";

/** What one place answered instead of what was asked for. */
export interface Failure {
  readonly client: RegistryClient;
  readonly error: BuildError;
}

interface OpenRoute {
  /** To read from, in order. */
  readonly clients: readonly RegistryClient[];
  readonly push: RegistryClient | undefined;
  readonly because: readonly string[];
}

/** How something is asked for: by a tag, which may move, or by its digest. */
export type AskedBy = "tag" | "digest";

/** Speaks to every place of a repository. Closing it ends all connections. */
export class Repository {
  /** "docker.io/library/busybox", for messages. */
  readonly name: string;
  readonly #reference: RoutedReference;
  readonly #options: RegistryOptions;
  /** Mirrors that did not answer, or lied, and how: not asked again. */
  readonly #left = new Map<RegistryClient, BuildError>();
  readonly #liars = new Map<Digest, Set<RegistryClient>>();
  #route: Promise<OpenRoute> | undefined;

  constructor(reference: RoutedReference, options: RegistryOptions) {
    this.name = `${reference.registry}/${reference.repository}`;
    this.#reference = reference;
    this.#options = options;
  }

  /** The registry itself: what is not content (tags, referrers) comes from there. */
  async registry(): Promise<RegistryClient> {
    const last = (await this.#open()).clients.at(-1);
    if (last === undefined) throw new BuildError("INTERNAL", `there is no route to "${this.name}"`);
    return last;
  }

  /** Where what is pushed goes, and things are deleted. */
  async pushedTo(): Promise<RegistryClient> {
    return (await this.#open()).push ?? (await this.registry());
  }

  /** The places to read from, in order, without those that failed before. */
  async places(by: AskedBy, digest?: Digest): Promise<readonly RegistryClient[]> {
    const { clients } = await this.#open();
    const liars = digest === undefined ? undefined : this.#liars.get(digest);
    return clients.filter(
      (client) => this.#serves(client, by) && !this.#left.has(client) && liars?.has(client) !== true,
    );
  }

  /**
   * Asks each place in turn until one gives what is asked for. Throws what the only place says, or an error that names
   * every place and its reason: `INPUT_MISSING` where the registry itself has no such thing.
   */
  async read<T>(
    by: AskedBy,
    what: string,
    signal: AbortSignal,
    ask: (client: RegistryClient) => Promise<T>,
  ): Promise<T> {
    const failures: Failure[] = [];
    for (const client of await this.places(by)) {
      try {
        return await ask(client);
      } catch (error) {
        if (signal.aborted || !mayBeElsewhere(error)) throw error;
        failures.push({ client, error });
        this.leave(client, error);
      }
    }
    throw await this.inVain(what, failures);
  }

  /** Takes note of a place's failure: a mirror that did not answer, or lied, is not asked again. */
  leave(client: RegistryClient, error: BuildError): void {
    const isMissing = error.code === "INPUT_MISSING" || (error instanceof RefusalError && error.status === 404);
    if (client.endpoint.isMirror && !isMissing) this.#left.set(client, error);
  }

  /** Takes note that a place gave other bytes than those of a digest. */
  distrust(client: RegistryClient, digest: Digest): void {
    this.#liars.set(digest, (this.#liars.get(digest) ?? new Set()).add(client));
  }

  /** One error for the failures of all places, also of those that were left before. */
  async inVain(what: string, failures: readonly Failure[]): Promise<BuildError> {
    const { clients, because } = await this.#open();
    const errors = new Map([...this.#left, ...failures.map(({ client, error }) => [client, error] as const)]);
    const failed = clients.flatMap((client) => {
      const error = errors.get(client);
      return error === undefined ? [] : [{ client, error }];
    });
    const last = failed.at(-1)?.error;
    if (last === undefined)
      return new BuildError("REGISTRY", `no place that is configured for ${this.name} gives ${what}`);
    if (failed.length === 1) return last;
    const reasons = failed.map(({ client, error }) => `${placeOf(client)}: ${error.message}`);
    const hint = last.hint ?? (because.length === 0 ? undefined : `asked there because of ${because.join("; ")}`);
    const message = `${what} of ${this.name} is at none of ${failed.length} places: ${reasons.join("; ")}`;
    return new BuildError(last.code, message, { cause: last, hint });
  }

  close(): void {
    this.#route?.then(
      ({ clients, push }) => [...clients, ...(push === undefined ? [] : [push])].forEach((client) => client.close()),
      () => undefined,
    );
  }

  #open(): Promise<OpenRoute> {
    this.#route ??= this.#options.router(this.#reference).then(({ endpoints, push, because }) => ({
      clients: endpoints.map((endpoint) => new RegistryClient(endpoint, this.#options)),
      push: push === undefined ? undefined : new RegistryClient(push, this.#options),
      because,
    }));
    return this.#route;
  }

  // "tags" is said of whole images (registries.conf): of one that a tag names, it gives everything.
  #serves({ endpoint: { serves } }: RegistryClient, by: AskedBy): boolean {
    return serves === "all" || (serves === "digests" ? by === "digest" : this.#reference.digest === undefined);
  }
}

/** Whether another place may give what this one did not. */
export function mayBeElsewhere(error: unknown): error is BuildError {
  return error instanceof BuildError && ["REGISTRY", "INPUT_MISSING", "DIGEST_INVALID"].includes(error.code);
}

function placeOf({ endpoint }: RegistryClient): string {
  return endpoint.isMirror ? `mirror "${endpoint.registry}"` : `"${endpoint.registry}"`;
}
