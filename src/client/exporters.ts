// Outputs of a request as a daemon's exporters, and where what they send goes.

import { BuildError } from "../../builder/core/errors.ts";
import type { ExportSpec, ImageOptions } from "../../builder/request.ts";
import type { Exporter } from "../api/proto/control.ts";
import type { OutputPlace } from "./offered-files.ts";

/** Throws `UNSUPPORTED` for an output that a daemon cannot write. */
export function exportersOf(exports: readonly ExportSpec[]): {
  readonly exporters: readonly Exporter[];
  readonly outputs: ReadonlyMap<number, OutputPlace>;
} {
  const exporters: Exporter[] = [];
  const outputs = new Map<number, OutputPlace>();
  for (const spec of exports) {
    const { exporter, place } = exporterOf(spec);
    if (exporter === undefined) continue;
    if (place !== undefined) outputs.set(exporters.length, place);
    exporters.push(exporter);
  }
  return { exporters, outputs };
}

function exporterOf(spec: ExportSpec): {
  readonly exporter?: Exporter;
  readonly place?: OutputPlace;
} {
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
    case "docker":
      if (spec.destination.kind === "directory" || spec.destination.kind === "client")
        throw new BuildError("UNSUPPORTED", `--output: type=${spec.type},tar=false is not offered with --host`, {
          hint: "write an archive, and unpack it where it is wanted",
        });
      return {
        exporter: { type: spec.type, attrs: imageAttrs(spec.image) },
        place: spec.destination,
      };
    case "load":
      throw new BuildError("UNSUPPORTED", "--load is not offered with --host", {
        hint: "write an archive (-o type=docker,dest=FILE), and give it to docker load",
      });
    case "local":
      if (spec.deleteExtra) throw new BuildError("UNSUPPORTED", "--output: mode=delete is not offered with --host");
      return {
        exporter: { type: "local", attrs: fileAttrs(spec) },
        place: { kind: "folder", path: spec.path },
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
