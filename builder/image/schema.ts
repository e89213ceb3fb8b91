// The JSON schemas of the image-spec (schema/*.json of version 1.1) for manifests, indexes and configs, and what Docker's
// family asks beyond them. All faults are found, not the first one only; read.ts is stricter about what we can use.

import * as v from "valibot";
import { MEDIA } from "../core/image/descriptor.ts";

/** What a document says of itself that its format does not allow. */
export interface SchemaFault {
  /** Where: `layers.0.digest`; "" for the document itself. */
  readonly path: string;
  readonly message: string;
}

export type SchemaKind = "manifest" | "index" | "config";

/** All faults of a parsed document, in its own order. */
export function schemaFaults(kind: SchemaKind, json: unknown): SchemaFault[] {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    return [{ path: "", message: "it is not an object" }];
  const result = v.safeParse(SCHEMAS[kind], json);
  const faults = (result.issues ?? []).map((issue) => ({
    path: v.getDotPath(issue) ?? "",
    message: issue.received === "undefined" ? "is missing" : issue.message,
  }));
  return [...faults, ...dockerFaults(kind, json)];
}

const DIGEST = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;
const HEX_LENGTHS: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };
const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;
// RFC 3339, 5.6; a second may be a leap second.
const DATE_TIME =
  /^\d{4}-(?:0\d|1[0-2])-(?:[0-2]\d|3[01])[Tt](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

const text = v.string((issue) => `${issue.received} is not a text`);
const texts = v.array(text, (issue) => `${issue.received} is not a list of texts`);
const flag = v.boolean((issue) => `${issue.received} is neither true nor false`);
const textMap = v.record(text, text, (issue) => `${issue.received} is not a map of texts`);
const emptyMap = v.record(
  text,
  v.looseObject({}, (issue) => `${issue.received} is not an object`),
  (issue) => `${issue.received} is not a map of empty objects`,
);
const dateTime = v.pipe(
  text,
  v.regex(DATE_TIME, (issue) => `${issue.received} is not a date and time of RFC 3339`),
);
const mediaType = v.pipe(
  text,
  v.regex(MEDIA_TYPE, (issue) => `${issue.received} is not a media type`),
);
const digest = v.pipe(
  text,
  v.regex(DIGEST, (issue) => `${issue.received} is not a digest`),
  v.check(hasItsLength, (issue) => `${issue.received} does not have the length of its algorithm`),
);
const size = v.pipe(
  v.number((issue) => `${issue.received} is not a number`),
  v.check(
    (value) => Number.isInteger(value) && value >= 0,
    (issue) => `${issue.received} is not a size in bytes`,
  ),
);
const uri = v.pipe(
  text,
  v.check(
    (value) => URL.canParse(value),
    (issue) => `${issue.received} is not a URI`,
  ),
);

const platform = v.looseObject({
  architecture: text,
  os: text,
  "os.version": v.optional(text),
  "os.features": v.optional(texts),
  variant: v.optional(text),
});

const descriptor = v.looseObject({
  mediaType,
  digest,
  size,
  urls: v.optional(v.array(uri)),
  annotations: v.optional(textMap),
  data: v.optional(text),
  artifactType: v.optional(mediaType),
  platform: v.optional(platform),
});

const schemaVersion = v.literal(2, (issue) => `${issue.received} is not 2`);

const manifest = v.looseObject({
  schemaVersion,
  mediaType: v.optional(mediaType),
  artifactType: v.optional(mediaType),
  config: descriptor,
  // The schema wants one at least; the text of manifest.md only recommends it, and images without files have none.
  layers: v.array(descriptor, (issue) => `${issue.received} is not a list of descriptors`),
  subject: v.optional(descriptor),
  annotations: v.optional(textMap),
});

const index = v.looseObject({
  schemaVersion,
  mediaType: v.optional(mediaType),
  artifactType: v.optional(mediaType),
  manifests: v.array(descriptor, (issue) => `${issue.received} is not a list of descriptors`),
  subject: v.optional(descriptor),
  annotations: v.optional(textMap),
});

const config = v.looseObject({
  created: v.optional(dateTime),
  author: v.optional(text),
  architecture: text,
  variant: v.optional(text),
  os: text,
  "os.version": v.optional(text),
  "os.features": v.optional(texts),
  config: v.optional(
    v.looseObject({
      User: v.optional(text),
      ExposedPorts: v.optional(emptyMap),
      Env: v.optional(texts),
      Entrypoint: v.nullish(texts),
      Cmd: v.nullish(texts),
      Volumes: v.nullish(emptyMap),
      WorkingDir: v.optional(text),
      Labels: v.nullish(textMap),
      StopSignal: v.optional(text),
      ArgsEscaped: v.optional(flag),
    }),
  ),
  rootfs: v.looseObject({
    type: v.literal("layers", (issue) => `${issue.received} is not "layers"`),
    diff_ids: v.array(digest, (issue) => `${issue.received} is not a list of digests`),
  }),
  history: v.optional(
    v.array(
      v.looseObject({
        created: v.optional(dateTime),
        author: v.optional(text),
        created_by: v.optional(text),
        comment: v.optional(text),
        empty_layer: v.optional(flag),
      }),
      (issue) => `${issue.received} is not a list`,
    ),
  ),
});

const SCHEMAS = { manifest, index, config };

/** digest.md gives the registered algorithms their lengths in lower-case hex; others may have any. */
function hasItsLength(text: string): boolean {
  const [algorithm = "", encoded = ""] = text.split(":");
  const length = HEX_LENGTHS[algorithm];
  return length === undefined || (encoded.length === length && /^[0-9a-f]+$/.test(encoded));
}

/** Docker's documents say their media type (distribution, manifest-v2-2.md) and have no annotations. */
function dockerFaults(kind: SchemaKind, json: object): SchemaFault[] {
  if (kind === "config") return [];
  const config = "config" in json && typeof json.config === "object" ? json.config : undefined;
  const isDocker =
    ("mediaType" in json && (json.mediaType === MEDIA.dockerManifest || json.mediaType === MEDIA.dockerIndex)) ||
    (config !== undefined && config !== null && "mediaType" in config && config.mediaType === MEDIA.dockerConfig);
  if (!isDocker) return [];
  const faults: SchemaFault[] = [];
  if (!("mediaType" in json)) faults.push({ path: "mediaType", message: "a manifest of Docker's must say what it is" });
  if ("annotations" in json) faults.push({ path: "annotations", message: "Docker's manifests have none" });
  return faults;
}
