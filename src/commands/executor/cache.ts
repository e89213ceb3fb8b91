// A job's cache of layers in a registry, or in a folder.

import { BuildError } from "../../../builder/core/errors.ts";
import { formatReference, parseReference } from "../../../builder/core/reference.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, textOf } from "../../cli/flags.ts";

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
