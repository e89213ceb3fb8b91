// Real registries with a small image in them, and the client as configuration makes it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Digest } from "../../builder/core/digest.ts";
import { parseReference } from "../../builder/core/image/reference.ts";
import { exportImage } from "../../builder/exporter/image.ts";
import { openStore } from "../../builder/store/open.ts";
import type { RegistryOptions } from "../../builder/transport/registry/client.ts";
import { openRegistrySink } from "../../builder/transport/registry/sink.ts";
import { openRegistry } from "../../builder/transport/registry/source.ts";
import type { Environment } from "../../src/config/environment.ts";
import { sampleResult } from "../exporter/sample.ts";
import type { ConfigHome } from "./config-home.ts";

const signal = new AbortController().signal;

/** The client of whoever has these files. */
export async function clientOf(home: ConfigHome, environment: Environment = {}): Promise<RegistryOptions> {
  const { configuration, logins } = await home.open([], environment);
  const variables = Object.entries({ ...home.environment, ...environment }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return {
    router: (reference) => configuration.route(reference),
    credentials: (registry, repository) => logins.find(registry, repository),
    environment: new Map(variables),
    retry: { retries: 0, firstDelayMs: 1, longestDelayMs: 1, random: () => 0 },
  };
}

/** Pushes an image that differs from others by its text; its manifest's digest. */
export async function pushSample(name: string, text: string, registry: RegistryOptions): Promise<Digest> {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-sample-"));
  try {
    const store = await openStore(folder);
    const image = {
      mediaTypes: "oci",
      compression: "gzip",
      forceCompression: false,
      annotations: [],
      names: [name],
    } as const;
    const spec = { type: "image", image, push: true, pushByDigest: false, store: false } as const;
    const made = await exportImage(spec, [await sampleResult(store, text)], {
      store,
      createdMs: 0,
      signal,
      openSink: (repository) => openRegistrySink(repository, registry),
      workDirectory: tmpdir(),
    });
    return made.descriptor.digest;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The digest of what a name points to. */
export async function digestOf(name: string, registry: RegistryOptions): Promise<Digest> {
  await using source = await openRegistry(parseReference(name), registry);
  return (await source.top(signal)).descriptor.digest;
}
