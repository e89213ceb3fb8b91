// A target as the command line of `tsbuild build` that asks for the same.

import { BuildError } from "../../builder/core/errors.ts";
import { entryText, secretText, sshText } from "./entries.ts";
import { dockerfilePath, localPath } from "./paths.ts";
import type { Target } from "./target.ts";

/** Where what one target gives to others lies, by its name. */
export type LinkPath = (target: string) => string;

/** Flags of the build, and its context. */
export interface Words {
  readonly flags: readonly string[];
  readonly context: string;
}

/** The flags of one target. Throws `USAGE` for what bake does not take. */
export function wordsOf(name: string, target: Target, linkPath: LinkPath): Words {
  const { context = ".", dockerfile = "Dockerfile" } = target;
  if (context === "-" || dockerfile === "-")
    throw new BuildError(
      "USAGE",
      `target "${name}": standard input is no ${context === "-" ? "context" : "dockerfile"} of bake`,
    );
  const folder = localPath(context);
  const flags: string[] = [];
  const add = (flag: string, values: Iterable<string> | undefined): void => {
    for (const value of values ?? []) flags.push(`--${flag}=${value}`);
  };
  const one = (value: string | boolean | undefined): string[] => (value === undefined ? [] : [String(value)]);
  if (target["dockerfile-inline"] === undefined) add("file", [dockerfilePath(dockerfile, folder)]);
  add("build-arg", pairs(target.args));
  add("label", pairs(target.labels));
  add("annotation", target.annotations);
  add("tag", target.tags);
  add(
    "build-context",
    pairs(target.contexts, (value) => contextText(value, linkPath)),
  );
  add("target", one(target.target));
  add("platform", target.platforms);
  add("output", target.output?.map(entryText));
  add("cache-from", target["cache-from"]?.map(entryText));
  add("cache-to", target["cache-to"]?.map(entryText));
  add("secret", target.secret?.map(secretText));
  add("ssh", target.ssh?.map(sshText));
  add("attest", target.attest?.map(entryText));
  add("no-cache", one(target["no-cache"]));
  if (target["no-cache"] !== true) add("no-cache-filter", target["no-cache-filter"]);
  add("pull", one(target.pull));
  add("network", one(target.network));
  add("shm-size", one(target["shm-size"]));
  add("ulimit", target.ulimits);
  add("add-host", pairs(target["extra-hosts"]));
  add("allow", target.entitlements);
  return { flags, context: folder ?? context };
}

function pairs(
  map: ReadonlyMap<string, string> | undefined,
  text: (value: string) => string = (value) => value,
): string[] {
  return [...(map ?? [])].map(([key, value]) => `${key}=${text(value)}`);
}

function contextText(text: string, linkPath: LinkPath): string {
  const other = /^target:(.*)$/s.exec(text)?.[1];
  return other === undefined ? (localPath(text) ?? text) : `oci-layout://${linkPath(other)}`;
}

/** Whether a context is what another target makes. */
export function isLink(context: string): boolean {
  return context.startsWith("target:");
}

/** The targets whose result this one is built on. */
export function linksOf(target: Target): readonly string[] {
  return [...new Set([...(target.contexts?.values() ?? [])].flatMap((text) => /^target:(.*)$/s.exec(text)?.[1] ?? []))];
}
