// What compose refuses of a service that is to be built.

import { BuildError } from "../../../builder/core/errors.ts";
import { nearest } from "../../cli/nearest.ts";
import type { DataMap } from "./model.ts";
import { isMap, listOf, mapOf, textOf } from "./model.ts";

/** What a build section may hold (compose-spec, schema/compose-spec.json), beside extensions. */
const BUILD_KEYS = new Set([
  ...["additional_contexts", "args", "cache_from", "cache_to", "context", "dockerfile", "dockerfile_inline"],
  ...["entitlements", "extra_hosts", "isolation", "labels", "network", "no_cache", "platforms", "privileged"],
  ...["provenance", "pull", "sbom", "secrets", "shm_size", "ssh", "tags", "target", "ulimits"],
]);

/** Throws `CONFIG` for a service that compose refuses; `model` is the whole file. */
export function checkService(name: string, service: DataMap, model: DataMap): void {
  const build = service["build"];
  if (!build && !service["image"] && !service["provider"])
    throw new BuildError("CONFIG", `service "${name}" has neither an image nor a build context specified`);
  if (!isMap(build)) return;
  const other = Object.keys(build).find((key) => !BUILD_KEYS.has(key) && !key.startsWith("x-"));
  if (other !== undefined)
    throw new BuildError("CONFIG", `services.${name}.build has the key "${other}", which there is not`, {
      hint: nearest(other, [...BUILD_KEYS]),
    });
  const secrets = mapOf(model["secrets"] ?? {}, "secrets");
  for (const secret of listOf(build["secrets"], "secrets")) {
    const source = isMap(secret) ? textOf(secret["source"] ?? "", "source") : textOf(secret, "secrets");
    if (!(source in secrets))
      throw new BuildError("CONFIG", `service "${name}" refers to the build secret "${source}", which there is not`);
  }
}
