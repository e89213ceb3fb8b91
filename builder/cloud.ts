// What one asks of clouds beside their registries: who this process is to them, as a login to a registry, and an object of
// a store.

import { BuildError } from "./core/errors.ts";
import type { Credentials } from "./core/session.ts";
import type { AwsWay } from "./transport/cloud/aws-credentials.ts";
import type { AzureKey } from "./transport/cloud/azure-sign.ts";
import type { AzureWay } from "./transport/cloud/azure-credentials.ts";
import type { GoogleWay } from "./transport/cloud/google-credentials.ts";
import type { RegistryLogin, RegistryWay } from "./transport/cloud/registry-login.ts";
import type { S3Place } from "./transport/cloud/s3.ts";

/** An object of a cloud's store, and how this process proves that it may read it. */
export type CloudObject =
  | { readonly kind: "s3"; readonly place: S3Place; readonly key: string; readonly aws: AwsWay }
  | {
      readonly kind: "gcs";
      readonly bucket: string;
      readonly key: string;
      /** "https://storage.googleapis.com". */
      readonly endpoint: string;
      /** Undefined: as nobody. */
      readonly google: GoogleWay | undefined;
    }
  | {
      readonly kind: "azure";
      readonly url: URL;
      /** A key; else who this is to Azure; "url": the URL has a signature. */
      readonly proof: AzureKey | AzureWay | "url";
    };

/** An object's bytes. Throws `INPUT_MISSING`, `CONFIG`, `REGISTRY`. */
export async function* openCloudObject(
  object: CloudObject,
  environment: ReadonlyMap<string, string>,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const { HttpClient } = await import("./transport/registry/http/http.ts");
  const http = new HttpClient({ allowsPlain: () => true, environment });
  try {
    switch (object.kind) {
      case "s3": {
        const [{ S3Bucket }, { AwsLogin }] = await Promise.all([
          import("./transport/cloud/s3.ts"),
          import("./transport/cloud/aws-credentials.ts"),
        ]);
        yield* new S3Bucket(object.place, new AwsLogin(object.aws, http), http).open(object.key, 0, signal);
        break;
      }
      case "gcs": {
        const { openGoogleObject } = await import("./transport/cloud/google-storage.ts");
        yield* openGoogleObject(object, http, signal);
        break;
      }
      case "azure": {
        const [{ AzureBlobs }, { AzureLogin }] = await Promise.all([
          import("./transport/cloud/azure-blob.ts"),
          import("./transport/cloud/azure-credentials.ts"),
        ]);
        const { proof, url } = object;
        const shown =
          proof === "url"
            ? { kind: "url" as const }
            : "account" in proof
              ? { kind: "key" as const, key: proof }
              : { kind: "login" as const, login: new AzureLogin(proof, "https://storage.azure.com", http) };
        yield* new AzureBlobs(http, shown).open(url, 0, signal);
      }
    }
  } finally {
    http.close();
  }
}

/** Before a login ends by so much, a new one is fetched. */
const EARLY_MS = 5 * 60_000;

/** Logins to the registries of clouds, each kept as long as it holds; disposing it ends its connections. */
export class CloudLogins implements AsyncDisposable {
  readonly #wayOf: (registry: string) => Promise<RegistryWay | undefined>;
  readonly #environment: ReadonlyMap<string, string>;
  readonly #logins = new Map<string, Promise<RegistryLogin | undefined>>();
  #http: Promise<import("./transport/registry/http/http.ts").HttpClient> | undefined;

  /** `wayOf`: how a registry is logged in to, if it is a cloud's. */
  constructor(wayOf: (registry: string) => Promise<RegistryWay | undefined>, environment: ReadonlyMap<string, string>) {
    this.#wayOf = wayOf;
    this.#environment = environment;
  }

  /** Undefined for a registry that is no cloud's, and where a public one knows nobody. Throws `CONFIG`, `REGISTRY`. */
  async credentials(registry: string, signal: AbortSignal): Promise<Credentials | undefined> {
    const before = this.#logins.get(registry);
    const known = await before;
    if (known !== undefined && known.expiresMs > Date.now() + EARLY_MS) return known.credentials;
    if (this.#logins.get(registry) === before) {
      const next = this.#login(registry, signal);
      this.#logins.set(registry, next);
      next.catch(() => this.#logins.delete(registry));
    }
    return (await this.#logins.get(registry))?.credentials;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    (await this.#http)?.close();
  }

  async #login(registry: string, signal: AbortSignal): Promise<RegistryLogin | undefined> {
    const way = await this.#wayOf(registry);
    if (way === undefined) return undefined;
    const { fetchRegistryLogin } = await import("./transport/cloud/registry-login.ts");
    try {
      return await fetchRegistryLogin(way, await (this.#http ??= this.#open()), signal);
    } catch (error) {
      // Nobody may still read what is public there; ECR's private registries have nothing that is.
      const isNobody = error instanceof BuildError && error.code === "CONFIG";
      if (isNobody && !(way.kind === "ecr" && way.service === "ecr")) return undefined;
      throw error;
    }
  }

  async #open(): Promise<import("./transport/registry/http/http.ts").HttpClient> {
    const { HttpClient } = await import("./transport/registry/http/http.ts");
    return new HttpClient({ allowsPlain: () => true, environment: this.#environment });
  }
}
