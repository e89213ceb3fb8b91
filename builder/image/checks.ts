// What must hold of an image's documents, as checks with their outcome: for who wants to know all that is wrong.
// validate.ts is for who wants nothing to be wrong.

import type { Descriptor } from "../core/image/descriptor.ts";
import { digestOf } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import type { ImageConfig } from "../core/image/image-config.ts";
import { formatPlatform, normalizePlatform } from "../core/image/platform.ts";
import type { ImageManifest } from "./manifest.ts";
import { platformOf } from "./read.ts";
import type { SchemaKind } from "./schema.ts";
import { schemaFaults } from "./schema.ts";

/** One check. */
export interface Check {
  /** What must hold of the subject, as a statement: "its digest is sha256:…". */
  readonly rule: string;
  /** "absent": there is nothing to check, and need not be (a platform that was never fetched). */
  readonly result: "ok" | "failed" | "absent";
  /** What is the case instead. */
  readonly detail?: string;
}

/** The outcome of a rule; `detail` says what is the case when it does not hold. */
export function check(rule: string, holds: boolean, detail?: string): Check {
  if (holds) return { rule, result: "ok" };
  return { rule, result: "failed", ...(detail === undefined ? {} : { detail }) };
}

/** That bytes are what their descriptor says. */
export function checkIdentity(descriptor: Descriptor, bytes: Uint8Array): Check[] {
  const { digest, size } = descriptor;
  return [checkDigest(digest, digestOf(bytes)), checkSize(size, bytes.length)];
}

export function checkDigest(told: string, found: string): Check {
  return check(`its digest is ${told}`, told === found, `it is ${found}`);
}

export function checkSize(told: number, found: number): Check {
  return check(`it has ${told} bytes`, told === found, `it has ${found}`);
}

/** That a parsed document has the form that the image-spec's schema gives it; a check for each fault, or one. */
export function checkSchema(kind: SchemaKind, json: unknown): Check[] {
  const rule = `it follows the schema of ${kind === "index" ? "an index" : `a ${kind}`}`;
  const faults = schemaFaults(kind, json);
  if (faults.length === 0) return [check(rule, true)];
  return faults.map(({ path, message }) => check(rule, false, path === "" ? message : `"${path}": ${message}`));
}

/** That a document says the same of its kind as whoever names it. */
export function checkMediaType(descriptor: Descriptor, json: object): Check[] {
  const own = "mediaType" in json ? json.mediaType : undefined;
  if (own === undefined) return [];
  return [
    check(`its media type is ${descriptor.mediaType}`, own === descriptor.mediaType, `it says ${JSON.stringify(own)}`),
  ];
}

/** That what descriptors in a document embed is what they name (OCI image-spec, descriptor.md, Properties, data). */
export function checkEmbedded(json: object): Check[] {
  return descriptorsIn(json).flatMap(([path, { data, digest, size }]): Check[] => {
    if (typeof data !== "string") return [];
    const bytes = Buffer.from(data, "base64");
    const rule = `the data in "${path}" is what its digest and size say`;
    const isOne = digest === digestOf(bytes) && size === bytes.length;
    return [check(rule, isOne, `it has ${bytes.length} bytes and ${digestOf(bytes)}`)];
  });
}

type Unread = Readonly<Record<string, unknown>>;

/** Descriptors of a manifest or an index, whatever else is wrong with it. */
function descriptorsIn(json: object): (readonly [path: string, descriptor: Unread])[] {
  const places = Object.entries(json).flatMap(([name, value]: [string, unknown]): (readonly [string, unknown])[] => {
    if (name === "config" || name === "subject") return [[name, value]];
    if ((name !== "layers" && name !== "manifests") || !Array.isArray(value)) return [];
    return value.map((each: unknown, at) => [`${name}.${at}`, each]);
  });
  return places.flatMap(([path, value]) => (isObject(value) ? [[path, value] as const] : []));
}

function isObject(value: unknown): value is Unread {
  return typeof value === "object" && value !== null;
}

/** That something can be read by the rules of this program; what it was read as. */
export function checkReading<T>(read: () => T): { readonly checks: Check[]; readonly value: T | undefined } {
  try {
    return { checks: [], value: read() };
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    return { checks: [check("it can be used", false, error.message)], value: undefined };
  }
}

/** That the index, the manifest and the config say the same of the image. */
export function checkPairs(descriptor: Descriptor, { layers }: ImageManifest, config: ImageConfig): Check[] {
  return [
    ...checkPlatform(descriptor, config),
    check(
      "it has one diff_id for each layer",
      config.rootfs.diff_ids.length === layers.length,
      `the manifest has ${layers.length} layers, the config ${config.rootfs.diff_ids.length} diff_ids`,
    ),
    ...checkHistory(layers.length, config),
  ];
}

function checkPlatform(descriptor: Descriptor, config: ImageConfig): Check[] {
  if (descriptor.platform === undefined) return [];
  // A variant is often in one place only (arm64/v8 and arm64); system and architecture decide.
  const [told, own] = [normalizePlatform(descriptor.platform), platformOf(config)];
  const agrees = told.os === own.os && told.architecture === own.architecture;
  const detail = `the index says ${formatPlatform(told)}, the config ${formatPlatform(own)}`;
  return [check("its platform is that of the index", agrees, detail)];
}

function checkHistory(layers: number, { history = [] }: ImageConfig): Check[] {
  if (history.length === 0) return [];
  const told = history.filter((entry) => entry.empty_layer !== true).length;
  // Some tools write no history for some layers; more history than layers contradicts itself.
  const detail = `the history tells of ${told} layers, the manifest has ${layers}`;
  return [check("its history tells of no more layers than there are", told <= layers, detail)];
}
