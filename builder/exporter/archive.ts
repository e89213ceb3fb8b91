// The archive of an image: one tar that is an OCI layout and, by its manifest.json, what
// `docker save` writes. So it is taken by docker, podman, skopeo and containerd alike. Its
// bytes depend on the image and its names alone.

import { MEDIA } from "../core/image/descriptor.ts";
import type { Descriptor } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { goJson } from "../image/json.ts";
import { type MemberToWrite, writeArchive } from "../layer/tar/archive.ts";
import { LAYOUT_TEXT } from "../store/layout.ts";
import { entryOf } from "../store/names.ts";
import type { BlobStore } from "../store/store.ts";
import { blobName, dockerManifestText, repoTags } from "../transport/docker-manifest.ts";
import { referenceEntries } from "../transport/layout-index.ts";
import type { AssembledImage } from "./assemble.ts";

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
      name: blobName(digest),
      type: "file",
      mode: 0o644,
      size,
      content: { file, digest },
    };
  }
  const index = {
    schemaVersion: 2,
    mediaType: MEDIA.ociIndex,
    manifests: referenceEntries(assembled.top.descriptor, names).map(entryOf),
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

// Of several platforms each is listed; the names go to the first.
function dockerManifest({ images, top }: AssembledImage, names: readonly string[]): string {
  const tags = repoTags(referenceEntries(top.descriptor, names));
  return dockerManifestText(images.map(({ manifest }, place) => ({ manifest, tags: place === 0 ? tags : [] })));
}

function text(name: string, content: string): MemberToWrite {
  const bytes = Buffer.from(content);
  return { name, type: "file", mode: 0o644, size: bytes.length, content: [bytes] };
}
