// Where a job's image goes: pushed to its destinations, written to an archive or a layout.

import { resolve } from "node:path";
import { BuildError } from "../../../builder/core/errors.ts";
import { formatReference, parseReference } from "../../../builder/core/image/reference.ts";
import type { ExportSpec, ImageOptions } from "../../../builder/request.ts";
import { readBoolean } from "../../cli/values/booleans.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import type { Environment } from "../../config/environment.ts";
import type { Outputs } from "../build/outputs.ts";

/** What an archive calls an image that was given no name; kaniko's. */
const NO_NAME = "docker.io/unset-repo/unset-image-name:latest";
const HIGHEST_LEVEL = { gzip: 9, zstd: 22 } as const;

/** What a job makes, and for whom. */
export interface JobOutputs extends Outputs {
  /** Full references of `--destination`. */
  readonly destinations: readonly string[];
  readonly push: boolean;
}

/** Throws `USAGE`. */
export function jobOutputs(args: Arguments, environment: Environment): JobOutputs {
  const destinations = [...new Set(listOf(args, "destination").map(destinationOf))];
  const push =
    textOf(args, "no-push") === undefined
      ? readBoolean(environment["KANIKO_NO_PUSH"] ?? "") !== true
      : !isOn(args, "no-push");
  if (push && destinations.length === 0)
    throw new BuildError("USAGE", "a job needs a --destination for its image", {
      hint: "--no-push builds without one",
    });
  for (const name of ["image-name-with-digest-file", "image-name-tag-with-digest-file"])
    if (destinations.length === 0 && textOf(args, name))
      throw new BuildError("USAGE", `--${name} needs a --destination: what it writes are names`);
  const image = imageOptions(args, destinations);
  const exports: ExportSpec[] = [];
  const tar = textOf(args, "tar-path");
  if (tar) {
    const names = destinations.length === 0 ? [NO_NAME] : destinations;
    exports.push({ type: "docker", image: { ...image, names }, destination: { kind: "file", path: resolve(tar) } });
  }
  const layout = textOf(args, "oci-layout-path");
  if (layout) exports.push({ type: "oci", image, destination: { kind: "directory", path: resolve(layout) } });
  // Last: what was pushed was written before. The name in the store is what is pushed once more after a failure.
  exports.push({ type: "image", image, push, pushByDigest: false, store: true });
  return { exports, insecureRegistries: [], usesStdout: false, destinations, push };
}

/** A `--destination` in full. Throws `USAGE`. */
export function destinationOf(text: string): string {
  let reference;
  try {
    reference = parseReference(text);
  } catch (error) {
    throw new BuildError("USAGE", `--destination: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  if (reference.digest !== undefined)
    throw new BuildError("USAGE", `--destination: "${text}" has a digest, but the digest is what the build makes`);
  return formatReference(reference);
}

function imageOptions(args: Arguments, names: readonly string[]): ImageOptions {
  const compression = textOf(args, "compression") || "gzip";
  if (compression !== "gzip" && compression !== "zstd")
    throw new BuildError("USAGE", `--compression: "${compression}" is neither gzip nor zstd`);
  const format = textOf(args, "image-format") || "oci";
  if (format !== "oci" && format !== "docker")
    throw new BuildError("USAGE", `--image-format: "${format}" is neither oci nor docker`);
  const annotations = listOf(args, "annotation").map((text) => {
    const [key = "", value = ""] = text.split(/=(.*)/s);
    if (key === "") throw new BuildError("USAGE", `--annotation: "${text}" is not KEY=VALUE`);
    return { place: "manifest" as const, platform: "", key, value };
  });
  if (format === "docker" && (compression === "zstd" || annotations.length > 0))
    throw new BuildError("USAGE", `--image-format=docker has no ${annotations.length > 0 ? "annotations" : "zstd"}`);
  const levelText = textOf(args, "compression-level") ?? "-1";
  const level = Number(levelText);
  if (!Number.isInteger(level) || level > HIGHEST_LEVEL[compression])
    throw new BuildError(
      "USAGE",
      `--compression-level: "${levelText}" is no number up to ${HIGHEST_LEVEL[compression]}`,
    );
  return {
    names,
    mediaTypes: format,
    compression,
    ...(level > 0 ? { level } : {}),
    forceCompression: false,
    annotations,
  };
}
