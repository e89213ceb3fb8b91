// The archive of an image: one tar that is an OCI layout and, by its manifest.json, what
// `docker save` writes. So it is taken by docker, podman, skopeo and containerd alike. Its
// bytes depend on the image and its names alone.

import { formatReference, parseReference } from "../core/reference.ts";
import { MEDIA } from "../core/descriptor.ts";
import type { Descriptor } from "../core/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { hexOf } from "../core/digest.ts";
import { goJson } from "../image/json.ts";
import type { ValidImage } from "../image/validate.ts";
import { type MemberToWrite, writeArchive } from "../layer/archive.ts";
import { LAYOUT_TEXT } from "../store/layout.ts";
import type { NamedEntry } from "../store/names.ts";
import { entryOf } from "../store/names.ts";
import type { BlobStore } from "../store/store.ts";
import type { AssembledImage } from "./assemble.ts";

/** The entries for index.json: one a name, or one without. `names` are full references. */
export function layoutEntries(descriptor: Descriptor, names: readonly string[]): readonly NamedEntry[] {
  if (names.length === 0) return [{ descriptor }];
  return names.map((fullName) => ({ descriptor, fullName, refName: parseReference(fullName).tag ?? fullName }));
}

/** The archive's bytes in order, in large chunks, each valid until the next is asked for. */
export async function* archiveBytes(
  assembled: AssembledImage,
  names: readonly string[],
  store: BlobStore,
): AsyncIterable<Uint8Array> {
  const blobs = await Promise.all(
    blobsOf(assembled).map(async ({ digest, size }) => ({ digest, size, file: await store.pathOf(digest) })),
  );
  yield* writeArchive(membersOf(assembled, names, blobs));
}

function* membersOf(
  assembled: AssembledImage,
  names: readonly string[],
  blobs: readonly { readonly digest: Digest; readonly size: number; readonly file: string }[],
): Iterable<MemberToWrite> {
  yield { name: "blobs/", type: "dir", mode: 0o755, size: 0 };
  yield { name: "blobs/sha256/", type: "dir", mode: 0o755, size: 0 };
  for (const { digest, size, file } of blobs) {
    yield {
      name: `blobs/sha256/${hexOf(digest)}`,
      type: "file",
      mode: 0o644,
      size,
      content: { file },
    };
  }
  const index = {
    schemaVersion: 2,
    mediaType: MEDIA.ociIndex,
    manifests: layoutEntries(assembled.top.descriptor, names).map(entryOf),
  };
  yield text("index.json", goJson(index));
  yield text("manifest.json", dockerManifest(assembled, names));
  yield text("oci-layout", LAYOUT_TEXT);
}

/** Every blob of an image, each once, in the order of digests. */
export function blobsOf(assembled: AssembledImage): readonly Descriptor[] {
  const found = new Map<Digest, Descriptor>();
  const add = (descriptor: Descriptor): unknown => found.set(descriptor.digest, descriptor);
  add(assembled.top.descriptor);
  assembled.manifests.forEach(({ descriptor }) => add(descriptor));
  for (const { manifest } of assembled.images) [manifest.config, ...manifest.layers].forEach(add);
  for (const { document, blobs } of assembled.statements) [document.descriptor, ...blobs].forEach(add);
  return [...found.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1));
}

// Full names: docker takes them for the short ones, podman would call a short one localhost/…. Of several platforms
// each is listed; the names go to the first.
function dockerManifest({ images }: AssembledImage, names: readonly string[]): string {
  const tags = names
    .map((name) => parseReference(name))
    .filter(({ digest }) => digest === undefined)
    .map(formatReference);
  return goJsonList(images.map((image, place) => dockerEntry(image, place === 0 ? tags : [])));
}

function dockerEntry({ manifest }: ValidImage, tags: readonly string[]): Record<string, unknown> {
  const path = (blob: Descriptor): string => `blobs/sha256/${hexOf(blob.digest)}`;
  return {
    Config: path(manifest.config),
    RepoTags: tags.length === 0 ? null : tags,
    Layers: manifest.layers.map(path),
  };
}

function goJsonList(values: readonly Record<string, unknown>[]): string {
  return `[${values.map((value) => goJson(value)).join(",")}]`;
}

function text(name: string, content: string): MemberToWrite {
  const bytes = Buffer.from(content);
  return { name, type: "file", mode: 0o644, size: bytes.length, content: [bytes] };
}
