// `tsbuild index create` and `index add`: one name for images that exist already. Their
// manifests stay what they are; only the index over them is new.

import type { CopyResult, TransferRequest } from "./copy.ts";
import { accessFor, retried, transferOptions } from "./copy.ts";
import type { Descriptor } from "./core/image/descriptor.ts";
import type { Digest } from "./core/digest.ts";
import { BuildError } from "./core/errors.ts";
import type { ImageLocation } from "./core/image/image-location.ts";
import { formatLocation } from "./core/image/image-location.ts";
import type { Platform } from "./core/image/platform.ts";
import { formatPlatform, hostPlatform } from "./core/image/platform.ts";
import type { Reference } from "./core/image/reference.ts";
import { formatReference } from "./core/image/reference.ts";
import { familyOf, isImageManifest } from "./image/convert.ts";
import { assembleIndex } from "./image/index.ts";
import type { JoinedPart } from "./image/join-entries.ts";
import { entriesFor, joinEntries } from "./image/join-entries.ts";
import type { Document } from "./image/manifest.ts";
import { parseConfig, parseDocument, platformOf } from "./image/read.ts";
import { toldTransfer } from "./engine/internal-steps.ts";
import { locate, openSink, openSource } from "./engine/images/locations.ts";
import type { RegistryAccess } from "./registry-options.ts";
import { joinedSource } from "./transport/copy/joined-source.ts";
import { copyImage } from "./transport/copy/copy-image.ts";
import type { ImageSource } from "./transport/source.ts";
import { collect, verifyBytes } from "./transport/source.ts";

const CONFIG_BYTES = 16 << 20;

/** An annotation of the index, of its entries, or of what its name leads to. */
export interface IndexAnnotation {
  readonly place: "index" | "manifest-descriptor" | "index-descriptor";
  /** "linux/arm64"; "" is every entry. */
  readonly platform: string;
  readonly key: string;
  readonly value: string;
}

export interface IndexRequest extends TransferRequest {
  /** What the index is called: in the store, or with `push` in the registry. */
  readonly names: readonly Reference[];
  readonly push: boolean;
  /** An index that is added to: new images replace those that it has of their platforms. */
  readonly old: string | undefined;
  /** Images or other indexes, whose entries are taken. Places, or names, which the store is asked for first and then the registry. */
  readonly sources: readonly string[];
  /** Only images of these platforms; none: all. */
  readonly platforms: readonly Platform[];
  readonly annotations: readonly IndexAnnotation[];
  readonly access: RegistryAccess;
  /** Only say what the index would be. */
  readonly dryRun: boolean;
}

export interface IndexResult {
  readonly index: Document;
  /** Absent after a dry run. */
  readonly copied: CopyResult | undefined;
}

/** Makes an index and puts it, with all it names, where it is to be. Throws `INPUT_MISSING`, `USAGE`, and what the places throw. */
export async function createIndex(request: IndexRequest, signal: AbortSignal): Promise<IndexResult> {
  const access = accessFor(request, request.access, signal);
  const names = request.names.map(formatReference);
  await using undo = new AsyncDisposableStack();
  const open = async (text: string): Promise<Part> =>
    await partOf(text, undo.use(await openSource(await locate(text, access), access)), signal);
  const old = request.old === undefined ? undefined : await open(request.old);
  const parts: Part[] = [];
  for (const text of request.sources) parts.push(await open(text));
  const index = assemble(entriesFor(joinEntries(old, parts), request.platforms), request.annotations);
  if (request.dryRun) return { index, copied: undefined };
  const all = [...(old === undefined ? [] : [old]), ...parts];
  const from = joinedSource(
    index,
    all.flatMap(({ entries, source }) => entries.map((descriptor) => ({ descriptor, source }))),
  );
  const copied = await toldTransfer(request, `create index ${names.join(", ")}`, (onStatus) =>
    retried(request, signal, async () => {
      let result: CopyResult | undefined;
      for (const location of placesOf(request)) {
        const opened = await openSink(location, [], access);
        await using sink = opened.sink;
        result = await copyImage(from, sink, {
          which: "all",
          platform: hostPlatform(),
          family: undefined,
          compression: undefined,
          preserveDigests: true,
          names: opened.names,
          ...transferOptions(request, { transport: "store" }),
          signal,
          onStatus,
        });
        await sink.finish?.(signal);
      }
      return result;
    }),
  );
  return { index, copied };
}

function placesOf({ names, push }: IndexRequest): readonly ImageLocation[] {
  return names.map((reference): ImageLocation => {
    if (push) return { transport: "docker", reference };
    return { transport: "store", image: formatReference(reference) };
  });
}

/** What one source brings to the index. */
interface Part extends JoinedPart {
  readonly source: ImageSource;
}

async function partOf(text: string, source: ImageSource, signal: AbortSignal): Promise<Part> {
  if (source.isDerived === true) {
    throw new BuildError("USAGE", `${source.name} has no manifest that an index could name`, {
      hint: "copy the image into the store first, or into a layout",
    });
  }
  const { descriptor, bytes } = await source.top(signal);
  verifyBytes(descriptor, bytes, source.name);
  const document = parseDocument(bytes, source.name, descriptor.mediaType);
  if (document.kind === "index") return { name: text, source, entries: document.index.manifests };
  const { mediaType, digest, size } = descriptor;
  const { manifest } = document;
  if (!isImageManifest(manifest)) {
    const artifactType = manifest.artifactType ?? manifest.config.mediaType;
    return { name: text, source, entries: [{ mediaType, digest, size, artifactType }] };
  }
  const config = await collect(source.blob(manifest.config, signal), CONFIG_BYTES, `${source.name}: its config`);
  verifyBytes(manifest.config, config, source.name);
  const platform = platformOf(parseConfig(config, `config of ${source.name}`));
  return { name: text, source, entries: [{ mediaType, digest, size, platform }] };
}

function assemble(entries: readonly Descriptor[], annotations: readonly IndexAnnotation[]): Document {
  const of = (place: IndexAnnotation["place"], platform?: string): Record<string, string> =>
    Object.fromEntries(
      annotations
        .filter(
          (one) => one.place === place && (one.platform === "" || platform === undefined || one.platform === platform),
        )
        .map(({ key, value }) => [key, value]),
    );
  const platforms = entries.flatMap(({ platform }) => (platform === undefined ? [] : [formatPlatform(platform)]));
  for (const { platform } of annotations) {
    if (platform !== "" && !platforms.includes(platform))
      throw new BuildError("USAGE", `there is no image for ${platform} to annotate`, {
        hint: `there are ${platforms.join(", ")}`,
      });
  }
  const annotated = entries.map((entry): Descriptor => {
    const own = of("manifest-descriptor", entry.platform === undefined ? "" : formatPlatform(entry.platform));
    return Object.keys(own).length === 0 ? entry : { ...entry, annotations: { ...entry.annotations, ...own } };
  });
  const onIndex = of("index");
  const isDocker =
    Object.keys(onIndex).length === 0 &&
    annotated.every((entry) => familyOf(entry.mediaType) === "docker" && entry.annotations === undefined);
  const index = assembleIndex(annotated, isDocker ? "docker" : "oci", onIndex);
  const placed = of("index-descriptor");
  const descriptor = { ...index.descriptor, ...(Object.keys(placed).length === 0 ? {} : { annotations: placed }) };
  return { bytes: index.bytes, descriptor };
}

/** An index as it is where it is. */
export interface IndexDescription {
  readonly name: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly annotations: Readonly<Record<string, string>>;
  readonly entries: readonly Descriptor[];
}

/** Reads the index that a place or a name leads to. Throws `USAGE` when it is a single image. */
export async function inspectIndex(
  text: string,
  request: TransferRequest & { readonly access: RegistryAccess },
  signal: AbortSignal,
): Promise<IndexDescription> {
  const access = accessFor(request, request.access, signal);
  const location = await locate(text, access);
  await using source = await openSource(location, access);
  const { descriptor, bytes } = await source.top(signal);
  verifyBytes(descriptor, bytes, source.name);
  const document = parseDocument(bytes, source.name, descriptor.mediaType);
  if (document.kind === "manifest")
    throw new BuildError("USAGE", `${source.name} is no index but a single image (${descriptor.digest})`);
  const { mediaType, manifests, annotations = {} } = document.index;
  const name = formatLocation(location);
  return { name, digest: descriptor.digest, mediaType, bytes, annotations, entries: manifests };
}
