// Which targets are to be built, with what they inherit and what --set says (buildx, bake/bake.go).

import { BuildError } from "../../builder/core/errors.ts";
import { cleanPath, contextAt, localPath } from "./paths.ts";
import { isPattern, matchesPattern } from "./glob.ts";
import type { Overrides } from "./overrides.ts";
import { applyOverrides } from "./overrides.ts";
import type { Definition, Group, Target } from "./target.ts";
import { mergeTargets, normalizeTarget } from "./target.ts";

const TARGET_PREFIX = "target:";

/** What is to be built. */
export interface Selection {
  /** The groups that were named, and "default" of what was asked for. */
  readonly groups: ReadonlyMap<string, Group>;
  readonly targets: ReadonlyMap<string, Target>;
  /** Targets that others are built on, and that nobody asked for. */
  readonly linked: ReadonlySet<string>;
}

/** What else counts for targets than the definition. */
export interface Places {
  readonly overrides: Overrides;
  /** Where folders of a definition lead that lies elsewhere. */
  readonly at?: ((path: string) => string) | undefined;
}

/** The targets of these names, patterns and groups. Throws `USAGE`. */
export function select(definition: Definition, asked: readonly string[], places: Places): Selection {
  const names = [...new Set(asked.map(sanitizeName).flatMap((name) => matching(definition, name)))];
  const targets = new Map<string, Target>();
  const groups = new Map<string, Group>();
  for (const name of names) {
    const found = expand(definition, name);
    for (const target of found.targets) targets.set(target, resolveTarget(definition, target, places));
    for (const group of found.groups) groups.set(group, definition.groups.get(group) ?? { targets: [] });
  }
  const others = names.filter((name) => name !== "default" || !groups.has("default"));
  const byDefault = groups.get("default");
  if (byDefault !== undefined || others.length > 0)
    groups.set("default", {
      ...byDefault,
      targets: [...new Set([...(byDefault?.targets ?? []), ...others])].toSorted(),
    });
  const linked = new Set<string>();
  for (const name of [...targets.keys()]) followLinks(definition, name, { targets, linked, places }, []);
  return { groups, targets, linked };
}

/** Services of compose files may have a dot in their name. */
export function sanitizeName(name: string): string {
  return name.replaceAll(".", "_");
}

function matching({ groups, targets }: Definition, name: string): readonly string[] {
  if (!isPattern(name)) return [name];
  const found = [...groups.keys(), ...targets.keys()].filter((each) => matchesPattern(name, each));
  if (found.length === 0) throw new BuildError("USAGE", `could not find any target matching "${name}"`);
  return found;
}

/** What a group holds; what is being looked into holds nothing yet. */
interface Expanded {
  readonly targets: readonly string[];
  readonly groups: readonly string[];
}

/** The targets of a group, of groups in it too. */
function expand(definition: Definition, name: string, seen: Map<string, Expanded> = new Map()): Expanded {
  const known = seen.get(name);
  if (known !== undefined) return known;
  const group = definition.groups.get(name);
  if (group === undefined) return { targets: [name], groups: [] };
  seen.set(name, { targets: [], groups: [] });
  const inner = group.targets.map((each) => {
    const found = expand(definition, each, seen);
    // What holds nothing may be a target beside a group of its name; what is none is refused by its name.
    return found.targets.length > 0 ? found : { ...found, targets: [each] };
  });
  const found = {
    targets: [...new Set(inner.flatMap(({ targets }) => targets))],
    groups: [name, ...new Set(inner.flatMap(({ groups }) => groups))],
  };
  seen.set(name, found);
  return found;
}

function resolveTarget(definition: Definition, name: string, { overrides, at }: Places): Target {
  const { inherits: _, context: said = ".", ...target } = inherited(definition, name, overrides, new Map());
  const context = at === undefined ? said : contextAt(said, at);
  const folder = localPath(context);
  const dockerfile = target.dockerfile || "Dockerfile";
  return { ...target, context: folder === undefined ? context : cleanPath(folder), dockerfile };
}

function inherited(
  definition: Definition,
  name: string,
  overrides: Overrides,
  seen: Map<string, Target | undefined>,
): Target {
  const known = seen.get(name);
  if (known !== undefined || seen.has(name)) return known ?? {};
  seen.set(name, undefined);
  const target = definition.targets.get(name);
  if (target === undefined) throw unknownTarget(definition, name);
  const parents = (target.inherits ?? []).map((parent) => inherited(definition, parent, overrides, seen));
  const merged = [...parents, target].reduce(mergeTargets, {});
  const resolved = normalizeTarget(applyOverrides(merged, overrides.get(name)));
  seen.set(name, resolved);
  return resolved;
}

function unknownTarget({ targets, groups }: Definition, name: string): BuildError {
  if (groups.has(name)) return new BuildError("USAGE", `group "${name}" holds no target, or is in itself`);
  const names = [...groups.keys(), ...targets.keys()].filter((each) => !each.startsWith("_")).toSorted();
  return new BuildError("USAGE", `failed to find target "${name}"`, {
    hint: names.length === 0 ? "the files define no target" : `there are ${[...new Set(names)].join(", ")}`,
  });
}

interface Links {
  readonly targets: Map<string, Target>;
  readonly linked: Set<string>;
  readonly places: Places;
}

/** Contexts that are other targets: these are built too, and what they may do the target may. */
function followLinks(definition: Definition, name: string, links: Links, path: readonly string[]): void {
  const { targets, linked, places } = links;
  const here = [...path, name];
  for (const context of targets.get(name)?.contexts?.values() ?? []) {
    if (!context.startsWith(TARGET_PREFIX)) continue;
    const other = context.slice(TARGET_PREFIX.length);
    if (other === name) throw new BuildError("USAGE", `target "${name}" cannot link to itself`);
    if (here.includes(other)) throw new BuildError("USAGE", `infinite loop from "${name}" to "${other}"`);
    if (!targets.has(other)) {
      const output = [new Map([["type", "cacheonly"]])];
      targets.set(other, { ...resolveTarget(definition, other, places), output });
      linked.add(other);
    }
    followLinks(definition, other, links, here);
    const [target, base] = [targets.get(name) ?? {}, targets.get(other) ?? {}];
    const entitlements = [...new Set([...(target.entitlements ?? []), ...(base.entitlements ?? [])])];
    if (entitlements.length > 0) targets.set(name, { ...target, entitlements });
    const [ours = [], theirs = []] = [target.platforms, base.platforms];
    if (ours.length > 1 && theirs.length > 1 && !ours.every((platform) => theirs.includes(platform)))
      throw new BuildError(
        "USAGE",
        `target "${other}" can't be used by "${name}" because its platforms ${ours.join(", ")} are not a subset of ${theirs.join(", ")}`,
      );
  }
}
