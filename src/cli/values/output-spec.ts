// `-o PATH`, `-o -`, `-o type=T[,key=value…]`: one output as it was written. What it means beside the other flags
// (tags, --push, the terminal) is decided in commands/build/outputs.ts.

import type { Compression } from "../../../builder/core/image/descriptor.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import type { AnnotationSpec } from "./annotation-spec.ts";
import { annotationAttribute } from "./annotation-spec.ts";
import { AttributeValues } from "./attribute-values.ts";
import type { Pair } from "./csv.ts";
import { parseCsv, parsePairs } from "./csv.ts";
import { nearest } from "../nearest.ts";

/** How an image output is written; what was not said is undefined. */
export interface ImageAttributes {
  readonly names: readonly string[];
  readonly ociMediaTypes: boolean | undefined;
  readonly compression: Compression | undefined;
  readonly level: number | undefined;
  readonly encoder: "native" | "portable" | undefined;
  readonly forceCompression: boolean;
  /** `oci-artifact=false`: attestations look like images. */
  readonly ociArtifact: boolean | undefined;
  /** `attestation-inline`. */
  readonly inlineAttestations: boolean | undefined;
  readonly annotations: readonly AnnotationSpec[];
  readonly push: boolean | undefined;
  readonly pushByDigest: boolean;
  readonly store: boolean | undefined;
  readonly insecure: boolean;
}

export type OutputSpec =
  | { readonly type: "image" | "registry"; readonly image: ImageAttributes }
  | {
      readonly type: "oci" | "docker";
      readonly image: ImageAttributes;
      readonly destination: string | undefined;
      /** `tar=false`: a folder instead of an archive. */
      readonly directory: boolean;
    }
  | {
      readonly type: "local";
      readonly destination: string;
      readonly deleteExtra: boolean;
      readonly platformSplit: boolean | undefined;
      readonly attestationPrefix: string | undefined;
    }
  | {
      readonly type: "tar";
      readonly destination: string | undefined;
      readonly platformSplit: boolean | undefined;
      readonly attestationPrefix: string | undefined;
    }
  | { readonly type: "cacheonly" };

const TYPES = ["image", "registry", "oci", "docker", "local", "tar", "cacheonly"] as const;

// prettier-ignore
const IMAGE_KEYS = [
  "name", "oci-mediatypes", "compression", "compression-level", "force-compression", "encoder", "rewrite-timestamp",
  "oci-artifact", "attestation-inline", "buildinfo", "buildinfo-attrs", "prefer-nondist-layers",
];
const STORE_KEYS = ["push", "push-by-digest", "registry.insecure", "unpack", "store", "name-canonical"];
const KEYS: Readonly<Record<(typeof TYPES)[number], readonly string[]>> = {
  image: [...IMAGE_KEYS, ...STORE_KEYS],
  registry: [...IMAGE_KEYS, ...STORE_KEYS],
  oci: [...IMAGE_KEYS, "dest", "tar"],
  docker: [...IMAGE_KEYS, "dest", "tar"],
  local: ["dest", "mode", "platform-split", "attestation-prefix"],
  tar: ["dest", "platform-split", "attestation-prefix"],
  cacheonly: [],
};

/** Reads one `--output`. Throws `USAGE` for what has no meaning, `UNSUPPORTED` for what has one elsewhere. */
export function parseOutput(text: string): OutputSpec {
  const fields = parseCsv(text, "--output");
  if (fields.length === 1 && fields[0] === text && !/^\s*(type|dest)=/i.test(text)) {
    const plain = { platformSplit: undefined, attestationPrefix: undefined };
    if (text === "-") return { type: "tar", destination: "-", ...plain };
    if (text === "") throw new BuildError("USAGE", "--output: the value is empty");
    return { type: "local", destination: text, deleteExtra: false, ...plain };
  }
  const pairs = parsePairs(text, "--output");
  return outputOf(text, pairs);
}

/** An output from its attributes, `type` among them; `text` names it in messages. Throws as `parseOutput` does. */
export function outputOf(text: string, pairs: readonly Pair[]): OutputSpec {
  const typeText = pairs.findLast((pair) => pair.key === "type")?.value;
  if (typeText === undefined || typeText === "")
    throw new BuildError("USAGE", `--output: type is required for output "${text}"`);
  const type = TYPES.find((candidate) => candidate === typeText);
  if (type === undefined) {
    throw new BuildError("USAGE", `--output: unknown type "${typeText}"`, { hint: `types are ${TYPES.join(", ")}` });
  }
  return read(
    type,
    new Attributes(
      type,
      pairs.filter((pair) => pair.key !== "type"),
    ),
  );
}

function read(type: (typeof TYPES)[number], attributes: Attributes): OutputSpec {
  switch (type) {
    case "image":
    case "registry":
      return { type, image: readImage(attributes) };
    case "oci":
    case "docker":
      return {
        type,
        image: readImage(attributes),
        destination: attributes.text("dest"),
        directory: attributes.boolean("tar") === false,
      };
    case "local":
      return {
        type,
        destination: attributes.required("dest"),
        deleteExtra: attributes.choice("mode", ["copy", "delete"]) === "delete",
        platformSplit: attributes.boolean("platform-split"),
        attestationPrefix: attributes.fileName("attestation-prefix"),
      };
    case "tar":
      return {
        type,
        destination: attributes.text("dest"),
        platformSplit: attributes.boolean("platform-split"),
        attestationPrefix: attributes.fileName("attestation-prefix"),
      };
    case "cacheonly":
      return { type };
  }
}

function readImage(attributes: Attributes): ImageAttributes {
  attributes.refuse("prefer-nondist-layers", "true");
  attributes.refuse("name-canonical", "true");
  attributes.refuse("compression", "estargz");
  const compression = attributes.choice("compression", ["uncompressed", "gzip", "zstd"]);
  return {
    names: (attributes.text("name") ?? "").split(",").filter((name) => name !== ""),
    ociMediaTypes: attributes.boolean("oci-mediatypes"),
    compression,
    level: attributes.level(compression ?? "gzip"),
    encoder: attributes.choice("encoder", ["native", "portable"]),
    forceCompression: attributes.boolean("force-compression") ?? false,
    ociArtifact: attributes.boolean("oci-artifact"),
    inlineAttestations: attributes.boolean("attestation-inline"),
    annotations: attributes.annotations,
    push: attributes.boolean("push"),
    pushByDigest: attributes.boolean("push-by-digest") ?? false,
    store: attributes.boolean("store"),
    insecure: attributes.boolean("registry.insecure") ?? false,
  };
}

/** The attributes of one output. */
class Attributes extends AttributeValues {
  readonly annotations: readonly AnnotationSpec[];

  constructor(type: (typeof TYPES)[number], pairs: readonly Pair[]) {
    const known = KEYS[type];
    const annotations: AnnotationSpec[] = [];
    const values = new Map<string, string>();
    for (const pair of pairs) {
      const annotation = known.includes("name") ? annotationAttribute(pair.written, pair.value) : undefined;
      if (annotation !== undefined) {
        annotations.push(annotation);
        continue;
      }
      if (!known.includes(pair.key)) {
        const near = nearest(pair.key, known);
        throw new BuildError("USAGE", `--output: "${pair.written}" is no attribute of type=${type} here`, {
          hint: near === undefined ? undefined : `did you mean ${near}?`,
        });
      }
      values.set(pair.key, pair.value);
    }
    super("--output", values);
    this.annotations = annotations;
  }

  /** An output's key alone says yes. */
  override boolean(key: string): boolean | undefined {
    return this.written(key) === "" ? true : super.boolean(key);
  }

  required(key: string): string {
    const value = this.text(key);
    if (value === undefined) throw this.fault(`${key} is required for local exporter`);
    return value;
  }

  /** The beginning of a file's name. */
  fileName(key: string): string | undefined {
    const value = this.text(key);
    if (value?.includes("/") !== true) return value;
    throw this.fault(`${key}="${value}" must not name a folder`);
  }
}
