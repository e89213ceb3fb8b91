// What the tests of copies share: a folder, a store with an image of each kind, and the request of a copy between places
// as the command line makes it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { copy, type CopyRequest, type CopyResult } from "../../builder/copy.ts";
import type { Compression, Descriptor } from "../../builder/core/image/descriptor.ts";
import { layerMediaType, MEDIA } from "../../builder/core/image/descriptor.ts";
import type { Digest } from "../../builder/core/digest.ts";
import { digestOf } from "../../builder/core/digest.ts";
import type { BuildEvent } from "../../builder/core/events.ts";
import { parseLocation } from "../../builder/core/image/image-location.ts";
import type { Platform } from "../../builder/core/image/platform.ts";
import type { Session } from "../../builder/core/session.ts";
import { configMediaType } from "../../builder/image/convert.ts";
import { assembleIndex } from "../../builder/image/index.ts";
import type { Document, MediaFamily } from "../../builder/image/manifest.ts";
import { assembleManifest, documentOf } from "../../builder/image/manifest.ts";
import { parseDocument } from "../../builder/image/read.ts";
import { paddingOf } from "../../builder/layer/tar/tar-format.ts";
import { encodeTarHeader, TAR_END } from "../../builder/layer/tar/tar-writer.ts";
import { DEFAULT_LIMITS } from "../../builder/layer/unpack-limits.ts";
import type { RegistryAccess } from "../../builder/registry-options.ts";
import { directRouter } from "../../builder/transport/registry/direct-router.ts";
import { openStore } from "../../builder/store/open.ts";
import type { BlobStore } from "../../builder/store/store.ts";
import { tarOf } from "../exporter/sample.ts";

export const AMD64: Platform = { os: "linux", architecture: "amd64" };
const ARM64: Platform = { os: "linux", architecture: "arm64" };
const never = new AbortController().signal;

export type Store = Awaited<ReturnType<typeof openStore>>;

/** A member of an archive that a test writes, whatever it is. */
export interface Member {
  readonly name: string;
  readonly content?: Uint8Array | string;
  readonly link?: string;
  readonly type?: "file" | "symlink" | "hardlink" | "char" | "fifo";
}

/** A tar of whatever members. */
export function archiveOf(members: readonly Member[]): Buffer {
  const parts = members.flatMap(({ name, content = "", link = "", type = link === "" ? "file" : "symlink" }) => {
    const body = Buffer.from(content);
    const device = type === "char" ? { major: 1, minor: 3 } : { major: 0, minor: 0 };
    const header = { name, type, mode: 0o644, uid: 0, gid: 0, size: body.length, mtimeNs: 0n, link, ...device };
    return [Buffer.from(encodeTarHeader(header)), body, Buffer.alloc(paddingOf(body.length))];
  });
  return Buffer.concat([...parts, TAR_END]);
}

/** An image that was made. */
export interface MadeImage {
  readonly document: Document;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export interface ImageShape {
  readonly family?: MediaFamily;
  readonly compression?: Compression;
  readonly platform?: Platform;
  /** Makes it differ from others. */
  readonly text?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Puts an image of three layers, two of them equal, into a store. */
export async function makeImage(store: BlobStore, shape: ImageShape = {}): Promise<MadeImage> {
  const { family = "oci", compression = "gzip", platform = AMD64, text = "hello", annotations = {} } = shape;
  const tars = [tarOf({ "base.txt": "base\n" }), tarOf({ "app.txt": `${text}\n` }), tarOf({ "base.txt": "base\n" })];
  const layers: Descriptor[] = [];
  for (const tar of tars) {
    const blob = await store.put(pack(tar, compression));
    layers.push({ mediaType: layerMediaType(compression, family), ...blob });
  }
  const history = tars.map((_, at) => ({ created: "2020-01-01T00:00:00Z", created_by: `step ${at}` }));
  const rootfs = { type: "layers", diff_ids: tars.map((tar) => digestOf(tar)) };
  const config = { ...platform, config: { Env: ["PATH=/bin"], Labels: { a: "<b>" } }, history, rootfs };
  const configBlob = await store.put(Buffer.from(JSON.stringify(config)));
  const descriptor = { mediaType: configMediaType(family), ...configBlob };
  const document = assembleManifest(descriptor, layers, family, annotations);
  await store.put(document.bytes);
  return { document, config: descriptor, layers };
}

/** Puts an index over images for amd64 and arm64, and BuildKit's attestation about the first, into a store. */
export async function makeIndex(
  store: BlobStore,
  shape: ImageShape = {},
): Promise<{ top: Document; images: readonly MadeImage[] }> {
  const family = shape.family ?? "oci";
  const images = [await makeImage(store, shape), await makeImage(store, { ...shape, platform: ARM64, text: "arm" })];
  const [amd64, arm64] = images.map(({ document }, at) => ({
    ...document.descriptor,
    platform: at === 0 ? AMD64 : ARM64,
  }));
  const entries = [amd64 as Descriptor, arm64 as Descriptor];
  if (family === "oci") entries.push(await makeAttestation(store, (amd64 as Descriptor).digest));
  const top = assembleIndex(entries, family);
  await store.put(top.bytes);
  return { top, images };
}

async function makeAttestation(store: BlobStore, about: Digest): Promise<Descriptor> {
  const statement = await store.put(Buffer.from('{"_type":"https://in-toto.io/Statement/v0.1"}'));
  const rootfs = { type: "layers", diff_ids: [statement.digest] };
  const config = await store.put(Buffer.from(JSON.stringify({ architecture: "unknown", os: "unknown", rootfs })));
  const { bytes, descriptor } = documentOf(
    {
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      config: { mediaType: MEDIA.ociConfig, ...config },
      layers: [{ mediaType: "application/vnd.in-toto+json", ...statement }],
    },
    MEDIA.ociManifest,
  );
  await store.put(bytes);
  const annotations = { "vnd.docker.reference.digest": about, "vnd.docker.reference.type": "attestation-manifest" };
  return { ...descriptor, platform: { os: "unknown", architecture: "unknown" }, annotations };
}

function pack(tar: Uint8Array, compression: Compression): Uint8Array {
  switch (compression) {
    case "gzip":
      return gzipSync(tar);
    case "zstd":
      return zstdCompressSync(tar);
    case "uncompressed":
      return tar;
  }
}

/** A folder with a store in it; disposed of, both are gone. */
export interface Workshop extends AsyncDisposable {
  readonly folder: string;
  readonly store: Store;
  /** Every event of the copies so far. */
  readonly events: BuildEvent[];
  path(name: string): string;
  /** Copies, as `tsbuild copy` does without flags but for what `wishes` says. */
  copy(from: string, to: string, wishes?: Partial<CopyRequest>): Promise<CopyResult>;
}

export async function openWorkshop(dockerHost?: string): Promise<Workshop> {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-copy-"));
  const root = join(folder, "store");
  const events: BuildEvent[] = [];
  const access = accessFor(dockerHost);
  return {
    folder,
    store: await openStore(root),
    events,
    path: (name) => join(folder, name),
    copy: (from, to, wishes = {}) =>
      copy(
        {
          root,
          source: parseLocation(from),
          destination: parseLocation(to),
          additionalNames: [],
          sourceAccess: access,
          destinationAccess: access,
          which: "one",
          platform: AMD64,
          family: undefined,
          compression: undefined,
          preserveDigests: false,
          checkLayers: undefined,
          limits: DEFAULT_LIMITS,
          retries: 0,
          events: (event) => void events.push(event),
          now: () => 0,
          environment: new Map([["TMPDIR", folder]]),
          ...wishes,
        },
        never,
      ),
    async [Symbol.asyncDispose]() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Registries without a login, and this daemon. */
function accessFor(dockerHost?: string): RegistryAccess {
  const session: Session = {
    secret: async () => undefined,
    sshAgent: async () => undefined,
    credentials: async () => undefined,
    ...(dockerHost === undefined ? {} : { dockerDaemon: async () => ({ host: dockerHost, isThere: true }) }),
  };
  return { router: directRouter({ insecure: [] }), session, environment: new Map() };
}

/** The digests that must survive: of the manifest, of the config, of each layer. */
export function identityOf({ bytes, descriptor }: Document): object {
  const parsed = parseDocument(bytes, "an image", descriptor.mediaType);
  if (parsed.kind === "index") throw new Error("an index has no config");
  const { config, layers, mediaType } = parsed.manifest;
  return { mediaType, digest: descriptor.digest, config: config.digest, layers: layers.map(({ digest }) => digest) };
}

/** What a name of the store leads to, with its bytes. */
export async function storedDocument(store: Store, name: string): Promise<Document> {
  const descriptor = await store.names.resolve(name);
  if (descriptor === undefined) throw new Error(`${name} is not in the store`);
  return { descriptor, bytes: await store.read(descriptor.digest) };
}
