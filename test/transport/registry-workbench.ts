// What the tests of the registry client share: a folder of stores, options, pushes and pulls of a whole image, and what
// an error must say.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Descriptor } from "../../builder/core/image/descriptor.ts";
import type { Digest } from "../../builder/core/digest.ts";
import { BuildError } from "../../builder/core/errors.ts";
import { parseReference } from "../../builder/core/image/reference.ts";
import type { Credentials } from "../../builder/core/session.ts";
import { validateImage } from "../../builder/image/validate.ts";
import { DEFAULT_LIMITS } from "../../builder/layer/unpack-limits.ts";
import { openStore } from "../../builder/store/open.ts";
import type { BlobStore } from "../../builder/store/store.ts";
import { copyImage } from "../../builder/transport/copy/copy-image.ts";
import { type NamedStore, storedImage, storeSink } from "../../builder/transport/local-store.ts";
import { pullImage, type PulledImage } from "../../builder/transport/pull.ts";
import type { RegistryOptions } from "../../builder/transport/registry/client.ts";
import { directRouter } from "../../builder/transport/registry/direct-router.ts";
import type { EndpointTls, RegistryEndpoint, RegistryRouter } from "../../builder/transport/registry/endpoints.ts";
import { openRegistrySink, type SinkOptions } from "../../builder/transport/registry/sink.ts";
import { openRegistry } from "../../builder/transport/registry/source.ts";
import type { ImageSource } from "../../builder/transport/source.ts";
import { withStoredDocuments } from "../../builder/transport/stored-documents.ts";
import { AMD64, type SampleImage } from "./sample-image.ts";

export const signal = new AbortController().signal;

/** Stores below one folder, which disposing removes. */
export class Workbench implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "tsbuild-transfer-"));

  newStore(): ReturnType<typeof openStore> {
    return openStore(mkdtempSync(join(this.folder, "store-")));
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Options that do not wait. */
export function optionsFor(
  credentials?: Credentials,
  router: RegistryRouter = directRouter({ insecure: [] }),
): RegistryOptions {
  return {
    router,
    credentials: async () => credentials,
    retry: { retries: 3, firstDelayMs: 1, longestDelayMs: 5000, random: () => 0 },
  };
}

/** A place as a configuration would name it; plain http unless `tls` is given. */
export function endpoint(
  host: string,
  more: Partial<RegistryEndpoint> & { readonly tls?: EndpointTls } = {},
): RegistryEndpoint {
  const protocol = more.tls === undefined ? "http" : "https";
  return {
    registry: host,
    repository: "app",
    origins: [`${protocol}://${host}`],
    isMirror: false,
    serves: "all",
    tls: { isUnchecked: false },
    headers: {},
    ...more,
  };
}

/** A route through these places for every reference. */
export function routed(...endpoints: readonly RegistryEndpoint[]): RegistryRouter {
  return async () => ({ endpoints, because: ["/etc/registries.conf"] });
}

const EVERYTHING = {
  which: "all",
  platform: AMD64,
  family: undefined,
  compression: undefined,
  preserveDigests: true,
  checkLayers: false,
  limits: DEFAULT_LIMITS,
  temporaryDirectory: async () => tmpdir(),
  onStatus: () => undefined,
} as const;

/** Pushes a whole image of a store. */
export async function push(
  store: BlobStore,
  { manifest }: SampleImage,
  name: string,
  options: SinkOptions,
  ownSignal: AbortSignal = signal,
): Promise<void> {
  const { registry, repository, tag = "latest" } = parseReference(name);
  await using sink = await openRegistrySink(`${registry}/${repository}`, options);
  const { notes } = store;
  await copyImage(storedImage(store, manifest, name), sink, { ...EVERYTHING, names: [tag], notes, signal: ownSignal });
}

/** Brings all that a source has into a store, without looking into the layers; what its name leads to. */
export async function pullAll(source: ImageSource, store: NamedStore): Promise<Descriptor> {
  const spared = { ...source, ...withStoredDocuments(source, store) };
  return (await copyImage(spared, storeSink(store), { ...EVERYTHING, names: [], signal })).top;
}

/** Pulls a whole image into a store, layer by layer, and checks all its identities down to the bytes. */
export async function pull(store: BlobStore, name: string, options: RegistryOptions): Promise<PulledImage> {
  await using source = await openRegistry(parseReference(name), options);
  const image = await pullImage(source, AMD64, store, signal);
  const fetched = await Promise.allSettled(image.layers.map(({ descriptor }) => image.fetchLayer(descriptor, signal)));
  for (const each of fetched) if (each.status === "rejected") throw each.reason;
  await validateImage(image.descriptor, store, { layers: "deep", signal });
  return image;
}

/** A check for `assert.rejects`. */
export function isError(code: string, message: RegExp, hint?: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof BuildError, error instanceof Error ? error.stack : String(error));
    assert.match(error.message, message);
    assert.equal(error.code, code);
    if (hint !== undefined) assert.match(error.hint ?? "", hint);
    return true;
  };
}

/** How often exchanges fetched a blob, or sent bytes for it. */
export function blobRequests(
  exchanges: readonly { readonly method: string; readonly url: string }[],
  digest: Digest,
): number {
  return exchanges.filter(({ method, url }) => method === "GET" && url.endsWith(`/blobs/${digest}`)).length;
}
