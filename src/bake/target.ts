// A target of a definition: what one build is asked for.

import type { Field } from "./fields.ts";
import {
  APPENDED_TEXTS,
  ATTESTS,
  BOOL,
  CACHES,
  CONTEXTS,
  DESCRIPTION,
  ESCAPED_MAP,
  ESCAPED_TEXT,
  ESCAPED_TEXTS,
  EXPORTS,
  LAST_CACHES,
  SECRETS,
  SSH,
  TEXT,
  TEXTS,
} from "./fields.ts";
import type { Value } from "./hcl/value.ts";

/** The attributes by name, in the order in which they are printed. */
export const TARGET_FIELDS = {
  description: DESCRIPTION,
  inherits: APPENDED_TEXTS,
  annotations: ESCAPED_TEXTS,
  attest: ATTESTS,
  context: TEXT,
  contexts: CONTEXTS,
  dockerfile: TEXT,
  "dockerfile-inline": ESCAPED_TEXT,
  args: ESCAPED_MAP,
  labels: ESCAPED_MAP,
  tags: TEXTS,
  "cache-from": CACHES,
  "cache-to": LAST_CACHES,
  target: TEXT,
  secret: SECRETS,
  ssh: SSH,
  platforms: TEXTS,
  output: EXPORTS,
  pull: BOOL,
  "no-cache": BOOL,
  network: TEXT,
  "no-cache-filter": APPENDED_TEXTS,
  "shm-size": TEXT,
  ulimits: APPENDED_TEXTS,
  call: TEXT,
  entitlements: APPENDED_TEXTS,
  "extra-hosts": ESCAPED_MAP,
} as const;

export type FieldName = keyof typeof TARGET_FIELDS;

type ValueOf<F> = F extends Field<infer T> ? T : never;

/** The attributes that were said. */
export type Target = { readonly [K in FieldName]?: ValueOf<(typeof TARGET_FIELDS)[K]> };

/** A group: a name for several targets. */
export interface Group {
  readonly description?: string;
  readonly targets: readonly string[];
}

/** What the files say together, in their order. */
export interface Definition {
  readonly groups: Map<string, Group>;
  readonly targets: Map<string, Target>;
}

/** Whether there is an attribute of that name. */
export function isFieldName(name: string): name is FieldName {
  return Object.hasOwn(TARGET_FIELDS, name);
}

/** One attribute, so that the value fits the name: what follows is about any of them. */
export function fieldOf(name: FieldName): Field<unknown> {
  return TARGET_FIELDS[name];
}

/** `before` with what `after` says: some attributes replace, some are added to. */
export function mergeTargets(before: Target, after: Target): Target {
  const merged: Record<string, unknown> = { ...before };
  for (const [name, value] of saidOf(after)) {
    const old = before[name];
    merged[name] = old === undefined ? value : fieldOf(name).merge(old, value);
  }
  return merged;
}

/** Without what is said twice; the network of the host needs its entitlement. */
export function normalizeTarget(target: Target): Target {
  const entitlements =
    target.network === "host" ? { entitlements: [...(target.entitlements ?? []), "network.host"] } : {};
  const normalized: Record<string, unknown> = {};
  for (const [name, value] of saidOf({ ...target, ...entitlements })) {
    const left = name === "inherits" ? value : fieldOf(name).normalize(value);
    if (left !== undefined) normalized[name] = left;
  }
  return normalized;
}

/** As `--print` shows it. */
export function printTarget(target: Target): object {
  const shown = (Object.keys(TARGET_FIELDS) as FieldName[]).map((name) => {
    const value = target[name];
    return [name, value === undefined ? undefined : fieldOf(name).print(value)] as const;
  });
  return Object.fromEntries(shown.filter(([, value]) => value !== undefined));
}

/** An attribute as other parts of the definition see it. */
export function valueOfField(name: FieldName, value: unknown): Value {
  return value === undefined ? null : fieldOf(name).value(value);
}

function saidOf(target: Target): [FieldName, unknown][] {
  return (Object.entries(target) as [FieldName, unknown][]).filter(([, value]) => value !== undefined);
}
