// `tsbuild push`: images of the local store to registries, under one name or several.

import type { CopyResult, TransferRequest } from "./copy.ts";
import { accessFor, retried, transferOptions } from "./copy.ts";
import type { Descriptor } from "./core/image/descriptor.ts";
import type { Digest } from "./core/digest.ts";
import { BuildError } from "./core/errors.ts";
import type { Platform } from "./core/image/platform.ts";
import { formatPlatform, hostPlatform } from "./core/image/platform.ts";
import type { Reference } from "./core/image/reference.ts";
import { formatReference, parseReference } from "./core/image/reference.ts";
import { isImageManifest } from "./image/convert.ts";
import { parseDocument } from "./image/read.ts";
import { toldTransfer } from "./engine/internal-steps.ts";
import { openSink } from "./engine/images/locations.ts";
import type { RegistryAccess } from "./registry-options.ts";
import { requireStored } from "./engine/images/kept-images.ts";
import type { BlobNotes, BlobStore } from "./store/store.ts";
import type { CopyOptions } from "./transport/copy/copy-work.ts";
import { copyImage } from "./transport/copy/copy-image.ts";
import type { NamedStore } from "./transport/local-store.ts";
import { storedImage } from "./transport/local-store.ts";
import { isWhole } from "./engine/images/whole-images.ts";

export interface PushRequest extends TransferRequest {
  /** Image of the store, by name or id. */
  readonly image: string;
  /** Where it goes; empty: to its own name. */
  readonly targets: readonly Reference[];
  /** Every tag that the store has of the image's repository. */
  readonly allTags: boolean;
  /** Whether uploads that an interrupted push has left are taken up. */
  readonly resume: boolean;
  readonly access: RegistryAccess;
  /** Only the image of this platform. */
  readonly platform: Platform | undefined;
  readonly family: CopyOptions["family"];
  readonly compression: CopyOptions["compression"];
}

export interface PushResult extends CopyResult {
  /** Full references that it now has in the registry. */
  readonly names: readonly string[];
  /** The index that the store has under the name, of which only one image is there, and was pushed alone. */
  readonly partOf: Digest | undefined;
}

interface Batch {
  readonly repository: Pick<Reference, "registry" | "repository">;
  readonly tags: string[];
  readonly image: { readonly label: string; readonly descriptor: Descriptor };
}

/** Pushes; one result for each repository and image. Throws `INPUT_MISSING`, `REGISTRY`. */
export async function push(request: PushRequest, signal: AbortSignal): Promise<readonly PushResult[]> {
  const access = accessFor(request, request.access, signal);
  const store = await access.store();
  const results: PushResult[] = [];
  for (const batch of await batches(request, store)) results.push(await pushBatch(request, batch, store, signal));
  return results;
}

// Tags of one repository that name the same image are pushed as one.
async function batches(request: PushRequest, store: NamedStore): Promise<readonly Batch[]> {
  const wanted: { readonly reference: Reference; readonly image: Batch["image"] }[] = [];
  if (request.allTags) {
    const { registry, repository } = parseReference(request.image);
    for (const { name, descriptor } of await store.names.list()) {
      const reference = referenceOrNone(name);
      if (reference?.registry === registry && reference.repository === repository)
        wanted.push({ reference, image: { label: name, descriptor } });
    }
    if (wanted.length === 0)
      throw new BuildError("INPUT_MISSING", `the store has no tag of "${registry}/${repository}"`);
  } else {
    const image = await requireStored(store, request.image, request.expandName);
    const own = referenceOrNone(image.name ?? "");
    if (request.targets.length === 0 && own === undefined) {
      throw new BuildError("USAGE", `"${request.image}" has no name to be pushed to`, {
        hint: "name where it goes: tsbuild push IMAGE docker://registry/name:tag",
      });
    }
    const targets = request.targets.length > 0 ? request.targets : [own as Reference]; // there is one, see above
    wanted.push(...targets.map((reference) => ({ reference, image })));
  }
  const grouped = new Map<string, Batch>();
  for (const { reference, image } of wanted) {
    const { registry, repository, tag = "latest", digest } = reference;
    if (digest !== undefined)
      throw new BuildError("USAGE", `"${formatReference(reference)}": an image is pushed to a tag, not to a digest`);
    const key = `${registry}/${repository} ${image.descriptor.digest}`;
    const batch = grouped.get(key) ?? { repository: { registry, repository }, tags: [], image };
    batch.tags.push(tag);
    grouped.set(key, batch);
  }
  return [...grouped.values()];
}

async function pushBatch(
  request: PushRequest,
  { repository, tags, image }: Batch,
  store: NamedStore,
  signal: AbortSignal,
): Promise<PushResult> {
  const names = tags.map((tag) => formatReference({ ...repository, tag }));
  const [tag = "latest", ...more] = tags;
  const access = accessFor(request, request.access, signal);
  const { partOf, ...which } = await whatIsThere(store, image, request.platform);
  return await toldTransfer(request, `push ${names.join(", ")}`, (onStatus) =>
    retried(request, signal, async () => {
      const opened = await openSink({ transport: "docker", reference: { ...repository, tag } }, more, access);
      await using sink = opened.sink;
      const result = await copyImage(storedImage(store, image.descriptor, image.label), sink, {
        ...which,
        family: request.family,
        compression: request.compression,
        preserveDigests: false,
        names: opened.names,
        notes: request.resume ? store.notes : withoutUploads(store.notes),
        ...transferOptions(request, { transport: "store" }),
        signal,
        onStatus,
      });
      return { ...result, names, partOf };
    }),
  );
}

/**
 * What of an image can be pushed. After an ordinary pull the store has the index of a multi-platform image, and one of
 * its images: that one is pushed then, alone, as docker does. Throws `INPUT_MISSING` when the choice is not so clear.
 */
async function whatIsThere(
  store: BlobStore,
  { label, descriptor }: Batch["image"],
  platform: Platform | undefined,
): Promise<Pick<CopyOptions, "which" | "platform"> & Pick<PushResult, "partOf">> {
  if (platform !== undefined) return { which: "one", platform, partOf: undefined };
  const everything = { which: "all", platform: hostPlatform(), partOf: undefined } as const;
  const document = parseDocument(await store.read(descriptor.digest), label, descriptor.mediaType);
  if (document.kind === "manifest") return everything;
  const { manifests } = document.index;
  const there: Descriptor[] = [];
  for (const child of manifests) if (await isWhole(store, child)) there.push(child);
  if (there.length === manifests.length) return everything;
  const images: Descriptor[] = [];
  for (const child of there) {
    const parsed = parseDocument(await store.read(child.digest), label, child.mediaType);
    if (parsed.kind === "index" || isImageManifest(parsed.manifest)) images.push(child);
  }
  const [only] = images;
  if (images.length === 1 && only?.platform !== undefined)
    return { which: "one", platform: only.platform, partOf: descriptor.digest };
  const have = images.flatMap((child) => (child.platform === undefined ? [] : [formatPlatform(child.platform)]));
  throw new BuildError(
    "INPUT_MISSING",
    `of the ${manifests.length} images of "${label}" only ${have.length} are in the store`,
    {
      hint: `pull the rest with tsbuild pull --all-platforms, or push one: --platform ${have.join(" or ")}`,
    },
  );
}

function withoutUploads(notes: BlobNotes | undefined): BlobNotes | undefined {
  if (notes === undefined) return undefined;
  return {
    holders: (digest) => notes.holders(digest),
    addHolder: (digest, repository) => notes.addHolder(digest, repository),
    upload: async () => undefined,
    setUpload: (digest, repository, url) => notes.setUpload(digest, repository, url),
  };
}

function referenceOrNone(name: string): Reference | undefined {
  try {
    const reference = parseReference(name);
    return reference.tag === undefined ? undefined : reference;
  } catch {
    return undefined; // a digest, or a name of another tool's
  }
}
