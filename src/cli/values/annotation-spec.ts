// `--annotation [type[,type]…[platform]:]key=value`, and the same as attributes of an output.

import { BuildError } from "../../../builder/core/errors.ts";
import { formatPlatform, parsePlatform } from "../../../builder/core/image/platform.ts";

const PLACES = ["manifest", "manifest-descriptor", "index", "index-descriptor"] as const;

/** What an annotation is put on. */
export type AnnotationPlace = (typeof PLACES)[number];

export interface AnnotationSpec {
  readonly place: AnnotationPlace;
  /** "linux/arm64"; "" is every platform. */
  readonly platform: string;
  readonly key: string;
  readonly value: string;
}

/** Reads one `--annotation`; several types make several. Throws `USAGE`. */
export function parseAnnotation(text: string): AnnotationSpec[] {
  const equals = text.indexOf("=");
  if (equals < 0) throw new BuildError("USAGE", `invalid annotation "${text}", expected key=value`);
  const value = text.slice(equals + 1);
  const left = text.slice(0, equals);
  const colon = left.indexOf(":");
  const key = left.slice(colon + 1);
  if (key === "") throw new BuildError("USAGE", `invalid annotation "${text}", the key is empty`);
  if (colon < 0) return [{ place: "manifest", platform: "", key, value }];
  return left
    .slice(0, colon)
    .split(",")
    .map((type) => {
      const match = /^([a-z-]+)(?:\[([A-Za-z0-9_/.-]+)\])?$/.exec(type);
      if (match === null) {
        throw new BuildError(
          "USAGE",
          `invalid annotation type "${type}", expected type and optional platform in square brackets`,
        );
      }
      return { place: readPlace(match[1] ?? ""), platform: readPlatform(match[2]), key, value };
    });
}

/**
 * An output's attribute `annotation.k`, `annotation-index.k`, `annotation-manifest[linux/arm64].k`;
 * undefined when it is another attribute. Throws `USAGE` for a type that is none.
 */
export function annotationAttribute(name: string, value: string): AnnotationSpec | undefined {
  const match = /^annotation(?:-([a-z-]+))?(?:\[([^\]]*)\])?\.(.+)$/.exec(name);
  if (match === null) return undefined;
  return { place: readPlace(match[1] ?? "manifest"), platform: readPlatform(match[2]), key: match[3] ?? "", value };
}

function readPlace(text: string): AnnotationPlace {
  const place = PLACES.find((candidate) => candidate === text);
  if (place === undefined) {
    throw new BuildError("USAGE", `unknown annotation type "${text}"`, { hint: `types are ${PLACES.join(", ")}` });
  }
  return place;
}

function readPlatform(text: string | undefined): string {
  return text === undefined || text === "" ? "" : formatPlatform(parsePlatform(text));
}
