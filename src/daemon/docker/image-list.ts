// The images of the store as docker's clients list them, and what of their bytes they share.

import type { Digest } from "../../../builder/core/digest.ts";
import { formatPlatform, hostPlatform, parsePlatform } from "../../../builder/core/image/platform.ts";
import type { ListedImage } from "../../../builder/images.ts";
import { listImages } from "../../../builder/images.ts";
import { readBoolean } from "../../cli/values/booleans.ts";
import { filterImages, partsOf, shortName } from "../../commands/images/image-rows.ts";
import { HttpError } from "../http/answer.ts";
import { isMissing, noSuchImage } from "./not-there.ts";

const LIST_FILTERS: ReadonlySet<string> = new Set(["before", "dangling", "label", "reference", "since", "until"]);
/** Of `docker image prune`. */
export const PRUNE_FILTERS: ReadonlySet<string> = new Set(["dangling", "label", "label!", "until"]);

/** The images that filters let through. Throws `HttpError` as docker words it: 400 for a filter that is none, 404 for an image that one names. */
export async function filteredImages(
  root: string,
  filters: readonly string[],
  known = LIST_FILTERS,
): Promise<readonly ListedImage[]> {
  const images = await listImages(root);
  for (const filter of filters) {
    const [, key = "", value = ""] = /^([^=]*)=?(.*)$/s.exec(filter) ?? [];
    if (!known.has(key)) throw new HttpError(400, `invalid filter '${key}'`);
    if (key === "dangling" && readBoolean(value) === undefined)
      throw new HttpError(400, `invalid filter 'dangling=[${value}]'`);
    try {
      filterImages(images, [filter]);
    } catch (error) {
      if (isMissing(error)) throw noSuchImage(value);
      throw error instanceof Error ? new HttpError(400, error.message.replace(/^--filter:? /, "")) : error;
    }
  }
  return filterImages(images, filters);
}

/** What of a list is asked for that takes more than the rest. */
export interface Asked {
  readonly shared: boolean;
  readonly manifests?: boolean;
}

/** One row for each image, whatever it is called, the newest first; of a multi-platform one that of this machine, else the first. */
export function summaries(images: readonly ListedImage[], asked: Asked): readonly object[] {
  const own = formatPlatform(hostPlatform());
  const holders = Map.groupBy(
    images.flatMap(({ digest, layers }) => layers.map((layer) => ({ image: digest, layer: layer.digest }))),
    ({ layer }) => layer,
  );
  const isShared = (layer: Digest): boolean => new Set(holders.get(layer)?.map(({ image }) => image)).size > 1;
  return [...Map.groupBy(images, ({ digest }) => digest).values()]
    .toSorted(([a], [b]) => timeOf(b?.created) - timeOf(a?.created))
    .flatMap((rows) => {
      const image = rows.find(({ platform }) => platform === own) ?? rows[0];
      if (image === undefined) return [];
      const { imageId, digest, created, labels } = image;
      const names = [...new Set(rows.flatMap(({ name }) => (name === undefined ? [] : [name])))];
      const layers = new Map(rows.flatMap((row) => row.layers.map((layer) => [layer.digest, layer.size] as const)));
      const shared = [...layers].filter(([layer]) => isShared(layer)).map(([, size]) => size);
      return [
        {
          Id: imageId,
          ParentId: "",
          ...namesOf(names, digest),
          Created: Math.floor(timeOf(created) / 1000),
          Size: sumOf(new Map(rows.map((row) => [row.imageId, row.sizeBytes])).values()),
          SharedSize: asked.shared ? sumOf(shared) : -1,
          Labels: labels,
          // There are none that could hold it.
          Containers: 0,
          ...(asked.manifests === true ? { Manifests: manifestsOf(rows) } : {}),
        },
      ];
    });
}

/** One for each platform that is there. Nothing is unpacked on behalf of an image. */
function manifestsOf(rows: readonly ListedImage[]): readonly object[] {
  const own = new Map(rows.map((row) => [row.manifest.digest, row]));
  return own
    .values()
    .toArray()
    .map(({ manifest, platform, sizeBytes }) => {
      const { os, architecture, variant } = parsePlatform(platform);
      return {
        ID: manifest.digest,
        Descriptor: { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.size },
        Available: true,
        Size: { Content: sizeBytes, Total: sizeBytes },
        Kind: "image",
        ImageData: {
          Platform: { os, architecture, ...(variant === undefined ? {} : { variant }) },
          Size: { Unpacked: 0 },
          Containers: [],
        },
      };
    });
}

/** The bytes of all images together: what several of them have counts once. */
export function totalBytes(images: readonly ListedImage[]): number {
  const layers = new Map(images.flatMap((image) => image.layers.map(({ digest, size }) => [digest, size] as const)));
  const others = new Map(
    images.map((image) => [image.imageId, image.sizeBytes - sumOf(image.layers.map(({ size }) => size))]),
  );
  return sumOf(layers.values()) + sumOf(others.values());
}

/** The names of an image as docker's clients have them: those with a tag, and by digest. */
export function namesOf(
  names: readonly string[],
  digest: string,
): { readonly RepoTags: readonly string[]; readonly RepoDigests: readonly string[] } {
  const repositories = names.map((name) => partsOf(name).repository);
  return {
    RepoTags: names
      .filter((name) => !name.includes("@"))
      .map(shortName)
      .toSorted(),
    RepoDigests: [...new Set(repositories)].toSorted().map((repository) => `${repository}@${digest}`),
  };
}

/** In ms since the epoch; 0 for what says nothing. */
export function timeOf(created: string | undefined): number {
  const at = Date.parse(created ?? "");
  return Number.isNaN(at) ? 0 : at;
}

function sumOf(sizes: Iterable<number>): number {
  return [...sizes].reduce((sum, size) => sum + size, 0);
}
