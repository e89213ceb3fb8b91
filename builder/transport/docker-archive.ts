// Image archives as a source: what `docker save` and its like write. A modern one is an
// OCI layout in a tar; an old one has manifest.json, a config and layers beside each
// other, for which a manifest is made here that names the same layers.

import * as v from "valibot";
import type { Descriptor } from "../core/descriptor.ts";
import { MEDIA } from "../core/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { digestOf, Digester, hexOf } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import { assembleManifest } from "../image/manifest.ts";
import { parseConfig, parseDocument } from "../image/read.ts";
import { sniff, SNIFF_BYTES } from "../layer/decompress.ts";
import type { ArchiveFile, Member } from "./archive-file.ts";
import { openArchiveFile } from "./archive-file.ts";
import { chooseEntry, fullName, withoutNames } from "./oci-layout.ts";
import type { ImageSource } from "./source.ts";

const DOCUMENT_BYTES = 16 << 20;

const DockerManifestSchema = v.array(
  v.looseObject({ Config: v.string(), RepoTags: v.nullish(v.array(v.string())), Layers: v.array(v.string()) }),
);
type DockerEntry = v.InferOutput<typeof DockerManifestSchema>[number];

export interface ArchiveChoice {
  /** A tag or a whole name; needed only where the archive holds several images. */
  readonly tag?: string | undefined;
  /** Where a compressed archive is unpacked to while it is open. */
  readonly temporaryDirectory?: string | undefined;
}

interface Found {
  readonly top: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
  readonly blobs: ReadonlyMap<Digest, Member>;
}

/** Opens an archive, plain or compressed. Close it when no layer is needed any more. */
export async function openDockerArchive(path: string, choice: ArchiveChoice = {}): Promise<ImageSource> {
  const archive = await openArchiveFile(path, choice.temporaryDirectory);
  const name = `docker-archive "${path}"${choice.tag === undefined ? "" : `:${choice.tag}`}`;
  let found: Promise<Found> | undefined;
  const find = (signal: AbortSignal): Promise<Found> => (found ??= findImage(archive, choice.tag, name, signal));
  const search = async ({ digest }: Descriptor, signal: AbortSignal): Promise<Member | undefined> =>
    archive.member(blobName(digest)) ?? (await find(signal)).blobs.get(digest);
  const memberOf = async (descriptor: Descriptor, signal: AbortSignal): Promise<Member> => {
    const member = await search(descriptor, signal);
    if (member === undefined)
      throw new BuildError("ARCHIVE_INVALID", `${name}: ${descriptor.digest} is not in the archive`);
    return member;
  };
  return {
    name,
    top: async (signal) => (await find(signal)).top,
    document: async (descriptor, signal) => await archive.read(await memberOf(descriptor, signal), DOCUMENT_BYTES),
    has: async (descriptor) => (await search(descriptor, new AbortController().signal)) !== undefined,
    async *blob(descriptor, signal) {
      const member = await memberOf(descriptor, signal);
      if (member.size !== descriptor.size) {
        throw new BuildError(
          "DIGEST_INVALID",
          `${name}: ${descriptor.digest} has ${member.size} bytes, the manifest says ${descriptor.size}`,
        );
      }
      yield* archive.stream(member, signal);
    },
    [Symbol.asyncDispose]: () => archive[Symbol.asyncDispose](),
  };
}

async function findImage(
  archive: ArchiveFile,
  tag: string | undefined,
  name: string,
  signal: AbortSignal,
): Promise<Found> {
  const index = archive.member("index.json");
  if (index !== undefined && archive.member("oci-layout") !== undefined)
    return await findInLayout(archive, index, tag, name);
  const manifest = archive.member("manifest.json");
  if (manifest !== undefined) return await findOld(archive, manifest, tag, name, signal);
  const why =
    archive.member("repositories") === undefined
      ? "it has neither index.json nor manifest.json"
      : "it is of a docker before 1.10";
  throw new BuildError("ARCHIVE_INVALID", `${name} is not an image archive: ${why}`);
}

async function findInLayout(
  archive: ArchiveFile,
  member: Member,
  tag: string | undefined,
  name: string,
): Promise<Found> {
  const document = parseDocument(await archive.read(member, DOCUMENT_BYTES), `index.json of ${name}`);
  if (document.kind !== "index") throw new BuildError("ARCHIVE_INVALID", `index.json of ${name} is not an index`);
  const descriptor = withoutNames(chooseEntry(document.index, tag, name));
  const blob = archive.member(blobName(descriptor.digest));
  if (blob === undefined)
    throw new BuildError("ARCHIVE_INVALID", `${name}: ${descriptor.digest} is not in the archive`);
  return { top: { descriptor, bytes: await archive.read(blob, DOCUMENT_BYTES) }, blobs: new Map() };
}

async function findOld(
  archive: ArchiveFile,
  member: Member,
  tag: string | undefined,
  name: string,
  signal: AbortSignal,
): Promise<Found> {
  const entry = chooseOld(parseDockerManifest(await archive.read(member, DOCUMENT_BYTES), name), tag, name);
  const configMember = memberNamed(archive, entry.Config, name);
  const configBytes = await archive.read(configMember, DOCUMENT_BYTES);
  const { rootfs } = parseConfig(configBytes, `config "${entry.Config}" of ${name}`);
  if (rootfs.diff_ids.length !== entry.Layers.length) {
    throw new BuildError(
      "ARCHIVE_INVALID",
      `${name}: manifest.json has ${entry.Layers.length} layers, the config ${rootfs.diff_ids.length} diff_ids`,
    );
  }
  const blobs = new Map<Digest, Member>();
  const layers: Descriptor[] = [];
  for (const [place, layerName] of entry.Layers.entries()) {
    const layer = memberNamed(archive, layerName, name);
    const diffId = rootfs.diff_ids[place] as Digest; // the lengths agree
    const descriptor = await describeLayer(archive, layer, diffId, signal);
    layers.push(descriptor);
    blobs.set(descriptor.digest, layer);
  }
  const config: Descriptor = { mediaType: MEDIA.dockerConfig, digest: digestOf(configBytes), size: configBytes.length };
  blobs.set(config.digest, configMember);
  return { top: assembleManifest(config, layers, "docker"), blobs };
}

// A plain layer's digest is its diffID (checked when its bytes come); of a compressed one it must be taken.
async function describeLayer(
  archive: ArchiveFile,
  layer: Member,
  diffId: Digest,
  signal: AbortSignal,
): Promise<Descriptor> {
  const head = await archive.read({ offset: layer.offset, size: Math.min(SNIFF_BYTES, layer.size) }, SNIFF_BYTES);
  const format = sniff(head);
  if (format === "plain") return { mediaType: MEDIA.dockerLayer, digest: diffId, size: layer.size };
  if (format !== "gzip" && format !== "zstd")
    throw new BuildError("UNSUPPORTED", `"${archive.path}" has a layer compressed with ${format}`);
  const digester = new Digester();
  for await (const chunk of archive.stream(layer, signal)) digester.update(chunk);
  return {
    mediaType: format === "gzip" ? MEDIA.dockerLayerGzip : MEDIA.dockerLayerZstd,
    digest: digester.digest(),
    size: layer.size,
  };
}

function chooseOld(entries: readonly DockerEntry[], tag: string | undefined, name: string): DockerEntry {
  const [only] = entries;
  if (only === undefined) throw new BuildError("INPUT_MISSING", `${name} holds no image`);
  const tags = entries.flatMap(({ RepoTags }) => RepoTags ?? []);
  if (tag === undefined) {
    if (entries.length === 1) return only;
    throw new BuildError("INPUT_MISSING", `${name} holds ${entries.length} images`, {
      hint: `name one: ${tags.join(", ")}`,
    });
  }
  const found = entries.find(({ RepoTags }) =>
    (RepoTags ?? []).some((one) => one === tag || one.endsWith(`:${tag}`) || fullName(one) === fullName(tag)),
  );
  if (found !== undefined) return found;
  throw new BuildError("INPUT_MISSING", `${name} has no image "${tag}"`, {
    hint: tags.length === 0 ? "its images have no names" : `it has ${tags.join(", ")}`,
  });
}

function parseDockerManifest(bytes: Uint8Array, name: string): readonly DockerEntry[] {
  try {
    return v.parse(DockerManifestSchema, JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch (error) {
    throw new BuildError(
      "ARCHIVE_INVALID",
      `manifest.json of ${name} is not valid: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

function memberNamed(archive: ArchiveFile, member: string, name: string): Member {
  const found = archive.member(member);
  if (found === undefined)
    throw new BuildError("ARCHIVE_INVALID", `${name}: manifest.json names "${member}", which is not in the archive`);
  return found;
}

function blobName(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}
