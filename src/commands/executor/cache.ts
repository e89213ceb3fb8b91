// A job's caches: of layers in a registry or in a folder, and of base images that were warmed.

import { resolve } from "node:path";
import { BuildError } from "../../../builder/core/errors.ts";
import { formatReference, parseReference } from "../../../builder/core/image/reference.ts";
import type { CacheRules } from "../../../builder/request.ts";
import { parseDuration } from "../../cli/values/disk-filter.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, textOf } from "../../cli/flags.ts";

/** kaniko's. */
const WARMED_IMAGES = "/cache";
const MAX_AGE = "336h";

/** The folder of warmed images, absolute. */
export function cacheFolder(args: Arguments): string {
  return resolve(textOf(args, "cache-dir") || WARMED_IMAGES);
}

/** How long what is cached counts. Throws `USAGE`. */
export function cacheMaxAgeMs(args: Arguments): number {
  return parseDuration(textOf(args, "cache-ttl") || MAX_AGE, "--cache-ttl");
}

/** Which earlier results a job takes. Throws `USAGE`. */
export function cacheRules(args: Arguments): CacheRules {
  return { runs: textOf(args, "cache-run-layers") !== "false", maxAgeMs: cacheMaxAgeMs(args) };
}

/** The caches as a build's flags name them; none without `--cache`. Throws `USAGE`. */
export function cacheArguments(
  args: Arguments,
  destinations: readonly string[],
): ReadonlyMap<"cache-from" | "cache-to", readonly string[]> {
  if (!isOn(args, "cache")) return new Map();
  const place = placeOf(textOf(args, "cache-repo") || undefined, destinations);
  const from = new Map([["cache-from", [place("src")]]] as const);
  // A cache that cannot be written is no reason to lose the image.
  return isOn(args, "no-push-cache")
    ? from
    : new Map([...from, ["cache-to", [`${place("dest")},mode=max,ignore-error=true`]]]);
}

function placeOf(named: string | undefined, destinations: readonly string[]): (folder: "src" | "dest") => string {
  if (named?.startsWith("oci:") === true) return (folder) => `type=local,${folder}=${named.slice("oci:".length)}`;
  const [first] = destinations;
  if (named === undefined && first === undefined)
    throw new BuildError("USAGE", "--cache needs a --cache-repo where there is no --destination");
  const reference = parseReference(named ?? first ?? "");
  const repository = named === undefined ? `${reference.repository}/cache` : reference.repository;
  const { digest: _none, ...place } = {
    ...reference,
    repository,
    tag: named === undefined ? "latest" : (reference.tag ?? "latest"),
  };
  return () => `type=registry,ref=${formatReference(place)}`;
}
