// Names without a registry, "busybox" or "team/app". They are Docker Hub's, as docker has it, so that a Dockerfile means
// the same on every machine. TSBUILD_SHORT_NAMES=containers follows registries.conf in their place, as podman does.

import { BuildError } from "../../../builder/core/errors.ts";
import { formatReference, parseReference } from "../../../builder/core/image/reference.ts";
import type { RegistriesConf } from "./registries-conf.ts";
import type { RegistryConfiguration } from "./registry-router.ts";

/** What registries.conf makes of a short name, whether or not that is what counts. */
export interface ShortNameReport {
  /** "docker.io/library/busybox", or what registries.conf says. */
  readonly name: string;
  readonly because: string;
  /** What registries.conf would say, when docker's rule is in force. */
  readonly unused?: string | undefined;
}

/** Whether an image name has no registry (distribution's reference grammar, as docker reads it). */
function isShortName(name: string): boolean {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  return first === "" || (!/[.:]/.test(first) && first !== "localhost" && first === first.toLowerCase());
}

/**
 * The full name of a short one by registries.conf: its alias, else the one registry that is searched; undefined when the
 * files name none. Throws `CONFIG` when they name several, since asking one after the other would let a stranger on an
 * earlier one answer for an image on a later one.
 */
function expandShortName(
  name: string,
  { aliases, search }: Pick<RegistriesConf, "aliases" | "search">,
): { readonly name: string; readonly because: string } | undefined {
  const [, repository = name, rest = ""] = /^([^:@]*)(.*)$/s.exec(name) ?? [];
  const alias = aliases.get(repository);
  if (alias !== undefined) return { name: `${alias.name}${rest}`, because: `${alias.file}, aliases "${repository}"` };
  if (search === undefined) return undefined;
  const [registry, ...others] = search.registries;
  const because = `${search.file}, unqualified-search-registries`;
  if (registry === undefined) {
    throw new BuildError("CONFIG", `"${name}" has no registry, and ${search.file} allows none to be searched`, {
      hint: `write it in full, as docker.io/library/${repository}`,
    });
  }
  if (others.length > 0) {
    throw new BuildError("CONFIG", `"${name}" may be in any of ${search.registries.join(", ")}`, {
      hint: `write it in full, or give it an alias (${because})`,
    });
  }
  return { name: `${registry}/${name}`, because };
}

/**
 * What a name stands for, with the reason; undefined for one that has a registry. `isFollowed`: by registries.conf, else
 * by docker's rule.
 */
export async function reportShortName(
  name: string,
  configuration: RegistryConfiguration,
  isFollowed: boolean,
): Promise<ShortNameReport | undefined> {
  if (!isShortName(name)) return undefined;
  const docker = formatReference(parseReference(name));
  let expanded: ReturnType<typeof expandShortName>;
  try {
    expanded = expandShortName(name, await configuration.registriesConf());
  } catch (error) {
    if (isFollowed || !(error instanceof BuildError)) throw error;
  }
  if (isFollowed && expanded !== undefined) return expanded;
  const isOther = expanded !== undefined && formatReference(parseReference(expanded.name)) !== docker;
  return {
    name: docker,
    because: "a name without a registry is Docker Hub's",
    ...(isOther ? { unused: `${expanded?.name ?? ""} (${expanded?.because ?? ""})` } : {}),
  };
}
