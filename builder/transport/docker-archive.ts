// What `docker save` and its like write, as a source. Newer ones are an OCI layout in a tar
// and keep their manifests; older ones have manifest.json, configs and layers beside each
// other, for which a manifest is made here; the oldest have `repositories` alone.

import * as v from "valibot";
import type { Descriptor } from "../core/image/descriptor.ts";
import { MEDIA } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { Digester } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import { parseConfig, parseImageManifest } from "../image/read.ts";
import { sniff, SNIFF_BYTES } from "../layer/compression/decompress.ts";
import type { ArchiveFile, ArchiveFileOptions, Member } from "./archive-file.ts";
import { openArchiveFile } from "./archive-file.ts";
import { blobName } from "./docker-manifest.ts";
import { findV1, isV1 } from "./docker-v1.ts";
import type { Found } from "./image-archive.ts";
import {
  archiveSource,
  deriveImage,
  DOCUMENT_BYTES,
  findInLayout,
  foundAt,
  isLayout,
  layoutEntries,
  memberNamed,
} from "./image-archive.ts";
import { fullName, refusePlace } from "./layout-index.ts";
import type { ImageSource } from "./source.ts";
import type { Selection } from "../core/image/image-location.ts";
import { formatSelection } from "../core/image/image-location.ts";

const DockerManifestSchema = v.array(
  v.looseObject({
    Config: v.string(),
    RepoTags: v.nullish(v.array(v.string())),
    Layers: v.nullish(v.array(v.string()), []),
  }),
);

/** One image of a manifest.json. */
export type DockerEntry = v.InferOutput<typeof DockerManifestSchema>[number];

/** Opens an archive, plain or compressed. Without a selection it must hold one image only. Throws `INPUT_MISSING`, `ARCHIVE_INVALID`. */
export async function openDockerArchive(
  path: string,
  selection: Selection,
  options: ArchiveFileOptions,
): Promise<ImageSource> {
  const archive = await openArchiveFile(path, options);
  return await dockerArchiveSource(archive, selection, `docker archive "${path}"${formatSelection(selection)}`);
}

/** The same for an archive that is open; it is closed with the source. */
export async function dockerArchiveSource(
  archive: ArchiveFile,
  selection: Selection,
  name: string,
): Promise<ImageSource> {
  return await archiveSource(archive, name, () => findImage(archive, selection, name));
}

/** The images of an archive that has a manifest.json; undefined when it has none. Throws `ARCHIVE_INVALID`. */
export async function dockerEntries(archive: ArchiveFile): Promise<readonly DockerEntry[] | undefined> {
  const member = archive.member("manifest.json");
  if (member === undefined) return undefined;
  const bytes = await archive.read(member, DOCUMENT_BYTES);
  try {
    return v.parse(DockerManifestSchema, JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch (error) {
    throw new BuildError(
      "ARCHIVE_INVALID",
      `manifest.json of "${archive.path}" is not valid: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

async function findImage(archive: ArchiveFile, selection: Selection, name: string): Promise<Found> {
  if (isLayout(archive) && selection.index === undefined) return await findInLayout(archive, selection, name);
  const entries = await dockerEntries(archive);
  if (entries !== undefined) {
    const entry = chooseEntry(entries, selection, name);
    return (await inLayout(archive, entry, name)) ?? (await findByEntry(archive, entry, name));
  }
  if (isLayout(archive)) return await findInLayout(archive, selection, name);
  if (isV1(archive)) return await findV1(archive, selection, name);
  throw new BuildError(
    "ARCHIVE_INVALID",
    `${name} is not an image archive: it has neither index.json nor manifest.json`,
  );
}

// An entry of manifest.json in an archive that is a layout as well has a manifest of its own there.
async function inLayout(archive: ArchiveFile, entry: DockerEntry, name: string): Promise<Found | undefined> {
  if (!isLayout(archive)) return undefined;
  for (const descriptor of await layoutEntries(archive)) {
    const found = await foundAt(archive, descriptor, name);
    if (descriptor.mediaType !== MEDIA.ociManifest && descriptor.mediaType !== MEDIA.dockerManifest) continue;
    const { config } = parseImageManifest(found.top.bytes, name, descriptor.mediaType);
    if (blobName(config.digest) === entry.Config) return found;
  }
  return undefined;
}

async function findByEntry(archive: ArchiveFile, entry: DockerEntry, name: string): Promise<Found> {
  const config = await archive.read(memberNamed(archive, entry.Config, name), DOCUMENT_BYTES);
  const layers = entry.Layers.map((layer) => memberNamed(archive, layer, name));
  const diffIds = parseConfig(config, `config "${entry.Config}" of ${name}`).rootfs.diff_ids;
  if (diffIds.length !== layers.length) {
    throw new BuildError(
      "ARCHIVE_INVALID",
      `${name}: manifest.json has ${layers.length} layers, the config ${diffIds.length} diff_ids`,
    );
  }
  const blobs = new Map<Digest, Member | Uint8Array>();
  const descriptors: Descriptor[] = [];
  for (const [place, layer] of layers.entries()) {
    const descriptor = await describeLayer(archive, layer, diffIds[place] as Digest); // the lengths agree
    descriptors.push(descriptor);
    blobs.set(descriptor.digest, layer);
  }
  return deriveImage(config, descriptors, blobs);
}

// A plain layer's digest is its diffID (checked when its bytes come); of a compressed one it must be taken.
async function describeLayer(archive: ArchiveFile, layer: Member, diffId: Digest): Promise<Descriptor> {
  const head = await archive.read({ offset: layer.offset, size: Math.min(SNIFF_BYTES, layer.size) }, SNIFF_BYTES);
  const format = sniff(head);
  if (format === "plain") return { mediaType: MEDIA.dockerLayer, digest: diffId, size: layer.size };
  if (format !== "gzip" && format !== "zstd")
    throw new BuildError("UNSUPPORTED", `"${archive.path}" has a layer compressed with ${format}`);
  const digester = new Digester();
  for await (const chunk of archive.stream(layer, new AbortController().signal)) digester.update(chunk);
  const mediaType = format === "gzip" ? MEDIA.dockerLayerGzip : MEDIA.dockerLayerZstd;
  return { mediaType, digest: digester.digest(), size: layer.size };
}

function chooseEntry(entries: readonly DockerEntry[], { ref, index }: Selection, name: string): DockerEntry {
  const [only] = entries;
  if (index !== undefined) return entries[index] ?? refusePlace(index, entries.length, name);
  if (only === undefined) throw new BuildError("INPUT_MISSING", `${name} holds no image`);
  const tags = entries.flatMap(({ RepoTags }) => RepoTags ?? []);
  if (ref === undefined) {
    if (entries.length === 1) return only;
    throw new BuildError("INPUT_MISSING", `${name} holds ${entries.length} images`, {
      hint: `name one: ${[...tags, `@0 to @${entries.length - 1}`].join(", ")}`,
    });
  }
  const found = entries.find(({ RepoTags }) =>
    (RepoTags ?? []).some((one) => one === ref || one.endsWith(`:${ref}`) || fullName(one) === fullName(ref)),
  );
  if (found !== undefined) return found;
  throw new BuildError("INPUT_MISSING", `${name} has no image "${ref}"`, {
    hint: tags.length === 0 ? "its images have no names: give their place, as @0" : `it has ${tags.join(", ")}`,
  });
}
