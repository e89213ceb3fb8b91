// An OCI image layout in a tar. Written, it has Docker's manifest.json as well, so that
// docker and podman load it like what `docker save` writes; its bytes depend on the images
// and their names alone.

import type { Descriptor } from "../core/image/descriptor.ts";
import { MEDIA } from "../core/image/descriptor.ts";
import { BuildError } from "../core/errors.ts";
import { isImageManifest } from "../image/convert.ts";
import { goJson } from "../image/json.ts";
import type { ImageManifest } from "../image/manifest.ts";
import { parseDocument } from "../image/read.ts";
import { LAYOUT_TEXT } from "../store/layout.ts";
import type { NamedEntry } from "../store/names.ts";
import { entryOf } from "../store/names.ts";
import type { ArchiveFileOptions } from "./archive-file.ts";
import { openArchiveFile } from "./archive-file.ts";
import type { TakeBytes } from "./archive-writer.ts";
import { ArchiveWriter } from "./archive-writer.ts";
import { blobName, dockerManifestText, repoTags } from "./docker-manifest.ts";
import { archiveSource, findInLayout, isLayout } from "./image-archive.ts";
import type { EntriesOf } from "./layout-index.ts";
import { refEntries } from "./layout-index.ts";
import { LAYOUT_FORMS } from "./oci-layout.ts";
import type { ImageSink, ImageSource, SinkForms } from "./source.ts";
import type { Selection } from "../core/image/image-location.ts";
import { formatSelection } from "../core/image/image-location.ts";
import { verified } from "./write-blob.ts";

/** Opens an archived layout, plain or compressed. Throws `INPUT_MISSING`, `ARCHIVE_INVALID`. */
export async function openOciArchive(
  path: string,
  selection: Selection,
  options: ArchiveFileOptions,
): Promise<ImageSource> {
  const archive = await openArchiveFile(path, options);
  const name = `oci archive "${path}"${formatSelection(selection)}`;
  return await archiveSource(archive, name, async () => {
    if (!isLayout(archive)) {
      throw new BuildError(
        "ARCHIVE_INVALID",
        `${name} is not an archived OCI layout: it has no oci-layout and index.json`,
        {
          hint: archive.member("manifest.json") === undefined ? undefined : `it may be a docker-archive:${path}`,
        },
      );
    }
    return await findInLayout(archive, selection, name);
  });
}

export interface OciArchiveOptions {
  /** For people: `oci archive "x.tar"`. */
  readonly name: string;
  readonly forms?: SinkForms;
  /** How names become entries of index.json; as ref names where nothing is said. */
  readonly entries?: EntriesOf;
}

/** An archived layout as a sink, of one image or of several. It appears with `finish`. */
export function openOciArchiveSink(take: TakeBytes, options: OciArchiveOptions, signal: AbortSignal): ImageSink {
  const { name, forms = LAYOUT_FORMS, entries = refEntries } = options;
  const writer = new ArchiveWriter(take, signal);
  const listed: NamedEntry[] = [];
  const images: { readonly manifest: ImageManifest; readonly tags: readonly string[] }[] = [];
  // Of the images that came since the last top: an index gives its names to the first of them.
  let waiting: ImageManifest[] = [];
  const addBlob = async (
    descriptor: Descriptor,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<void> => {
    await writer.addFolder("blobs/");
    await writer.addFolder("blobs/sha256/");
    await writer.add(blobName(descriptor.digest), descriptor.size, chunks);
  };
  return {
    name,
    forms,
    isSequential: true,
    has: async ({ digest }) => writer.has(blobName(digest)),
    putBlob: (descriptor, open) => addBlob(descriptor, verified(descriptor, open(), name)),
    async putDocument(descriptor, bytes, names, _signal, isTop = names.length > 0) {
      await addBlob(descriptor, [bytes]);
      const document = parseDocument(bytes, `${name} (${descriptor.digest})`, descriptor.mediaType);
      if (document.kind === "manifest" && isImageManifest(document.manifest)) waiting.push(document.manifest);
      if (!isTop) return;
      const own = entries(descriptor, names);
      listed.push(...own);
      const tags = repoTags(own);
      images.push(...waiting.map((manifest, place) => ({ manifest, tags: place === 0 ? tags : [] })));
      waiting = [];
    },
    async finish() {
      const index = { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: listed.map(entryOf) };
      const files = {
        "index.json": goJson(index),
        "manifest.json": dockerManifestText(images),
        "oci-layout": LAYOUT_TEXT,
      };
      for (const [file, text] of Object.entries(files)) {
        const bytes = Buffer.from(text);
        await writer.add(file, bytes.length, [bytes]);
      }
      await writer.finish();
    },
    [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
  };
}
