// What compose refuses of a service that is to be built.

import { BuildError } from "../../../builder/core/errors.ts";
import { nearest } from "../../cli/nearest.ts";
import type { Data, DataMap } from "./model.ts";
import { isMap, listOf, mapOf, textOf } from "./model.ts";

/** What a build section may hold (compose-spec, schema/compose-spec.json), beside extensions. */
const BUILD_KEYS = new Set([
  ...["additional_contexts", "args", "cache_from", "cache_to", "context", "dockerfile", "dockerfile_inline"],
  ...["entitlements", "extra_hosts", "isolation", "labels", "network", "no_cache", "platforms", "privileged"],
  ...["provenance", "pull", "sbom", "secrets", "shm_size", "ssh", "tags", "target", "ulimits"],
]);

/** The form of some of them; those that are not here have several. */
const TEXTS = ["context", "dockerfile", "dockerfile_inline", "target", "network", "isolation"];
const LISTS = ["cache_from", "cache_to", "entitlements", "platforms", "secrets", "tags"];
const COLLECTIONS = ["additional_contexts", "args", "extra_hosts", "labels", "ssh"];
const BOOLEANS = ["no_cache", "privileged", "pull"];

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
  checkForms(`services.${name}.build`, build);
  if (build["dockerfile"] && build["dockerfile_inline"])
    throw new BuildError(
      "CONFIG",
      `service "${name}" has a dockerfile and a dockerfile_inline: one of them is the file`,
    );
  const secrets = mapOf(model["secrets"] ?? {}, "secrets");
  for (const secret of listOf(build["secrets"], "secrets")) {
    const source = isMap(secret) ? textOf(secret["source"] ?? "", "source") : textOf(secret, "secrets");
    if (!(source in secrets))
      throw new BuildError("CONFIG", `service "${name}" refers to the build secret "${source}", which there is not`);
  }
}

function checkForms(where: string, build: DataMap): void {
  const refuse = (keys: readonly string[], form: string, isRight: (value: Data) => boolean): void => {
    const wrong = keys.find((key) => build[key] !== undefined && !isRight(build[key]));
    if (wrong !== undefined) throw new BuildError("CONFIG", `${where}.${wrong} must be ${form}`);
  };
  refuse(TEXTS, "a string", (value) => value === null || typeof value === "string");
  refuse(LISTS, "a list", (value) => value === null || Array.isArray(value));
  refuse(COLLECTIONS, "a map or a list", (value) => value === null || typeof value === "object");
  refuse(BOOLEANS, "true or false", (value) => value === null || truthOf(value) !== undefined);
}

/** What compose takes for true and false; undefined for anything else. */
export function truthOf(value: Data): boolean | undefined {
  if (typeof value === "boolean") return value;
  if (typeof value !== "string") return undefined;
  if (/^(?:true|y|yes|on)$/i.test(value)) return true;
  return /^(?:false|n|no|off)$/i.test(value) ? false : undefined;
}
