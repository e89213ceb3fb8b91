// Opens the caches that a request names (--cache-from).

import type { CacheFrom } from "../../cache-request.ts";
import type { VertexKeys } from "../../cache/buildkit/vertex-keys.ts";
import { readCaches } from "../../cache/remote/document.ts";
import { BuildError } from "../../core/errors.ts";
import { parseReference } from "../../core/image/reference.ts";
import type { Engine } from "../../engine.ts";
import type { CacheSource, NamedCache } from "./imported-results.ts";
import { ImportedResults } from "./imported-results.ts";
import type { InputLoader } from "../contexts/inputs.ts";
import { nameOfBucket, openBucket } from "./open-bucket.ts";
import { registryOptions } from "../../registry-options.ts";
import type { BuildRequest } from "../../request.ts";
import { openOciLayout } from "../../transport/oci-layout.ts";
import type { ImageSource } from "../../transport/source.ts";

/** The caches of a build; none is opened before a step asks. */
export function importedResults(
  engine: Engine,
  request: BuildRequest,
  inputs: InputLoader,
  keys: VertexKeys,
  signal: AbortSignal,
): ImportedResults {
  return new ImportedResults({
    engine,
    caches: (request.cacheFrom ?? []).map((spec) => named(spec, request)),
    keys,
    baseLayers: async (vertex) => {
      const { op, digest, options } = vertex;
      if (op.kind !== "source" || op.source.type !== "image") throw new BuildError("INTERNAL", "a base that is none");
      const step = { vertex: digest, name: options.name };
      return (await inputs.loader().image(op.source.id, step, signal)).layers;
    },
    clock: request,
    maxAgeMs: request.cacheRules?.maxAgeMs,
    signal,
  });
}

function named(spec: CacheFrom, request: BuildRequest): NamedCache {
  switch (spec.type) {
    case "registry":
      return {
        name: spec.reference,
        open: async () => {
          const { openRegistry } = await import("../../transport/registry/source.ts");
          return cacheOf(await openRegistry(parseReference(spec.reference), registryOptions(request)));
        },
      };
    case "client": {
      const { store, digest } = spec;
      const name = "the client's cache";
      return {
        name,
        open: async () => {
          const { openClientImage } = await import("../../transport/client-store.ts");
          return cacheOf(openClientImage(store, digest, name));
        },
      };
    }
    case "local": {
      const { path, digest, tag } = spec;
      const choice = digest !== undefined ? { digest } : tag === undefined ? {} : { ref: tag };
      return { name: `"${path}"`, open: async () => cacheOf(await openOciLayout(path, choice)) };
    }
    case "s3":
    case "azblob":
    case "gha":
      return {
        name: nameOfBucket(spec),
        open: async () => {
          const { readBucket } = await import("../../cache/buckets/bucket.ts");
          const bucket = await openBucket(spec, request);
          return { ...bucket, read: (signal) => readBucket(bucket, signal) };
        },
      };
  }
}

function cacheOf(source: ImageSource): CacheSource {
  return { ...source, read: (signal) => readCaches(source, signal) };
}
