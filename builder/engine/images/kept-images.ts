// What the local store keeps: images under names, and images without one that were pulled or
// loaded by their digest. What people call them is stored-images.ts's.

import type { Descriptor } from "../../core/image/descriptor.ts";
import { MEDIA } from "../../core/image/descriptor.ts";
import { BuildError } from "../../core/errors.ts";
import type { ExpandName } from "../../core/image/reference.ts";
import { isAttestation } from "../../image/index.ts";
import { parseDocument } from "../../image/read.ts";
import type { BlobStore } from "../../store/store.ts";
import type { StoredImage } from "./stored-images.ts";
import { digestPrefix, findStored } from "./stored-images.ts";
import type { NamedStore } from "../../transport/local-store.ts";

/** An image of the store that somebody named. */
export interface FoundImage extends StoredImage {
  /** For people: its name, or its digest. */
  readonly label: string;
}

/** Finds an image by a name, an id or a digest. Throws `INPUT_MISSING`, also where an id may be of several. */
export async function requireStored(store: NamedStore, text: string, expandName?: ExpandName): Promise<FoundImage> {
  const found = await findStored(store, text, expandName);
  if (found === undefined) throw unknownImage(store, text);
  return { ...found, label: found.name ?? found.descriptor.digest };
}

/** What an unknown image is answered with; `more` is what else can be done. */
export function unknownImage({ layoutPath }: BlobStore, text: string, more = ""): BuildError {
  return new BuildError("INPUT_MISSING", `there is no image "${text}" in the store "${layoutPath}"`, {
    hint: `\`tsbuild images\` lists what is there${more}`,
  });
}

/**
 * All that is kept and that an id, a digest, or the beginning of one names: manifests and indexes by their digest, manifests
 * by their image id; indexes by that of one of their images only where no manifest has it. Throws `INPUT_MISSING` for a
 * beginning of several.
 */
export async function keptById(store: NamedStore, text: string): Promise<readonly Descriptor[]> {
  const prefix = digestPrefix(text);
  if (prefix === undefined) return [];
  const own = new Map<string, Descriptor[]>();
  const nested = new Map<string, Descriptor[]>();
  const note = (found: Map<string, Descriptor[]>, id: string, descriptor: Descriptor): void => {
    if (!id.startsWith(`sha256:${prefix}`)) return;
    const before = found.get(id) ?? [];
    if (!before.some(({ digest }) => digest === descriptor.digest)) found.set(id, [...before, descriptor]);
  };
  for (const { descriptor } of await keptImages(store)) {
    note(own, descriptor.digest, descriptor);
    const isIndex = descriptor.mediaType === MEDIA.ociIndex || descriptor.mediaType === MEDIA.dockerIndex;
    for (const id of await imageIdsOf(store, descriptor)) note(isIndex ? nested : own, id, descriptor);
  }
  const ids = [...new Set([...own.keys(), ...nested.keys()])];
  if (ids.length > 1)
    throw new BuildError("INPUT_MISSING", `"${text}" is the beginning of ${ids.length} ids`, { hint: ids.join(", ") });
  const [id = ""] = ids;
  return own.get(id) ?? nested.get(id) ?? [];
}

/** One image that is kept, under one name or under none. */
export interface KeptImage {
  readonly name: string | undefined;
  readonly descriptor: Descriptor;
}

/** Everything that is kept, named or not. */
export async function keptImages(store: NamedStore): Promise<readonly KeptImage[]> {
  const named = await store.names.list();
  const digests = new Set(named.map(({ descriptor }) => descriptor.digest));
  const unnamed = (await store.names.unnamed()).filter(({ digest }) => !digests.has(digest));
  return [...named, ...unnamed.map((descriptor) => ({ name: undefined, descriptor }))];
}

/** Image ids of a manifest, or of those of an index that are there. */
export async function imageIdsOf(store: BlobStore, descriptor: Descriptor): Promise<readonly string[]> {
  const document = parseDocument(await store.read(descriptor.digest), descriptor.digest, descriptor.mediaType);
  if (document.kind === "manifest") return [document.manifest.config.digest];
  const ids: string[] = [];
  for (const child of document.index.manifests.filter((entry) => !isAttestation(entry))) {
    if (await store.has(child.digest)) ids.push(...(await imageIdsOf(store, child)));
  }
  return ids;
}
