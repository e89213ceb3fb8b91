// Outputs of a request as a daemon's exporters, and where what they send goes.

import { BuildError } from "../../builder/core/errors.ts";
import type { BuildRequest, ExportSpec, ImageOptions } from "../../builder/request.ts";
import type { Exporter } from "../api/proto/control.ts";
import type { Draft } from "./asked.ts";
import { descriptorIn, namesIn } from "./exporter-response.ts";
import type { OutputPlace } from "./offered-files.ts";

/** BuildKit's id of the content store that an image goes to. */
const EXPORT_STORE = "export";

/** What is asked for, and where what comes of it goes. Throws `UNSUPPORTED` for what a daemon cannot do. */
export async function exportersOf(
  request: BuildRequest,
  draft: Draft,
): Promise<{
  readonly exporters: readonly Exporter[];
  readonly outputs: ReadonlyMap<number, OutputPlace>;
}> {
  const exporters: Exporter[] = [];
  const outputs = new Map<number, OutputPlace>();
  for (const spec of request.exports) {
    const { exporter, place } = await exporterOf(spec, request, draft);
    if (exporter === undefined) continue;
    if (place !== undefined) outputs.set(exporters.length, place);
    exporters.push(exporter);
  }
  return { exporters, outputs };
}

async function exporterOf(
  spec: ExportSpec,
  request: BuildRequest,
  draft: Draft,
): Promise<{
  readonly exporter?: Exporter;
  readonly place?: OutputPlace;
}> {
  switch (spec.type) {
    case "image": {
      const { image, push, pushByDigest, store } = spec;
      const attrs = imageAttrs(image);
      if (push) attrs.set("push", "true");
      if (pushByDigest) attrs.set("push-by-digest", "true");
      if (!store) attrs.set("store", "false");
      return { exporter: { type: "image", attrs } };
    }
    case "oci":
    case "docker": {
      const { image, destination } = spec;
      const attrs = imageAttrs(image);
      if (destination.kind === "client") throw new BuildError("INTERNAL", "an output of another client");
      if (destination.kind !== "directory") return { exporter: { type: spec.type, attrs }, place: destination };
      attrs.set("tar", "false");
      await layoutOutput(destination.path, draft);
      return { exporter: { type: spec.type, attrs } };
    }
    case "load": {
      const { loadBuilt, loadFile } = await import("../../builder/load-built.ts");
      const path = await loadFile(request, draft.held);
      draft.finish.push(() => loadBuilt(path, request, draft.signal));
      return { exporter: { type: "docker", attrs: imageAttrs(spec.image) }, place: { kind: "file", path } };
    }
    case "local":
      return {
        exporter: { type: "local", attrs: fileAttrs(spec) },
        place: { kind: "folder", path: spec.path, deleteExtra: spec.deleteExtra },
      };
    case "tar":
      return {
        exporter: { type: "tar", attrs: fileAttrs(spec) },
        place: spec.destination,
      };
    case "cacheonly":
      return {};
    case "client":
    case "look":
      throw new BuildError("INTERNAL", "an output of another client");
  }
}

/** A layout is written blob by blob; what it lists is for this side to say. */
async function layoutOutput(path: string, { stores, held, finish }: Draft): Promise<void> {
  if (stores.has(EXPORT_STORE))
    throw new BuildError("UNSUPPORTED", "a daemon writes one image layout at a time: --output with tar=false twice");
  const { offerLayout } = await import("../../builder/offered-layout.ts");
  const layout = held.use(offerLayout(path, "references"));
  stores.set(EXPORT_STORE, layout);
  finish.push((response) =>
    layout.list(descriptorIn(response, "containerimage.descriptor", "base64"), namesIn(response)),
  );
}

function imageAttrs(image: ImageOptions): Map<string, string> {
  const attrs = new Map<string, string>();
  if (image.names.length > 0) attrs.set("name", image.names.join(","));
  attrs.set("oci-mediatypes", String(image.mediaTypes === "oci"));
  if (image.compression !== "gzip") attrs.set("compression", image.compression);
  if (image.level !== undefined) attrs.set("compression-level", String(image.level));
  if (image.forceCompression) attrs.set("force-compression", "true");
  if (image.attestationForm === "image") attrs.set("oci-artifact", "false");
  if (image.inlineAttestations !== undefined) attrs.set("attestation-inline", String(image.inlineAttestations));
  for (const { place, platform, key, value } of image.annotations) {
    const kind = place === "manifest" ? "annotation" : `annotation-${place}`;
    attrs.set(`${kind}${platform === "" ? "" : `[${platform}]`}.${key}`, value);
  }
  return attrs;
}

function fileAttrs(spec: Extract<ExportSpec, { type: "local" | "tar" }>): Map<string, string> {
  const attrs = new Map<string, string>();
  if (spec.platformSplit !== undefined) attrs.set("platform-split", String(spec.platformSplit));
  if (spec.attestationPrefix !== undefined) attrs.set("attestation-prefix", spec.attestationPrefix);
  return attrs;
}
