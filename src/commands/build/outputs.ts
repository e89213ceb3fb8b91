// What becomes of the result: --output, --push, --load, --tag and --annotation together make the exports.

import { statSync } from "node:fs";
import { resolve } from "node:path";
import { BuildError } from "../../../builder/core/errors.ts";
import { formatReference, parseReference } from "../../../builder/core/image/reference.ts";
import type { ExportSpec, FileSink, ImageOptions } from "../../../builder/request.ts";
import type { AnnotationSpec } from "../../cli/values/annotation-spec.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, listOf } from "../../cli/flags.ts";
import type { ImageAttributes, OutputSpec } from "../../cli/values/output-spec.ts";
import { attestationsOf } from "./attestations.ts";

/** Standard output, as far as outputs care. */
export interface Stdout {
  readonly isTerminal: boolean;
  readonly write: (chunk: Uint8Array) => Promise<void>;
}

export interface Outputs {
  readonly exports: readonly ExportSpec[];
  /** Registries that an output asked to reach without TLS or its check. */
  readonly insecureRegistries: readonly string[];
  /** Whether one of them writes to standard output, which then is for nothing else. */
  readonly usesStdout: boolean;
}

const NO_ATTRIBUTES: ImageAttributes = {
  names: [],
  ociMediaTypes: undefined,
  compression: undefined,
  level: undefined,
  encoder: undefined,
  forceCompression: false,
  ociArtifact: undefined,
  inlineAttestations: undefined,
  annotations: [],
  push: undefined,
  pushByDigest: false,
  store: undefined,
  insecure: false,
};

/** The outputs of a build. Without any the image goes to the local store. Throws `USAGE`. */
export async function readOutputs(args: Arguments, stdout: Stdout): Promise<Outputs> {
  const tags = listOf(args, "tag").map((tag) => imageName(tag, "invalid tag"));
  const annotations = await annotationsOf(args);
  const states = (await attestationsOf(args)) !== undefined;
  const allow = listOf(args, "allow").flatMap((value) => value.split(","));
  const specs = addShorthands(await outputsOf(args), isOn(args, "push"), isOn(args, "load"));

  const insecure: string[] = [];
  let stdoutUsers = 0;
  const toStdout = (): FileSink => {
    stdoutUsers++;
    return { kind: "stream", write: stdout.write };
  };
  const exports = specs.map((spec): ExportSpec => {
    switch (spec.type) {
      case "image":
      case "registry": {
        const image = imageOptions(spec.image, { tags, annotations, states }, "oci");
        const push = spec.image.push ?? spec.type === "registry";
        if (push && image.names.length === 0) {
          throw new BuildError("USAGE", "tag is needed when pushing to registry", { hint: "name the image with -t" });
        }
        if (spec.image.insecure) insecure.push(...image.names.map((name) => parseReference(name).registry));
        return { type: "image", image, push, pushByDigest: spec.image.pushByDigest, store: spec.image.store ?? true };
      }
      case "oci":
      case "docker": {
        const isLoad = spec.type === "docker" && spec.destination === undefined && !spec.directory;
        // What is loaded beside another output is the same image: one build has one digest.
        const image = imageOptions(spec.image, { tags, annotations, states }, isLoad ? "oci" : spec.type);
        // As buildx: without a file it goes to the docker daemon.
        if (isLoad) return { type: "load", image };
        if (!spec.directory) return { type: spec.type, image, destination: fileSink(spec, stdout, toStdout) };
        if (spec.destination === undefined || spec.destination === "-") {
          throw new BuildError("USAGE", `--output: type=${spec.type},tar=false needs dest=FOLDER`);
        }
        return { type: spec.type, image, destination: { kind: "directory", path: resolve(spec.destination) } };
      }
      case "local":
        if (spec.destination === "-")
          throw new BuildError("USAGE", "--output: type=local cannot write to standard output", {
            hint: "use -o - or type=tar",
          });
        if (spec.deleteExtra && !allow.includes("buildx.local.delete")) {
          throw new BuildError("USAGE", `--output: mode=delete removes what else is in "${spec.destination}"`, {
            hint: "permit it with --allow buildx.local.delete",
          });
        }
        return {
          type: "local",
          path: resolve(spec.destination),
          deleteExtra: spec.deleteExtra,
          ...fileOptions(spec),
        };
      case "tar":
        return { type: "tar", destination: fileSink(spec, stdout, toStdout), ...fileOptions(spec) };
      case "cacheonly":
        return { type: "cacheonly" };
    }
  });
  if (stdoutUsers > 1) throw new BuildError("USAGE", "--output: only one output can go to standard output");
  return { exports, insecureRegistries: insecure, usesStdout: stdoutUsers > 0 };
}

async function annotationsOf(args: Arguments): Promise<readonly AnnotationSpec[]> {
  const values = listOf(args, "annotation");
  if (values.length === 0) return [];
  const { parseAnnotation } = await import("../../cli/values/annotation-spec.ts");
  return values.flatMap(parseAnnotation);
}

async function outputsOf(args: Arguments): Promise<readonly OutputSpec[]> {
  const values = listOf(args, "output");
  if (values.length === 0) return [];
  const { parseOutput } = await import("../../cli/values/output-spec.ts");
  return values.map(parseOutput);
}

/** --push changes an image output that is there, or adds one; --load is `type=docker`. */
function addShorthands(specs: readonly OutputSpec[], push: boolean, load: boolean): readonly OutputSpec[] {
  if (specs.length === 0 && !push && !load) return [{ type: "image", image: NO_ATTRIBUTES }];
  const changed = specs.map((spec): OutputSpec => {
    const isPushed = push && (spec.type === "image" || spec.type === "registry");
    return isPushed ? { ...spec, image: { ...spec.image, push } } : spec;
  });
  const hasImage = changed.some((spec) => spec.type === "image" || spec.type === "registry");
  const hasLoad = changed.some((spec) => spec.type === "docker" && spec.destination === undefined && !spec.directory);
  return [
    ...changed,
    ...(push && !hasImage ? [{ type: "registry", image: NO_ATTRIBUTES } as const] : []),
    ...(load && !hasLoad
      ? [{ type: "docker", image: NO_ATTRIBUTES, destination: undefined, directory: false } as const]
      : []),
  ];
}

/** What other flags say of an image. */
interface ImageFlags {
  readonly tags: readonly string[];
  readonly annotations: readonly AnnotationSpec[];
  /** Whether attestations are asked for. */
  readonly states: boolean;
}

/** How an image output is written, by its own attributes and the flags beside it. Throws `USAGE`. */
export function imageOptions(
  attributes: ImageAttributes,
  { tags, annotations, states }: ImageFlags,
  type: "oci" | "docker",
): ImageOptions {
  const all = [...annotations, ...attributes.annotations];
  if (attributes.ociArtifact === true && attributes.ociMediaTypes === false)
    throw new BuildError("USAGE", "--output: oci-artifact=true conflicts with oci-mediatypes=false");
  const compression = attributes.compression ?? "gzip";
  // Docker's own types know neither attestations, annotations nor zstd.
  const needsOci = states
    ? "an attestation"
    : all.length > 0
      ? "annotations"
      : compression === "zstd"
        ? "compression=zstd"
        : undefined;
  if (attributes.ociMediaTypes === false && needsOci !== undefined) {
    throw new BuildError(
      "USAGE",
      `--output: ${needsOci} needs OCI media types, and oci-mediatypes=false was asked for`,
    );
  }
  const wantsOci = attributes.ociMediaTypes ?? (type === "oci" || needsOci !== undefined);
  const names =
    attributes.names.length > 0 ? attributes.names.map((name) => imageName(name, "--output: invalid name")) : tags;
  return {
    names: [...new Set(names)],
    mediaTypes: wantsOci ? "oci" : "docker",
    compression,
    ...(attributes.level === undefined ? {} : { level: attributes.level }),
    ...(attributes.encoder === undefined ? {} : { encoder: attributes.encoder }),
    forceCompression: attributes.forceCompression,
    ...(attributes.ociArtifact === false ? { attestationForm: "image" as const } : {}),
    ...(attributes.inlineAttestations === undefined ? {} : { inlineAttestations: attributes.inlineAttestations }),
    annotations: all,
  };
}

/** The full form of a tag; a digest is nothing one can give an image. */
function imageName(text: string, what: string): string {
  let reference;
  try {
    reference = parseReference(text);
  } catch (error) {
    throw new BuildError("USAGE", `${what}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  if (reference.digest !== undefined)
    throw new BuildError("USAGE", `${what}: "${text}" has a digest, but the digest is what the build makes`);
  return formatReference(reference);
}

function fileSink(
  spec: { readonly type: string; readonly destination: string | undefined },
  stdout: Stdout,
  toStdout: () => FileSink,
): FileSink {
  if (spec.destination === undefined || spec.destination === "-") {
    if (stdout.isTerminal) {
      throw new BuildError("USAGE", `dest file is required for ${spec.type} exporter. refusing to write to console`);
    }
    return toStdout();
  }
  const path = resolve(spec.destination);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new BuildError("USAGE", `--output: destination file "${spec.destination}" is a directory`);
  }
  return { kind: "file", path };
}

function fileOptions(spec: Extract<OutputSpec, { type: "local" | "tar" }>): {
  readonly platformSplit?: boolean;
  readonly attestationPrefix?: string;
} {
  const { platformSplit, attestationPrefix } = spec;
  return {
    ...(platformSplit === undefined ? {} : { platformSplit }),
    ...(attestationPrefix === undefined ? {} : { attestationPrefix }),
  };
}
