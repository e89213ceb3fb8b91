// Archives of a docker before 1.10: a folder an image of the chain, with `json` (one
// configuration, one parent) and `layer.tar`, and `repositories` for the names. They have
// no config of today's kind, so one is made, as the dockers since then do when they load
// such an archive (moby, image/v1/imagev1.go): so it has the same image id there, unless
// a docker before 1.8.3 made it.

import * as v from "valibot";
import type { Descriptor } from "../core/image/descriptor.ts";
import { MEDIA } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { Digester } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import { goJson, omitEmpty, sortedMap } from "../image/json.ts";
import { decompress } from "../layer/compression/decompress.ts";
import { DEFAULT_LIMITS, UnpackGuard } from "../layer/unpack-limits.ts";
import type { ArchiveFile, Member } from "./archive-file.ts";
import type { Found } from "./image-archive.ts";
import { deriveImage, DOCUMENT_BYTES, memberNamed } from "./image-archive.ts";
import { fullName, refusePlace } from "./layout-index.ts";
import type { Selection } from "../core/image/image-location.ts";

const MOST_LAYERS = 1000;

const RepositoriesSchema = v.record(v.string(), v.record(v.string(), v.string()));
const ImageSchema = v.looseObject({
  parent: v.exactOptional(v.string()),
  created: v.exactOptional(v.string()),
  author: v.exactOptional(v.string()),
  comment: v.exactOptional(v.string()),
  container_config: v.nullish(v.looseObject({ Cmd: v.nullish(v.array(v.string())) })),
});
type V1Image = v.InferOutput<typeof ImageSchema>;

/** One image of such an archive, with its names. */
export interface V1Entry {
  readonly id: string;
  readonly names: readonly string[];
}

/** Whether an archive is of that kind. */
export function isV1(archive: ArchiveFile): boolean {
  return (
    archive.member("repositories") !== undefined || archive.names.some((name) => /^[0-9a-f]{64}\/json$/.test(name))
  );
}

/** Its images: what has a name, or else what is nobody's parent. Throws `ARCHIVE_INVALID`. */
export async function v1Entries(archive: ArchiveFile): Promise<readonly V1Entry[]> {
  const names = new Map<string, string[]>();
  const member = archive.member("repositories");
  const repositories =
    member === undefined
      ? {}
      : parse(RepositoriesSchema, await archive.read(member, DOCUMENT_BYTES), archive, "repositories");
  for (const [repository, tags] of Object.entries(repositories)) {
    for (const [tag, id] of Object.entries(tags)) names.set(id, [...(names.get(id) ?? []), `${repository}:${tag}`]);
  }
  if (names.size > 0) return [...names].map(([id, own]) => ({ id, names: own }));
  const ids = archive.names.flatMap((name) => /^([0-9a-f]{64})\/json$/.exec(name)?.[1] ?? []);
  const parents = new Set<string>();
  for (const id of ids) parents.add((await readImage(archive, id, `"${archive.path}"`)).image.parent ?? "");
  return ids.filter((id) => !parents.has(id)).map((id) => ({ id, names: [] }));
}

/** The image that a selection names. Throws `INPUT_MISSING`, `ARCHIVE_INVALID`. */
export async function findV1(archive: ArchiveFile, selection: Selection, name: string): Promise<Found> {
  const { id } = choose(await v1Entries(archive), selection, name);
  const chain: { raw: Record<string, unknown>; image: V1Image; layer: Member }[] = [];
  for (let next: string | undefined = id; next !== undefined && next !== "";) {
    if (chain.length === MOST_LAYERS)
      throw new BuildError("ARCHIVE_INVALID", `${name} has more than ${MOST_LAYERS} parents, or a circle of them`);
    const { raw, image } = await readImage(archive, next, name);
    chain.unshift({ raw, image, layer: memberNamed(archive, `${next}/layer.tar`, name) });
    next = image.parent;
  }
  const layers: Descriptor[] = [];
  const diffIds: Digest[] = [];
  const blobs = new Map<Digest, Member>();
  for (const { layer } of chain) {
    const { descriptor, diffId } = await describe(archive, layer);
    layers.push(descriptor);
    diffIds.push(diffId);
    blobs.set(descriptor.digest, layer);
  }
  const top = chain.at(-1)?.raw ?? {};
  return deriveImage(
    makeConfig(
      top,
      diffIds,
      chain.map(({ image }) => historyOf(image)),
    ),
    layers,
    blobs,
  );
}

function choose(entries: readonly V1Entry[], { ref, index }: Selection, name: string): V1Entry {
  if (index !== undefined) return entries[index] ?? refusePlace(index, entries.length, name);
  const known = entries.flatMap((entry) => entry.names);
  const [only] = entries;
  if (ref === undefined && entries.length === 1 && only !== undefined) return only;
  const found =
    ref === undefined ? undefined : entries.find((entry) => entry.names.some((one) => fullName(one) === fullName(ref)));
  if (found !== undefined) return found;
  throw new BuildError(
    "INPUT_MISSING",
    ref === undefined ? `${name} holds ${entries.length} images` : `${name} has no image "${ref}"`,
    { hint: known.length === 0 ? "give its place, as @0" : `name one: ${known.join(", ")}` },
  );
}

async function readImage(
  archive: ArchiveFile,
  id: string,
  name: string,
): Promise<{ raw: Record<string, unknown>; image: V1Image }> {
  if (!/^[0-9a-f]{64}$/.test(id)) throw new BuildError("ARCHIVE_INVALID", `${name}: "${id}" is not the id of an image`);
  const bytes = await archive.read(memberNamed(archive, `${id}/json`, name), DOCUMENT_BYTES);
  const image = parse(ImageSchema, bytes, archive, `${id}/json`);
  // The fields in their own order: the image id depends on it.
  return { raw: JSON.parse(Buffer.from(bytes).toString("utf8")) as Record<string, unknown>, image };
}

/** The digests of a layer, which may be compressed though it is called layer.tar. */
async function describe(archive: ArchiveFile, layer: Member): Promise<{ descriptor: Descriptor; diffId: Digest }> {
  const [outer, inner] = [new Digester(), new Digester()];
  const guard = new UnpackGuard(DEFAULT_LIMITS);
  const packed = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of archive.stream(layer, new AbortController().signal)) {
      outer.update(chunk);
      yield chunk;
    }
  };
  for await (const chunk of decompress(guard.packed(packed()), "layer")) {
    guard.unpacked(chunk.length);
    inner.update(chunk);
  }
  const [digest, diffId] = [outer.digest(), inner.digest()];
  const mediaType = digest === diffId ? MEDIA.dockerLayer : MEDIA.dockerLayerGzip;
  return { descriptor: { mediaType, digest, size: layer.size }, diffId };
}

function historyOf({ created, author, container_config, comment }: V1Image): Record<string, unknown> {
  const created_by = container_config?.Cmd?.join(" ");
  return { created: created ?? "0001-01-01T00:00:00Z", ...omitEmpty({ author, created_by, comment }) };
}

function makeConfig(top: Record<string, unknown>, diffIds: readonly Digest[], history: readonly unknown[]): Uint8Array {
  const {
    id: _id,
    parent: _parent,
    Size: _size,
    parent_id: _parentId,
    layer_id: _layerId,
    throwaway: _throwaway,
    ...kept
  } = top;
  const config = { ...kept, rootfs: { type: "layers", diff_ids: diffIds }, history };
  return Buffer.from(goJson(sortedMap<unknown>(config)));
}

function parse<const S extends v.GenericSchema>(
  schema: S,
  bytes: Uint8Array,
  archive: ArchiveFile,
  what: string,
): v.InferOutput<S> {
  try {
    return v.parse(schema, JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch (error) {
    throw new BuildError(
      "ARCHIVE_INVALID",
      `"${what}" of "${archive.path}" is not valid: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}
