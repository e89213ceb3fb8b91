// The image outputs: an OCI layout as a tar or a folder, a docker archive, names in the
// store, a push. The image is assembled once in the store, whatever the output.

import { damageOfFile } from "../core/damaged-blob.ts";
import type { Descriptor } from "../core/image/descriptor.ts";
import { BuildError, PushStopped } from "../core/errors.ts";
import type { TellPart } from "../core/events.ts";
import { formatReference, parseReference } from "../core/image/reference.ts";
import type { ValidImage } from "../image/validate.ts";
import { openLayoutForWriting } from "../store/open.ts";
import type { BlobStore, ImageNames } from "../store/store.ts";
import { DEFAULT_LIMITS } from "../layer/unpack-limits.ts";
import { storedImage } from "../transport/local-store.ts";
import type { StatusSink } from "../transport/source.ts";
import { referenceEntries } from "../transport/layout-index.ts";
import type { ImageSink } from "../transport/source.ts";
import type { Attestation } from "./attestations.ts";
import type { AssembledImage, BuildTime, ImageLook, PlatformResult } from "./assemble.ts";
import { assembleImage } from "./assemble.ts";
import type { FileSink } from "./file-sink.ts";
import type { ClientStore } from "../core/session.ts";
import { explainOutput, writeOutput } from "./file-sink.ts";

/** An image output, as the request has it. */
export type ImageExport =
  | {
      readonly type: "image";
      readonly image: NamedLook;
      readonly push: boolean;
      readonly pushByDigest: boolean;
      readonly store: boolean;
      readonly keepUnnamed?: boolean;
      /** A tag that the registry does not let anybody change stays as it is, and that is no failure. */
      readonly keepImmutableTags?: boolean;
    }
  | {
      readonly type: "oci" | "docker";
      readonly image: NamedLook;
      readonly destination:
        | FileSink
        | { readonly kind: "directory"; readonly path: string }
        | { readonly kind: "client"; readonly store: ClientStore };
    }
  | { readonly type: "load"; readonly image: NamedLook };

type NamedLook = ImageLook & {
  readonly names: readonly string[];
  /** Also attestations that are for images only go into an archive. Elsewhere they always do. */
  readonly inlineAttestations?: boolean;
};

export interface ExportContext extends BuildTime {
  readonly store: BlobStore & { readonly names: ImageNames };
  /** Opens the registry's side of a repository ("docker.io/library/app"); several names in one repository share it. */
  readonly openSink: (repository: string) => Promise<ImageSink>;
  /** For `load`: opens the docker daemon; undefined when there is none. */
  readonly openDaemon?: () => Promise<ImageSink | undefined>;
  /** Where a layer is made anew that a place cannot read. */
  readonly workDirectory: string;
  readonly signal: AbortSignal;
  readonly onStatus?: StatusSink | undefined;
  readonly tell?: TellPart | undefined;
  /** Also an image of one platform stands in an index. */
  readonly asIndex?: boolean | undefined;
}

/** What came out. */
export interface ExportedImage {
  /** Of each platform, in the order of the results. */
  readonly images: readonly ValidImage[];
  /** The manifest, or the index of several platforms. */
  readonly descriptor: Descriptor;
  /** Full references it now has there. */
  readonly names: readonly string[];
  /** It was to be loaded into a docker daemon, and there is none: it is in the store alone. */
  readonly isOnlyStored: boolean;
}

/** Exports a build's results as an image. Throws `OUTPUT`, `PUSH`, `STORE`; then no name points to anything new. */
export async function exportImage(
  spec: ImageExport,
  results: readonly PlatformResult[],
  context: ExportContext,
): Promise<ExportedImage> {
  const names = [...new Set(spec.image.names.map((name) => formatReference(parseReference(name))))];
  const tell: TellPart = context.tell ?? ((_, work) => work());
  const stated = results.map((result) => ({ ...result, attestations: attestationsFor(spec, result.attestations) }));
  const look = { ...spec.image, asIndex: context.asIndex };
  const assembled = await assembleImage(stated, names, look, context, context.store, context.signal, tell);
  let isOnlyStored = false;
  switch (spec.type) {
    case "load":
      isOnlyStored = !(await loadIntoDaemon(assembled, names, context));
      break;
    case "image":
      await exportNames(spec, assembled, names, context, tell);
      break;
    case "oci":
    case "docker": {
      const { destination } = spec;
      const { archiveBytes } = await import("./archive.ts");
      if (destination.kind === "directory")
        await tell("writing layout", () => exportDirectory(destination.path, assembled, names, context));
      else if (destination.kind === "client")
        await tell("copying to client layout", () => exportToClient(destination.store, assembled, context));
      else
        await tell("sending tarball", () =>
          writeOutput(destination, archiveBytes(assembled, names, context.store), context.signal),
        );
    }
  }
  return { images: assembled.images, descriptor: assembled.top.descriptor, names, isOnlyStored };
}

async function exportToClient(store: ClientStore, assembled: AssembledImage, context: ExportContext): Promise<void> {
  const { openClientSink } = await import("../transport/client-store.ts");
  await send(assembled, openClientSink(store, "the client's layout"), [], context);
}

/** Into the store in any case, and into the daemon where there is one. Throws `USAGE` for several platforms that it cannot hold. */
async function loadIntoDaemon(
  assembled: AssembledImage,
  names: readonly string[],
  context: ExportContext,
): Promise<boolean> {
  const { store } = context;
  const { descriptor } = assembled.top;
  const open = await context.openDaemon?.();
  if (open !== undefined) {
    await using sink = open;
    if (assembled.images.length > 1 && sink.forms?.indexes === false) {
      throw new BuildError("USAGE", `${sink.name} holds images of one platform, and this one has several`, {
        hint: "build one with --platform, or push it",
      });
    }
    await send(assembled, sink, names, context);
    await sink.finish?.(context.signal);
  }
  for (const name of names) await store.names.tag(name, descriptor);
  return open !== undefined;
}

/** Sends what was assembled, with its index and its attestations, from the store to another place. */
async function send(
  { top, images }: AssembledImage,
  sink: ImageSink,
  names: readonly string[],
  { store, workDirectory, signal, onStatus = () => undefined }: ExportContext,
): Promise<void> {
  // HTTP and all that is for transfers is loaded when something is transferred.
  const { copyImage } = await import("../transport/copy/copy-image.ts");
  await copyImage(storedImage(store, top.descriptor, "the image"), sink, {
    which: "all",
    platform: (images[0] as ValidImage).platform, // there is a first result
    names,
    family: undefined,
    compression: undefined,
    preserveDigests: false,
    checkLayers: false,
    limits: DEFAULT_LIMITS,
    notes: store.notes,
    temporaryDirectory: async () => workDirectory,
    signal,
    onStatus,
  });
}

// As in BuildKit: what is for images only is not for archives, unless somebody says so.
function attestationsFor(spec: ImageExport, all: readonly Attestation[] = []): readonly Attestation[] {
  const wantsInline = spec.image.inlineAttestations ?? spec.type === "image";
  return wantsInline ? all : all.filter(({ inlineOnly }) => !inlineOnly);
}

async function exportNames(
  spec: Extract<ImageExport, { type: "image" }>,
  assembled: AssembledImage,
  names: readonly string[],
  context: ExportContext,
  tell: TellPart,
): Promise<void> {
  if (spec.store)
    for (const name of names)
      await tell(`naming to ${name}`, () => context.store.names.tag(name, assembled.top.descriptor));
  if (spec.store && spec.keepUnnamed === true && names.length === 0)
    await context.store.names.keep(assembled.top.descriptor);
  if (!spec.push) return;
  if (names.length === 0)
    throw new BuildError("USAGE", "there is nothing to push to", {
      hint: "name the image: -t registry/name:tag, or name=… in --output",
    });
  const byRepository = Map.groupBy(
    names.map(parseReference),
    ({ registry, repository }) => `${registry}/${repository}`,
  );
  // What one registry refuses, the others still get.
  const failures: unknown[] = [];
  for (const [repository, references] of byRepository) {
    const tags = spec.pushByDigest ? [] : references.flatMap(({ tag }) => tag ?? []);
    try {
      await using sink = await context.openSink(repository);
      await send(assembled, sink, tags, context);
    } catch (error) {
      if (context.signal.aborted) throw spec.store ? new PushStopped(context.signal.reason) : context.signal.reason;
      const { isImmutableTag } = await import("../transport/registry/http/failure.ts");
      if (spec.keepImmutableTags === true && isImmutableTag(error))
        await tell(`${repository}: the tag is there already and cannot be changed`, () => Promise.resolve());
      else failures.push(error);
    }
  }
  if (failures.length === 0) return;
  const { pushError } = await import("./push-error.ts");
  throw pushError(failures);
}

// A layout that is there keeps its other images: blobs are added, then the entries of the same names replaced. All
// bytes are written before the first blob appears, so a full disk leaves the layout as it was.
async function exportDirectory(
  path: string,
  assembled: AssembledImage,
  names: readonly string[],
  context: ExportContext,
): Promise<void> {
  const { store, signal } = context;
  const { blobsOf } = await import("./archive.ts");
  try {
    await using layout = await openLayoutForWriting(path);
    for (const blob of blobsOf(assembled)) {
      if ((await layout.blobs.sizeOf(blob.digest)) === blob.size) continue;
      await using writer = await layout.added.writer(signal);
      for await (const chunk of store.open(blob.digest, signal)) await writer.write(chunk);
      try {
        await writer.commit({ digest: blob.digest, size: blob.size });
      } catch (error) {
        throw (await damageOfFile(await store.pathOf(blob.digest), blob.digest, signal)) ?? error;
      }
    }
    await layout.commit(referenceEntries(assembled.top.descriptor, names));
  } catch (error) {
    throw explainOutput(error, path);
  }
}
