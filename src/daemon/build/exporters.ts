// What becomes of a result: exporters as clients ask for them, as outputs of a request.

import { BuildError } from "../../../builder/core/errors.ts";
import { parseReference } from "../../../builder/core/image/reference.ts";
import type { ExportSpec } from "../../../builder/request.ts";
import type { OutputSpec } from "../../cli/values/output-spec.ts";
import { outputOf } from "../../cli/values/output-spec.ts";
import { imageOptions } from "../../commands/build/outputs.ts";
import type { Exporter, SolveRequest } from "../../api/proto/control.ts";
import type { ClientSession } from "../session/client-session.ts";
import { clientStore } from "../session/client-store.ts";
import type { OutputWorld } from "../session/file-send.ts";
import { clientDirectory, clientFile } from "../session/file-send.ts";

/** What exporters are read with. */
export interface ExporterWorld {
  /** Whether attestations are asked for. */
  readonly states: boolean;
  readonly session: ClientSession | undefined;
  readonly signal: AbortSignal;
}

export interface Exports {
  readonly exports: readonly ExportSpec[];
  /** Registries that an exporter asked to reach without TLS or its check. */
  readonly insecureRegistries: readonly string[];
}

/** What docker's clients call the store of the daemon that they speak to. */
export const DOCKERS_OWN = "moby";

/** The exporters of a request; clients say them twice, the old way for old daemons. */
export function exportersOf({ exporters, oldExporter, oldExporterAttrs }: SolveRequest): readonly Exporter[] {
  if (exporters.length > 0 || oldExporter === "") return exporters;
  return [{ type: oldExporter, attrs: oldExporterAttrs }];
}

/** Throws `USAGE` for what has no meaning, `UNSUPPORTED` for what has one elsewhere. */
export function readExporters(exporters: readonly Exporter[], world: ExporterWorld): Exports {
  const insecure: string[] = [];
  const exports = exporters.map((exporter, at): ExportSpec => {
    const spec = specOf(exporter);
    const output = (): OutputWorld => {
      const { session, signal } = world;
      if (session === undefined) throw new BuildError("USAGE", `type=${spec.type} needs a session of the client`);
      return { session, exporter: at, signal };
    };
    const flags = { tags: [], annotations: [], states: world.states };
    switch (spec.type) {
      case "image":
      case "registry": {
        const image = imageOptions(spec.image, flags, "oci");
        const { pushByDigest } = spec.image;
        const push = spec.image.push ?? false;
        if (push && image.names.length === 0) throw new BuildError("USAGE", "tag is needed when pushing to registry");
        if (spec.image.insecure) insecure.push(...image.names.map((name) => parseReference(name).registry));
        const keepUnnamed = exporter.type === DOCKERS_OWN;
        return { type: "image", image, push, pushByDigest, store: spec.image.store ?? true, keepUnnamed };
      }
      case "oci":
      case "docker":
        return {
          type: spec.type,
          image: imageOptions(spec.image, flags, spec.type),
          destination: spec.directory
            ? { kind: "client", store: clientStore(output().session, "export", world.signal) }
            : clientFile(output()),
        };
      case "tar":
        return { type: "tar", destination: clientFile(output()), ...fileOptions(spec) };
      case "local":
        return { type: "client", folder: clientDirectory(output()), ...fileOptions(spec) };
      case "cacheonly":
        return { type: "cacheonly" };
    }
  });
  return { exports, insecureRegistries: insecure };
}

/** By the grammar of `--output`. Where it goes is the client's to say, and times are the request's. */
function specOf({ type, attrs }: Exporter): OutputSpec {
  const name = type === DOCKERS_OWN ? "image" : type;
  // compose says "load": into the store that this is.
  const elsewhere = new Set(["dest", "mode", "source-date-epoch", "dangling-name-prefix", "danglingPrefix", "load"]);
  const pairs = [...attrs]
    .filter(([key]) => !elsewhere.has(key))
    .map(([key, value]) => ({ key: key.toLowerCase(), written: key, value }));
  const destination = name === "local" ? [{ key: "dest", written: "dest", value: "." }] : [];
  return outputOf(`type=${type}`, [{ key: "type", written: "type", value: name }, ...destination, ...pairs]);
}

function fileOptions(
  spec: Extract<OutputSpec, { type: "local" | "tar" }>,
): Pick<Extract<ExportSpec, { type: "tar" }>, "platformSplit" | "attestationPrefix"> {
  const { platformSplit, attestationPrefix } = spec;
  return {
    ...(platformSplit === undefined ? {} : { platformSplit }),
    ...(attestationPrefix === undefined ? {} : { attestationPrefix }),
  };
}
