// What a daemon's exporters say they made, by the names that BuildKit has for it.

import * as v from "valibot";
import type { Descriptor } from "../../builder/core/image/descriptor.ts";
import { isDigest } from "../../builder/core/digest.ts";
import type { Digest } from "../../builder/core/digest.ts";

/** What was said, by name. */
export type ExporterResponse = ReadonlyMap<string, string>;

const Stored = v.object({
  mediaType: v.string(),
  digest: v.custom<Digest>((value) => typeof value === "string" && isDigest(value)),
  size: v.number(),
});

/** A descriptor in JSON; undefined where there is none that can be read. */
export function descriptorIn(
  response: ExporterResponse,
  key: string,
  encoding: "base64" | "utf8",
): Descriptor | undefined {
  const text = Buffer.from(response.get(key) ?? "", encoding).toString("utf8");
  try {
    const read = v.safeParse(Stored, JSON.parse(text));
    return read.success ? read.output : undefined;
  } catch {
    return undefined;
  }
}

/** The names that the image has now. */
export function namesIn(response: ExporterResponse): readonly string[] {
  return (response.get("image.name") ?? "").split(",").filter((name) => name !== "");
}
