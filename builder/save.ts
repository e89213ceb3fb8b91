// `tsbuild save`: images of the local store as one archive, or one as a folder.

import type { CopyResult, TransferRequest } from "./copy.ts";
import { transferOptions } from "./copy.ts";
import { BuildError } from "./core/errors.ts";
import type { Platform } from "./core/image/platform.ts";
import type { FileSink } from "./exporter/file-sink.ts";
import { writeOutput } from "./exporter/file-sink.ts";
import { toldTransfer } from "./engine/internal-steps.ts";
import { requireStored } from "./engine/images/kept-images.ts";
import { openStore } from "./store/open.ts";
import type { TakeBytes } from "./transport/archive-writer.ts";
import { copyImage } from "./transport/copy/copy-image.ts";
import { openDirSink } from "./transport/dir.ts";
import { openDockerArchiveSink } from "./transport/docker-archive-sink.ts";
import { referenceEntries } from "./transport/layout-index.ts";
import { storedImage } from "./transport/local-store.ts";
import { openOciArchiveSink } from "./transport/oci-archive.ts";
import { openOciLayoutSink } from "./transport/oci-layout.ts";
import type { ImageSink } from "./transport/source.ts";

/** The forms, as podman names them. */
export type SaveFormat = "oci-archive" | "docker-archive" | "oci-dir" | "docker-dir";

export interface SaveRequest extends TransferRequest {
  /** Images of the store, by name or id. */
  readonly images: readonly string[];
  readonly format: SaveFormat;
  readonly destination: FileSink;
  /** Only the images of this platform; undefined: everything that a name leads to, where the format holds it. */
  readonly platform: Platform | undefined;
  readonly hostPlatform: Platform;
}

/** Saves; the file is there whole, or not at all. Throws `INPUT_MISSING`, `OUTPUT`. */
export async function save(request: SaveRequest, signal: AbortSignal): Promise<readonly CopyResult[]> {
  const store = await openStore(request.root);
  const images = await Promise.all(request.images.map((image) => requireStored(store, image, request.expandName)));
  const to = request.destination.kind === "file" ? ` to "${request.destination.path}"` : "";
  return await toldTransfer(request, `save ${images.map(({ label }) => label).join(", ")}${to}`, async (onStatus) => {
    await using sink = await sinkFor(request, signal);
    const hasIndexes = sink.forms?.indexes ?? true;
    const results: CopyResult[] = [];
    for (const { name, label, descriptor } of images) {
      const isOne = request.platform !== undefined || !hasIndexes;
      const result = await copyImage(storedImage(store, descriptor, label), sink, {
        which: isOne ? "one" : "present",
        platform: request.platform ?? request.hostPlatform,
        family: undefined,
        compression: undefined,
        preserveDigests: false,
        // Asked for by its id it gets no name, as with docker.
        names: name !== undefined && request.format !== "docker-dir" ? [name] : [],
        ...transferOptions(request, { transport: "store" }),
        signal,
        onStatus,
      });
      results.push(result);
    }
    await sink.finish?.(signal);
    return results;
  });
}

async function sinkFor({ format, destination, images }: SaveRequest, signal: AbortSignal): Promise<ImageSink> {
  const name = destination.kind === "file" ? `${format} "${destination.path}"` : format;
  const take: TakeBytes = (chunks, innerSignal) => writeOutput(destination, chunks, innerSignal);
  switch (format) {
    case "oci-archive":
      return openOciArchiveSink(take, { name, entries: referenceEntries }, signal);
    case "docker-archive":
      return openDockerArchiveSink(take, name, signal);
    case "oci-dir":
    case "docker-dir": {
      if (destination.kind !== "file")
        throw new BuildError("USAGE", `--format ${format} makes a folder: name it with --output`);
      if (format === "docker-dir" && images.length > 1)
        throw new BuildError("USAGE", "--format docker-dir holds one image", {
          hint: "save them one by one, or as an archive",
        });
      if (format === "oci-dir") return await openOciLayoutSink(destination.path, referenceEntries);
      return await openDirSink(destination.path);
    }
  }
}
