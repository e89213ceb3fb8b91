// `--set target.key=value` (buildx, bake/bake.go): replaces or, with +=, adds to what the files say.

import { BuildError } from "../../builder/core/errors.ts";
import type { Environment } from "../config/environment.ts";
import type { Entry } from "./entries.ts";
import { parseAttests, parseCaches, parseExports, parseSecrets, parseSsh } from "./entries.ts";
import { matchesPattern } from "./glob.ts";
import { toBool } from "./hcl/value.ts";
import type { Target } from "./target.ts";
import { mergeTargets } from "./target.ts";

/** What is said of one key of one target. */
export interface Override {
  /** "args.X", "tags". */
  readonly key: string;
  readonly values: readonly string[];
  readonly append: boolean;
}

/** By target. */
export type Overrides = ReadonlyMap<string, readonly Override[]>;

const NAMED = new Set(["args", "contexts", "labels", "extra-hosts", "secret"]);
const SINGLE = new Set([
  ...["context", "dockerfile", "target", "call", "network", "shm-size"],
  ...["no-cache", "pull", "push", "load"],
]);

/** Reads all of them. Throws `USAGE` for one that is none, or that no target matches. */
export function readOverrides(texts: readonly string[], names: Iterable<string>, environment: Environment): Overrides {
  const all = [...names];
  const found = new Map<string, Map<string, Override>>();
  for (const text of texts) {
    const [written = "", value] = text.split(/=(.*)/s);
    const append = written.endsWith("+");
    const path = append ? written.slice(0, -1) : written;
    const [, pattern = "", key = ""] = /^([^.]*)\.(.+)$/s.exec(path) ?? [];
    if (key === "") throw new BuildError("USAGE", `--set: invalid override key "${path}", expected target.name`);
    const isArgument = key.startsWith("args.");
    if (value === undefined && !isArgument)
      throw new BuildError("USAGE", `--set: invalid override "${text}", expected target.name=value`);
    const given = value ?? environment[key.slice("args.".length)];
    if (given === undefined) continue; // an argument of the environment that is not there
    for (const name of matching(pattern, all)) {
      const ofTarget = found.get(name) ?? new Map<string, Override>();
      found.set(name, ofTarget);
      const before = ofTarget.get(key);
      ofTarget.set(key, { key, append, values: isSingle(key) ? [given] : [...(before?.values ?? []), given] });
    }
  }
  return new Map([...found].map(([name, overrides]) => [name, [...overrides.values()]]));
}

function isSingle(key: string): boolean {
  return SINGLE.has(key) || NAMED.has(key.split(".", 1)[0] ?? "");
}

function matching(pattern: string, names: readonly string[]): readonly string[] {
  const found = names.includes(pattern) ? [pattern] : names.filter((name) => matchesPattern(pattern, name));
  if (found.length === 0) throw new BuildError("USAGE", `could not find any target matching "${pattern}"`);
  return found;
}

/** The target with what is said of it. `push` and `load` come after what they change. Throws `USAGE`. */
export function applyOverrides(target: Target, overrides: readonly Override[] = []): Target {
  const last = (key: string): number => (key === "push" ? 1 : key === "load" ? 2 : 0);
  return overrides.toSorted((a, b) => last(a.key) - last(b.key)).reduce(applyOne, target);
}

function applyOne(target: Target, { key, values, append }: Override): Target {
  const [head = "", name] = key.split(/\.(.*)/s);
  const [value = ""] = values;
  const texts = values.filter((text) => text !== "");
  /** What lists say is put in place of, or behind, what is there. */
  const listed = (said: Target, field: keyof Target): Target =>
    append
      ? { ...target, [field]: [...((target[field] as unknown[] | undefined) ?? []), ...(said[field] as unknown[])] }
      : { ...target, ...said };
  if (NAMED.has(head) && name === undefined)
    throw new BuildError("USAGE", `--set: "${key}" needs a name: ${head}.NAME=value`);
  switch (head) {
    case "args":
    case "contexts":
    case "labels":
    case "extra-hosts":
      return { ...target, [head]: new Map([...(target[head] ?? []), [name ?? "", value]]) };
    case "context":
    case "dockerfile":
    case "target":
    case "call":
    case "network":
    case "shm-size":
      return { ...target, [head]: value };
    case "no-cache":
    case "pull":
      return { ...target, [head]: bool(head, value) };
    case "push":
      return { ...target, output: pushed(target.output ?? [], bool(head, value)) };
    case "load":
      return bool(head, value) ? { ...target, output: loaded(target.output ?? []) } : target;
    case "tags":
    case "no-cache-filter":
    case "ulimits":
      return listed({ [head]: texts }, head);
    case "platform":
      return listed({ platforms: texts }, "platforms");
    case "cache-from":
    case "cache-to":
      return listed({ [head]: texts.flatMap((text) => [...parseCaches(text)]) }, head);
    case "output":
      return listed({ output: texts.flatMap((text) => [...parseExports(text)]) }, "output");
    case "secrets":
      return listed({ secret: texts.flatMap((text) => [...parseSecrets(text)]) }, "secret");
    case "secret":
      return withSecret(target, name ?? "", value);
    case "ssh":
      return listed({ ssh: texts.flatMap((text) => [...parseSsh(text)]) }, "ssh");
    case "attest":
      return mergeTargets(target, { attest: texts.flatMap((text) => [...parseAttests(text)]) });
    case "annotations":
    case "entitlements":
      return mergeTargets(target, { [head]: texts });
    default:
      throw new BuildError("USAGE", `--set: unknown key "${head}"`);
  }
}

function bool(key: string, value: string): boolean {
  try {
    return toBool(value);
  } catch (error) {
    throw new BuildError("USAGE", `--set: invalid value "${value}" for boolean key ${key}`, { cause: error });
  }
}

function withSecret(target: Target, id: string, value: string): Target {
  const [next] = parseSecrets(value);
  const declared = target.secret ?? [];
  if (!declared.some((secret) => secret.id === id))
    throw new BuildError("USAGE", `--set: secret "${id}" must be declared before it can be overridden`);
  if (next === undefined || (next.id !== "" && next.id !== id))
    throw new BuildError("USAGE", `--set: "${value}" is not for the secret "${id}"`);
  return { ...target, secret: declared.map((secret) => (secret.id === id ? { ...next, id } : secret)) };
}

/** Images are pushed, or nothing is. */
function pushed(outputs: readonly Entry[], push: boolean): readonly Entry[] {
  if (!push)
    return outputs
      .filter((entry) => entry.get("type") !== "registry")
      .map((entry) => (entry.get("type") === "image" ? withAttribute(entry, "push", "false") : entry));
  const changed = outputs.map((entry) =>
    entry.get("type") === "image" ? withAttribute(entry, "push", "true") : entry,
  );
  const needsImage = changed.every((entry) => entry.get("type") === "docker");
  return needsImage ? [...changed, new Map(Object.entries({ push: "true", type: "image" }))] : changed;
}

function loaded(outputs: readonly Entry[]): readonly Entry[] {
  for (const entry of outputs) {
    const type = entry.get("type") ?? "";
    if (type === "docker" && !entry.has("dest")) return outputs;
    if (!["docker", "image", "registry", "oci"].includes(type)) return outputs;
  }
  return [...outputs, new Map([["type", "docker"]])];
}

function withAttribute(entry: Entry, key: string, value: string): Entry {
  return new Map([...entry, [key, value]].toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1)) as [string, string][]);
}
