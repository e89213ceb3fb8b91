// A docker daemon as a sink: an archive that is loaded as it is made. It is an OCI layout
// with manifest.json: the containerd image store takes the manifest, so that its digest
// stays, the classic store takes config and layers, so that the image id stays.

import * as v from "valibot";
import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import { familiarReference, parseReference } from "../../core/image/reference.ts";
import type { DaemonEndpoint } from "../../core/session.ts";
import { parseDocument } from "../../image/read.ts";
import { referenceEntries } from "../layout-index.ts";
import { openOciArchiveSink } from "../oci-archive.ts";
import type { ImageSink, SinkForms } from "../source.ts";
import { DaemonClient, textOf } from "./client.ts";

/** Of the classic store, which unpacks what it gets. zstd is read by newer daemons only. */
const CLASSIC: SinkForms = {
  families: ["oci", "docker"],
  compressions: ["gzip", "uncompressed"],
  indexes: false,
  artifacts: false,
  keepsManifest: false,
};
/** Of the containerd image store, which keeps what it gets. */
const CONTAINERD: SinkForms = {
  families: ["oci", "docker"],
  compressions: ["gzip", "zstd", "uncompressed"],
  indexes: true,
  artifacts: true,
  keepsManifest: true,
};

const InfoSchema = v.looseObject({ DriverStatus: v.nullish(v.array(v.array(v.string())), []) });
const InspectSchema = v.looseObject({ Id: v.string() });
const PROGRESS_BYTES = 16 << 20;

/** Opens a daemon for loading; names are full references. Images are there, and checked, with `finish`. Throws `REGISTRY`. */
export async function openDaemonSink(endpoint: DaemonEndpoint, signal: AbortSignal): Promise<ImageSink> {
  const client = new DaemonClient(endpoint);
  const name = `the docker daemon at "${client.host}"`;
  const { DriverStatus } = v.parse(InfoSchema, await client.json("/info", signal));
  const isContainerd = DriverStatus.some(
    ([key, value]) => key === "driver-type" && value?.startsWith("io.containerd."),
  );
  const loaded: { readonly names: readonly string[]; readonly ids: readonly Digest[] }[] = [];
  const take = async (chunks: AsyncIterable<Uint8Array>): Promise<void> => {
    const response = await client.request("POST", "/images/load?quiet=1", signal, chunks);
    failIn(await textOf(response, PROGRESS_BYTES), name);
  };
  const forms = isContainerd ? CONTAINERD : CLASSIC;
  const archive = openOciArchiveSink(take, { name, forms, entries: referenceEntries }, signal);
  return {
    ...archive,
    async putDocument(descriptor, bytes, names, innerSignal, isTop = names.length > 0) {
      await archive.putDocument(descriptor, bytes, names, innerSignal, isTop);
      if (!isTop) return;
      const document = parseDocument(bytes, name, descriptor.mediaType);
      const config = document.kind === "manifest" ? [document.manifest.config.digest] : [];
      loaded.push({ names, ids: [...config, descriptor.digest] });
    },
    async finish(innerSignal) {
      await archive.finish?.(innerSignal);
      for (const image of loaded) await check(client, image, innerSignal);
    },
    async [Symbol.asyncDispose]() {
      await archive[Symbol.asyncDispose]();
      client.close();
    },
  };
}

// The classic store calls an image by its config, the containerd store by its manifest.
async function check(
  client: DaemonClient,
  { names, ids }: { readonly names: readonly string[]; readonly ids: readonly Digest[] },
  signal: AbortSignal,
): Promise<void> {
  for (const name of names) {
    const short = familiarReference(parseReference(name));
    const { Id } = v.parse(InspectSchema, await client.json(`/images/${short}/json`, signal));
    if (ids.some((id) => id === Id)) continue;
    throw new BuildError(
      "DIGEST_INVALID",
      `the docker daemon at "${client.host}" calls "${short}" ${Id}, not ${ids.join(" or ")}`,
    );
  }
}

// The answer is a stream of JSON objects; a failure in the middle comes with status 200 as well.
function failIn(text: string, name: string): void {
  const said = /"error"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(text)?.[1];
  if (said !== undefined) throw new BuildError("REGISTRY", `${name} cannot load the image: ${JSON.parse(`"${said}"`)}`);
}
