// An inspection as JSON. The first fields are those of `docker image inspect`, so that what reads one reads the other;
// manifest and index follow as they are.

import { familiarReference, parseReference } from "../../../builder/core/image/reference.ts";
import type { IndexEntry, InspectedImage, Inspection } from "../../../builder/inspect.ts";

/** The image as an object; of an index without an image for this machine only what the index says. */
export function inspectionToJson({ opened, index, image }: Inspection): Readonly<Record<string, unknown>> {
  const { descriptor } = opened.top;
  return {
    ...(image === undefined ? {} : imageToJson(image)),
    Name: opened.name,
    RepoTags: opened.names.map(familiarName),
    RepoDigests: [...new Set(opened.names.flatMap((name) => withDigest(name, descriptor.digest)))],
    Descriptor: descriptor,
    ...(image === undefined ? {} : { Manifest: parse(image.manifest.bytes) }),
    ...(index === undefined ? {} : { Index: parse(index.document.bytes), Manifests: index.entries.map(entryToJson) }),
  };
}

function imageToJson(image: InspectedImage): Readonly<Record<string, unknown>> {
  const { config, configBytes, sizeBytes, layers, manifest } = image;
  const common = {
    Digest: manifest.descriptor.digest,
    MediaType: manifest.descriptor.mediaType,
    Size: sizeBytes,
    Layers: layers.map(({ descriptor, diffId, instruction }) => ({
      MediaType: descriptor.mediaType,
      Digest: descriptor.digest,
      Size: descriptor.size,
      ...(diffId === undefined ? {} : { DiffID: diffId }),
      ...(instruction === undefined ? {} : { CreatedBy: instruction }),
    })),
  };
  if (config === undefined || configBytes === undefined) return common;
  return {
    Id: manifest.manifest.config.digest,
    Comment: config.history?.at(-1)?.comment ?? "",
    ...(config.created === undefined ? {} : { Created: config.created }),
    Author: config.author ?? "",
    Config: config.config ?? {},
    Architecture: config.architecture,
    ...(config.variant === undefined ? {} : { Variant: config.variant }),
    Os: config.os,
    ...(config["os.version"] === undefined ? {} : { OsVersion: config["os.version"] }),
    RootFS: { Type: "layers", Layers: config.rootfs.diff_ids },
    ...common,
  };
}

function entryToJson({
  descriptor,
  kind,
  about,
  predicates,
  isPresent,
}: IndexEntry): Readonly<Record<string, unknown>> {
  return {
    Kind: kind,
    Descriptor: descriptor,
    ...(about === undefined ? {} : { About: about }),
    ...(predicates === undefined ? {} : { PredicateTypes: predicates }),
    Available: isPresent,
  };
}

function parse(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes).toString("utf8")) as unknown;
}

/** As people write it; a name of another tool's that is no reference stays as it is. */
function familiarName(name: string): string {
  try {
    return familiarReference(parseReference(name));
  } catch {
    return name;
  }
}

function withDigest(name: string, digest: string): string[] {
  try {
    const { registry, repository } = parseReference(name);
    return [`${familiarReference({ registry, repository })}@${digest}`];
  } catch {
    return [];
  }
}
