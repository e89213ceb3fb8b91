// What differs between two images that should be the same, each difference by itself: the
// platform, the layer and its instruction, the path, the field. Nothing is overlooked
// because a later layer hides it: layers are compared one by one.

import { alignLists } from "../../core/align.ts";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { compareBytes, displayPath } from "../../core/bytes/byte-path.ts";
import type { Digest } from "../../core/digest.ts";
import { formatPlatform } from "../../core/image/platform.ts";
import type { Platform } from "../../core/image/platform.ts";
import { ImageFiles } from "./image-files.ts";
import { compareStatements } from "../../image/compare-configs.ts";
import { layerInstructions } from "../../image/history.ts";
import { isImageEntry } from "../../image/index.ts";
import { compareTrees } from "../../layer/view/compare-trees.ts";
import type { EntryField } from "../../layer/view/compare-trees.ts";
import type { Entry } from "../../layer/entry.ts";
import type { OpenedImage, PlatformImage } from "../../open-image.ts";
import { imageFor } from "../../open-image.ts";

/** One thing that is not the same. */
export interface Difference {
  readonly kind: "added" | "changed" | "deleted";
  /** "linux/amd64". */
  readonly platform: string;
  /** From 1 at the bottom; absent for what no layer holds. */
  readonly layer?: number;
  /** Of the layer or the field of the config, as the history has it. */
  readonly instruction?: string;
  /** In the layer: "/etc/passwd"; absent for what is about all of it. */
  readonly path?: BytePath;
  /** "config.Env.PATH", "mode", "content"; "entry" of a path that only one has, "whiteout" of a deletion. */
  readonly field: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

/** Compares all platforms of two images; what is stated of them (attestations) does not count. `root` is a store's, where lists of entries are kept. */
export async function compareImages(
  a: OpenedImage,
  b: OpenedImage,
  root: string,
  signal: AbortSignal,
): Promise<readonly Difference[]> {
  const [inA, inB] = [platformsOf(a), platformsOf(b)];
  // One without an index is compared with the one that there is.
  if (inA.length <= 1 && inB.length <= 1)
    return await comparePlatform(await imageFor(a, inA[0], signal), await imageFor(b, inB[0], signal), root, signal);
  const found: Difference[] = [];
  const names = [...new Set([...inA, ...inB].map(formatPlatform))].sort();
  for (const name of names) {
    const [ofA, ofB] = [inA, inB].map((platforms) => platforms.find((each) => formatPlatform(each) === name));
    if (ofA === undefined) found.push({ kind: "added", platform: name, field: "platform" });
    else if (ofB === undefined) found.push({ kind: "deleted", platform: name, field: "platform" });
    else
      found.push(
        ...(await comparePlatform(await imageFor(a, ofA, signal), await imageFor(b, ofB, signal), root, signal)),
      );
  }
  return found;
}

function platformsOf({ top }: OpenedImage): readonly Platform[] {
  if (top.document.kind === "manifest") return [];
  return top.document.index.manifests.filter(isImageEntry).flatMap(({ platform }) => platform ?? []);
}

async function comparePlatform(
  a: PlatformImage,
  b: PlatformImage,
  root: string,
  signal: AbortSignal,
): Promise<readonly Difference[]> {
  if (a.manifest.descriptor.digest === b.manifest.descriptor.digest) return [];
  await using filesOfA = new ImageFiles(a, root, signal);
  await using filesOfB = new ImageFiles(b, root, signal);
  const { os, architecture, variant } = filesOfA.config;
  const platform = formatPlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) });
  const found = [...compareConfigs(a, b, filesOfA, filesOfB), ...(await compareLayers(filesOfA, filesOfB))];
  const all = found.length > 0 ? found : [compareDocuments(a, b)];
  return all.map((difference) => ({ ...difference, platform }));
}

type Found = Omit<Difference, "platform">;

function compareConfigs(
  a: PlatformImage,
  b: PlatformImage,
  filesOfA: ImageFiles,
  filesOfB: ImageFiles,
): readonly Found[] {
  const statement = (
    { manifest: { manifest } }: PlatformImage,
    { config }: ImageFiles,
  ): Parameters<typeof compareStatements>[0] => ({
    config,
    annotations: manifest.annotations ?? {},
  });
  return compareStatements(statement(a, filesOfA), statement(b, filesOfB), true);
}

/** Everything that is understood is equal, and still the bytes are not. */
function compareDocuments(a: PlatformImage, b: PlatformImage): Found {
  const [configA, configB] = [a.manifest.manifest.config.digest, b.manifest.manifest.config.digest];
  if (configA !== configB) return { kind: "changed", field: "bytes of the config", before: configA, after: configB };
  const [before, after] = [a.manifest.descriptor.digest, b.manifest.descriptor.digest];
  return { kind: "changed", field: "bytes of the manifest", before, after };
}

interface ToldLayer {
  /** Counted from 0 at the bottom. */
  readonly at: number;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly diffId: Digest;
  readonly instruction: string | undefined;
}

async function compareLayers(a: ImageFiles, b: ImageFiles): Promise<readonly Found[]> {
  const [inA, inB] = [toldLayers(a), toldLayers(b)];
  const moved = movedLayers(inA, inB);
  if (moved.length > 0) return moved;
  const found: Found[] = [];
  const pairs = alignLists(
    inA,
    inB,
    ({ diffId }) => diffId,
    ({ instruction = "" }) => instruction,
  );
  for (const { a: ofA, b: ofB } of pairs) {
    if (ofA !== undefined && ofB !== undefined) {
      const changes = await compareLayer(a, ofA, b, ofB);
      found.push(...changes.map((change) => ({ ...placeOf(ofA), ...change })));
    } else if (ofA !== undefined) found.push({ ...placeOf(ofA), kind: "deleted", field: "layer", before: ofA.digest });
    else if (ofB !== undefined) found.push({ ...placeOf(ofB), kind: "added", field: "layer", after: ofB.digest });
  }
  return found;
}

function toldLayers({ layers, config }: ImageFiles): readonly ToldLayer[] {
  const instructions = layerInstructions(config);
  return layers.map(({ diffId, descriptor: { digest, mediaType } }, at) => {
    return { at, digest, mediaType, diffId, instruction: instructions[at] };
  });
}

function placeOf({ at, instruction }: ToldLayer): Pick<Found, "layer" | "instruction"> {
  return { layer: at + 1, ...(instruction === undefined ? {} : { instruction }) };
}

async function compareLayer(a: ImageFiles, ofA: ToldLayer, b: ImageFiles, ofB: ToldLayer): Promise<readonly Found[]> {
  if (ofA.diffId === ofB.diffId && ofA.digest === ofB.digest) return [];
  if (ofA.diffId === ofB.diffId) {
    const [before, after] = [ofA, ofB].map(({ digest, mediaType }) => `${digest} (${mediaType})`);
    return [{ kind: "changed", field: "compression", before, after }];
  }
  const entries = compareEntries(await a.entries(ofA.at), await b.entries(ofB.at));
  if (entries.length > 0) return entries;
  // The same names and contents in another order, or fields that say the same in other bytes.
  return [{ kind: "changed", field: "bytes of the tar", before: ofA.diffId, after: ofB.diffId }];
}

/** The same layers in another order: where each of those that moved is in b. */
function movedLayers(inA: readonly ToldLayer[], inB: readonly ToldLayer[]): readonly Found[] {
  const idsOf = (layers: readonly ToldLayer[]): Digest[] => layers.map(({ diffId }) => diffId);
  if (idsOf(inA).sort().join() !== idsOf(inB).sort().join()) return [];
  return inA.flatMap((layer): Found[] => {
    if (inB[layer.at]?.diffId === layer.diffId) return [];
    const after = idsOf(inB).indexOf(layer.diffId) + 1;
    return [{ ...placeOf(layer), kind: "changed", field: "place", before: layer.at + 1, after }];
  });
}

function compareEntries(a: readonly Entry[], b: readonly Entry[]): readonly Found[] {
  const changes = compareTrees([a], [b], { sharedLayers: 0, times: true }).flatMap(
    ({ kind, path, before, after, fields }): Found[] => {
      const name = { kind, path: `/${path}` };
      if (kind !== "changed")
        return [
          { ...name, field: "entry", ...(before && { before: before.type }), ...(after && { after: after.type }) },
        ];
      return fields.map((field) => ({ ...name, field, before: valueOf(field, before), after: valueOf(field, after) }));
    },
  );
  return [...changes, ...compareDeletions(a, b)];
}

function compareDeletions(a: readonly Entry[], b: readonly Entry[]): readonly Found[] {
  const [inA, inB] = [deletionsOf(a), deletionsOf(b)];
  const only = (paths: ReadonlySet<BytePath>, others: ReadonlySet<BytePath>, kind: "added" | "deleted"): Found[] =>
    [...paths]
      .filter((path) => !others.has(path))
      .sort(compareBytes)
      .map((path) => ({ kind, path: `/${path}`, field: "whiteout" }));
  return [...only(inA, inB, "deleted"), ...only(inB, inA, "added")];
}

function deletionsOf(entries: readonly Entry[]): ReadonlySet<BytePath> {
  return new Set(entries.flatMap(({ type, path }) => (type === "whiteout" || type === "opaque" ? [path] : [])));
}

/** A field's value, for people and for JSON. */
function valueOf(field: EntryField, entry: Entry | undefined): unknown {
  if (entry === undefined) return undefined;
  switch (field) {
    case "type":
      return entry.type;
    case "mode":
      return entry.mode.toString(8).padStart(4, "0");
    case "owner":
      return `${entry.uid}:${entry.gid}`;
    case "size":
      return entry.size;
    case "content":
      return entry.digest;
    case "link":
    case "hardlink":
      return entry.link === undefined ? undefined : displayPath(entry.link);
    case "device":
      return `${entry.major ?? 0}:${entry.minor ?? 0}`;
    case "xattr":
      return Object.fromEntries(
        Object.entries(entry.xattrs ?? {}).map(([name, value]) => [name, Buffer.from(value).toString("base64")]),
      );
    case "time":
      return timeText(entry.mtimeNs);
  }
}

/** RFC 3339, with the fraction that the tar has. */
function timeText(ns: bigint): string {
  const second = 1_000_000_000n;
  const fraction = ((ns % second) + second) % second;
  const base = new Date(Number((ns - fraction) / 1_000_000n)).toISOString().slice(0, -5);
  return `${base}${fraction === 0n ? "" : `.${fraction.toString().padStart(9, "0").replace(/0+$/, "")}`}Z`;
}
