// Manifests, indexes and configs from outside: JSON bytes to our types, or an error
// that says what they are and why they cannot be used.

import * as v from "valibot";
import type { Descriptor } from "../core/image/descriptor.ts";
import { compressionOf, MEDIA } from "../core/image/descriptor.ts";
import { isDigest } from "../core/digest.ts";
import type { Digest } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import type { ImageConfig } from "../core/image/image-config.ts";
import type { Platform } from "../core/image/platform.ts";
import { normalizePlatform } from "../core/image/platform.ts";
import type { ImageIndex } from "./index.ts";
import type { ImageManifest } from "./manifest.ts";

const DigestSchema = v.custom<Digest>(
  (input) => typeof input === "string" && isDigest(input),
  (issue) => `${issue.received} is not a sha256 digest`,
);
const SizeSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const TextMap = v.record(v.string(), v.string());
const Texts = v.array(v.string());
const EmptyMap = v.record(
  v.string(),
  v.pipe(
    v.looseObject({}),
    v.transform((): Record<string, never> => ({})),
  ),
);

const PlatformSchema = v.looseObject({
  os: v.string(),
  architecture: v.string(),
  variant: v.exactOptional(v.string()),
  "os.version": v.exactOptional(v.string()),
});

const DescriptorSchema = v.looseObject({
  mediaType: v.string(),
  digest: DigestSchema,
  size: SizeSchema,
  annotations: v.exactOptional(TextMap),
  platform: v.exactOptional(PlatformSchema),
  artifactType: v.exactOptional(v.string()),
  urls: v.exactOptional(Texts),
});

const ManifestSchema = v.looseObject({
  schemaVersion: v.literal(2),
  mediaType: v.exactOptional(v.string()),
  config: DescriptorSchema,
  layers: v.array(DescriptorSchema),
  annotations: v.exactOptional(TextMap),
  artifactType: v.exactOptional(v.string()),
  subject: v.exactOptional(DescriptorSchema),
});

const IndexSchema = v.looseObject({
  schemaVersion: v.literal(2),
  mediaType: v.exactOptional(v.string()),
  manifests: v.array(DescriptorSchema),
  annotations: v.exactOptional(TextMap),
});

const ConfigSchema = v.looseObject({
  created: v.exactOptional(v.string()),
  author: v.exactOptional(v.string()),
  architecture: v.string(),
  os: v.string(),
  variant: v.exactOptional(v.string()),
  "os.version": v.exactOptional(v.string()),
  "os.features": v.exactOptional(Texts),
  config: v.exactOptional(
    v.looseObject({
      User: v.exactOptional(v.string()),
      ExposedPorts: v.exactOptional(EmptyMap),
      Env: v.exactOptional(Texts),
      Entrypoint: v.exactOptional(Texts),
      Cmd: v.exactOptional(Texts),
      Volumes: v.exactOptional(EmptyMap),
      WorkingDir: v.exactOptional(v.string()),
      Labels: v.exactOptional(TextMap),
      StopSignal: v.exactOptional(v.string()),
      ArgsEscaped: v.exactOptional(v.boolean()),
      Healthcheck: v.exactOptional(
        v.looseObject({
          Test: v.exactOptional(Texts),
          Interval: v.exactOptional(v.number()),
          Timeout: v.exactOptional(v.number()),
          StartPeriod: v.exactOptional(v.number()),
          StartInterval: v.exactOptional(v.number()),
          Retries: v.exactOptional(v.number()),
        }),
      ),
      OnBuild: v.exactOptional(Texts),
      Shell: v.exactOptional(Texts),
    }),
  ),
  rootfs: v.looseObject({ type: v.literal("layers"), diff_ids: v.array(DigestSchema) }),
  history: v.exactOptional(
    v.array(
      v.looseObject({
        created: v.exactOptional(v.string()),
        created_by: v.exactOptional(v.string()),
        author: v.exactOptional(v.string()),
        comment: v.exactOptional(v.string()),
        empty_layer: v.exactOptional(v.boolean()),
      }),
    ),
  ),
});

/** What a name leads to. */
export type ImageDocument =
  | { readonly kind: "manifest"; readonly manifest: ImageManifest }
  | { readonly kind: "index"; readonly index: ImageIndex };

/**
 * Reads a manifest or an index. `what` names it in errors ("manifest sha256:… of docker.io/x"); `mediaType` is what a
 * descriptor or a header said, for documents that do not say it themselves. Throws `ARCHIVE_INVALID`, or `UNSUPPORTED` for schema 1.
 */
export function parseDocument(bytes: Uint8Array, what: string, mediaType?: string): ImageDocument {
  const json = parseJson(bytes, what);
  const field = (name: string): unknown =>
    typeof json === "object" && json !== null ? Object.getOwnPropertyDescriptor(json, name)?.value : undefined;
  refuseSchema1(field("schemaVersion"), field("mediaType") ?? mediaType, what);
  // A document that is both could be read one way here and the other way elsewhere (CVE-2021-41190).
  const [hasManifests, hasLayers] = [
    field("manifests") !== undefined,
    field("layers") !== undefined || field("config") !== undefined,
  ];
  if (hasManifests && hasLayers) throw new BuildError("ARCHIVE_INVALID", `${what} is a manifest and an index at once`);
  if (hasManifests) {
    const index = check(IndexSchema, json, what);
    const type = sureType(index.mediaType, mediaType, [MEDIA.ociIndex, MEDIA.dockerIndex], what);
    return {
      kind: "index",
      index: {
        mediaType: type,
        manifests: index.manifests.map(descriptorOf),
        ...given("annotations", index.annotations),
      },
    };
  }
  const manifest = check(ManifestSchema, json, what);
  const type = sureType(manifest.mediaType, mediaType, [MEDIA.ociManifest, MEDIA.dockerManifest], what);
  return {
    kind: "manifest",
    manifest: {
      mediaType: type,
      config: descriptorOf(manifest.config),
      layers: manifest.layers.map(descriptorOf),
      ...given("annotations", manifest.annotations),
      ...given("artifactType", manifest.artifactType),
      ...given("subject", manifest.subject === undefined ? undefined : descriptorOf(manifest.subject)),
    },
  };
}

/** Reads a manifest of an image that can be used: an image config, and layers in forms we read. */
export function parseImageManifest(bytes: Uint8Array, what: string, mediaType?: string): ImageManifest {
  const document = parseDocument(bytes, what, mediaType);
  if (document.kind === "index")
    throw new BuildError("ARCHIVE_INVALID", `${what} is an index where a manifest was expected`);
  const { manifest } = document;
  if (manifest.config.mediaType !== MEDIA.ociConfig && manifest.config.mediaType !== MEDIA.dockerConfig) {
    throw new BuildError(
      "UNSUPPORTED",
      `${what} is no container image but an artifact: its config is "${manifest.config.mediaType}"`,
    );
  }
  for (const layer of manifest.layers) refuseForeignLayer(layer, what);
  return manifest;
}

/** Reads an image config; `null` fields, as old Docker versions write them, count as absent. */
export function parseConfig(bytes: Uint8Array, what: string): ImageConfig {
  const config = check(ConfigSchema, withoutNulls(parseJson(bytes, what)), what);
  return config;
}

/** Reads what a client wants in an image's config, whose layers are not known yet: what it says of layers does not count. */
export function parseDraft(bytes: Uint8Array, what: string): ImageConfig {
  const value = withoutNulls(parseJson(bytes, what));
  const fields = typeof value === "object" ? value : undefined;
  return check(ConfigSchema, { ...fields, rootfs: { type: "layers", diff_ids: [] } }, what);
}

/** The platform that a config says. */
export function platformOf(config: ImageConfig): Platform {
  return normalizePlatform({
    os: config.os,
    architecture: config.architecture,
    ...(config.variant === undefined ? {} : { variant: config.variant }),
    ...(config["os.version"] === undefined ? {} : { osVersion: config["os.version"] }),
  });
}

function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as unknown;
  } catch (error) {
    const start = Buffer.from(bytes.subarray(0, 40)).toString("utf8").replace(/\s+/g, " ");
    throw new BuildError("ARCHIVE_INVALID", `${what} is not JSON: it begins with "${start}"`, { cause: error });
  }
}

function check<const S extends v.GenericSchema>(schema: S, json: unknown, what: string): v.InferOutput<S> {
  const result = v.safeParse(schema, json);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue) ?? "it";
  throw new BuildError("ARCHIVE_INVALID", `${what} is not valid: "${path}": ${issue.message}`);
}

function descriptorOf(raw: v.InferOutput<typeof DescriptorSchema>): Descriptor {
  const { mediaType, digest, size, annotations, platform, artifactType, urls } = raw;
  return {
    mediaType,
    digest,
    size,
    ...given("annotations", annotations),
    ...given("artifactType", artifactType),
    ...given("urls", urls),
    ...(platform === undefined
      ? {}
      : {
          platform: normalizePlatform({
            os: platform.os,
            architecture: platform.architecture,
            ...given("variant", platform.variant),
            ...given("osVersion", platform["os.version"]),
          }),
        }),
  };
}

function given<K extends string, T>(key: K, value: T | undefined): { [P in K]?: T } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: T }; // one field, or none
}

function sureType(
  inside: string | undefined,
  outside: string | undefined,
  allowed: readonly string[],
  what: string,
): string {
  if (inside !== undefined && !allowed.includes(inside))
    throw new BuildError("ARCHIVE_INVALID", `${what} calls itself "${inside}", but its content is another kind`);
  if (inside !== undefined) return inside;
  if (outside !== undefined && allowed.includes(outside)) return outside;
  return allowed[0] ?? ""; // OCI documents need not say it
}

function refuseSchema1(schemaVersion: unknown, mediaType: unknown, what: string): void {
  if (schemaVersion === 1 || (typeof mediaType === "string" && mediaType.includes("docker.distribution.manifest.v1"))) {
    throw new BuildError("UNSUPPORTED", `${what} is of Docker's schema 1, given up in 2017 and not read here`, {
      hint: "push the image again with a current tool",
    });
  }
}

function refuseForeignLayer(layer: Descriptor, what: string): void {
  const { mediaType, digest } = layer;
  if (compressionOf(mediaType) !== undefined) return;
  const why = /foreign|nondistributable/.test(mediaType)
    ? "is foreign: its bytes are not with the image"
    : mediaType.endsWith("+encrypted")
      ? "is encrypted"
      : `has the unknown media type "${mediaType}"`;
  throw new BuildError("UNSUPPORTED", `layer ${digest} of ${what} ${why}`);
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => (inner === null ? [] : [[key, withoutNulls(inner)]])),
  );
}
