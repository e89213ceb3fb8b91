// The rows of `tsbuild images`: which images, and what is shown of each, as docker has it.

import type { Digest } from "../../../builder/core/digest.ts";
import { hexOf } from "../../../builder/core/digest.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import { BadPattern, compileGlob } from "../../../builder/core/patterns/glob.ts";
import { familiarReference, parseReference } from "../../../builder/core/image/reference.ts";
import type { ListedImage } from "../../../builder/images.ts";
import { parseMoment } from "../../cli/values/moment.ts";
import { readBoolean } from "../../cli/values/booleans.ts";
import { humanAge, humanSize } from "../../cli/human.ts";

const NONE = "<none>";
const SHORT_ID = 12;

/** A row's cells by the names that templates use (docker's, and Platform). */
export interface ImageRow {
  readonly Repository: string;
  readonly Tag: string;
  readonly Digest: string;
  readonly ID: string;
  readonly CreatedSince: string;
  readonly CreatedAt: string;
  readonly Size: string;
  readonly Platform: string;
}

/** An image as docker shows it; `whole` ids are not shortened. */
export function rowOf(image: ListedImage, { now, whole }: { readonly now: number; readonly whole: boolean }): ImageRow {
  const { name, platform, imageId, digest, created, sizeBytes } = image;
  const { repository, tag } = partsOf(name);
  return {
    Repository: repository,
    Tag: tag,
    Digest: digest,
    ID: whole ? imageId : shortId(imageId),
    CreatedSince: humanAge(created, now),
    CreatedAt: created ?? "N/A",
    Size: humanSize(sizeBytes),
    Platform: platform,
  };
}

/** An id as lists show it. */
export function shortId(imageId: Digest): string {
  return hexOf(imageId).slice(0, SHORT_ID);
}

/** Name and tag as people write them; what is no reference is a name. */
export function partsOf(name: string | undefined): { readonly repository: string; readonly tag: string } {
  if (name === undefined) return { repository: NONE, tag: NONE };
  const [short = "", digest] = shortName(name).split("@");
  const colon = short.lastIndexOf(":");
  if (colon <= short.lastIndexOf("/")) return { repository: short, tag: NONE };
  // Of both the digest counts: a tag and a digest is no name that the tag alone would find.
  return { repository: short.slice(0, colon), tag: digest === undefined ? short.slice(colon + 1) : NONE };
}

/** The images that all filters let through. Filters of one key are alternatives, as with docker. Throws `USAGE`, `INPUT_MISSING`. */
export function filterImages(images: readonly ListedImage[], filters: readonly string[]): readonly ListedImage[] {
  const byKey = Map.groupBy(
    filters.map((text) => {
      const equals = text.indexOf("=");
      if (equals <= 0) throw new BuildError("USAGE", `--filter "${text}": write key=value`);
      return { key: text.slice(0, equals), value: text.slice(equals + 1) };
    }),
    ({ key }) => key,
  );
  let left = images;
  for (const [key, own] of byKey) {
    const tests = own.map(({ value }) => testOf(key, value, images));
    // Labels must all be there; of the others one must fit.
    left = left.filter((image) =>
      key.startsWith("label") ? tests.every((fits) => fits(image)) : tests.some((fits) => fits(image)),
    );
  }
  return left;
}

type Test = (image: ListedImage) => boolean;

function testOf(key: string, value: string, images: readonly ListedImage[]): Test {
  switch (key) {
    case "dangling": {
      const wanted = isDangling(value);
      return ({ name }) => (name === undefined) === wanted;
    }
    case "label":
    case "label!": {
      const [, label = value, text] = /^([^=]*)=(.*)$/s.exec(value) ?? [];
      const wanted = key === "label";
      return ({ labels }) => (label in labels && (text === undefined || labels[label] === text)) === wanted;
    }
    case "until": {
      const at = parseMoment(value, Date.now(), "--filter:");
      return (image) => created(image) < at;
    }
    case "reference":
      return ({ name }) => name !== undefined && fitsName(value, name);
    case "before":
    case "since": {
      const at = timeOf(value, images);
      return (image) => (key === "before" ? created(image) < at : created(image) > at);
    }
    default:
      throw new BuildError("USAGE", `--filter: invalid filter "${key}"`, {
        hint: "filters are before, dangling, label, label!, reference, since and until",
      });
  }
}

function isDangling(text: string): boolean {
  const said = readBoolean(text);
  if (said === undefined) throw new BuildError("USAGE", `--filter dangling="${text}" is neither true nor false`);
  return said;
}

/** A glob over the short or the full name, with its tag or without (docker's path.Match). */
function fitsName(pattern: string, name: string): boolean {
  const withoutTag = (text: string): string => text.replace(/(?::[^:/]*|@.*)$/, "");
  const names = [shortName(name), name].flatMap((one) => [one, withoutTag(one)]);
  try {
    return names.some(compileGlob(pattern));
  } catch (error) {
    if (error instanceof BadPattern)
      throw new BuildError("USAGE", `--filter reference="${pattern}" is not a pattern`, { cause: error });
    throw error;
  }
}

function timeOf(text: string, images: readonly ListedImage[]): number {
  const found = images.find(
    ({ name, imageId }) =>
      imageId.startsWith(`sha256:${text.replace(/^sha256:/, "")}`) || (name !== undefined && fitsExactly(text, name)),
  );
  if (found !== undefined) return created(found);
  throw new BuildError("INPUT_MISSING", `--filter: no image "${text}" in the store`);
}

function fitsExactly(text: string, name: string): boolean {
  return [name, shortName(name), shortName(name).replace(/:latest$/, "")].includes(text);
}

function created(image: ListedImage): number {
  const at = Date.parse(image.created ?? "");
  return Number.isNaN(at) ? 0 : at;
}

/** As people write it; a name of another tool's that is no reference stays as it is. */
export function shortName(name: string): string {
  try {
    return familiarReference(parseReference(name));
  } catch {
    return name;
  }
}
