// Which sources a build may have, and what they are replaced by (BuildKit, sourcepolicy/): rules over identifiers, in the form
// that sources have in its low-level graphs.

import { createContext, Script } from "node:vm";
import { BuildError } from "../core/errors.ts";

/** A source by its identifier ("docker-image://docker.io/library/alpine:3") and its attributes. */
export interface NamedSource {
  readonly identifier: string;
  readonly attrs: ReadonlyMap<string, string>;
}

export interface SourceRule {
  readonly action: "allow" | "deny" | "convert";
  readonly identifier: string;
  readonly match: "wildcard" | "exact" | "regex";
  /** All must hold; an attribute that is not there is "". */
  readonly constraints: readonly {
    readonly key: string;
    readonly value: string;
    readonly condition: "equal" | "unequal" | "matches";
  }[];
  /** What a source that is converted becomes; an empty identifier is the rule's own. */
  readonly updates?: NamedSource | undefined;
}

/** Rules in order: of those that allow and deny the last one counts, one that converts begins anew. */
export type SourcePolicy = readonly SourceRule[];

const MOST_CONVERSIONS = 20;
/** For all expressions of one source: a client's must not hold up the others. */
const MATCH_MS = 200;

/** The source to take. Throws `INPUT_MISSING` for one that is denied, `USAGE` for rules that cannot be followed. */
export function applyPolicies(policies: readonly SourcePolicy[], asked: NamedSource): NamedSource {
  let source = asked;
  for (let count = 0; count <= MOST_CONVERSIONS; count++) {
    const next = convertedBy(policies, source);
    if (next === undefined) return source;
    source = next;
  }
  throw new BuildError("USAGE", `the source policy converts "${asked.identifier}" without end`);
}

/** Undefined where all policies leave it as it is. */
function convertedBy(policies: readonly SourcePolicy[], source: NamedSource): NamedSource | undefined {
  for (const policy of policies) {
    let isDenied = false;
    for (const rule of policy) {
      if (!matches(rule, source)) continue;
      isDenied = rule.action === "deny" || (rule.action === "convert" && isDenied);
      const next = rule.action === "convert" ? converted(rule, source) : undefined;
      if (next !== undefined) return next;
    }
    if (isDenied) throw new BuildError("INPUT_MISSING", `source "${source.identifier}" denied by policy`);
  }
  return undefined;
}

function matches({ identifier, match, constraints }: SourceRule, source: NamedSource): boolean {
  const holds = constraints.every(({ key, value, condition }) => {
    const found = source.attrs.get(key) ?? "";
    if (condition === "matches") return expression(value).exec(found) !== undefined;
    return (found === value) === (condition === "equal");
  });
  if (!holds) return false;
  if (identifier === source.identifier) return true;
  return match !== "exact" && patternOf(identifier, match).exec(source.identifier) !== undefined;
}

/** Undefined when nothing changes by it. */
function converted({ identifier, match, updates }: SourceRule, source: NamedSource): NamedSource | undefined {
  if (updates === undefined)
    throw new BuildError("USAGE", `the source policy does not say what "${identifier}" becomes`);
  const wanted = updates.identifier === "" ? identifier : updates.identifier;
  const next = match === "exact" ? wanted : patternOf(identifier, match).replace(source.identifier, wanted, match);
  const attrs = new Map([...source.attrs, ...updates.attrs]);
  const isSame = [...attrs].every(([key, value]) => source.attrs.get(key) === value);
  const identifierOf = next === "" ? source.identifier : next;
  return identifierOf === source.identifier && isSame ? undefined : { identifier: identifierOf, attrs };
}

interface Pattern {
  exec(text: string): RegExpExecArray | undefined;
  /** A pattern for all of a text gives the template; an expression replaces what it finds. */
  replace(text: string, template: string, match: SourceRule["match"]): string;
}

function patternOf(identifier: string, match: SourceRule["match"]): Pattern {
  if (match === "regex") return expression(identifier);
  if (identifier.includes("**"))
    throw new BuildError("USAGE", `the source policy has an invalid wildcard: "${identifier}"`);
  return expression(`^${identifier.split("*").map(escaped).join("(.*)")}$`);
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`);
}

/** An expression in Go's syntax, as far as this language has it too. */
function expression(text: string): Pattern {
  const [, flags = "", rest = text] = /^\(\?([ims]+)\)(.*)$/s.exec(text) ?? [];
  let regex: RegExp;
  try {
    regex = new RegExp(rest.replaceAll("(?P<", "(?<"), `gu${flags}`);
  } catch (cause) {
    throw new BuildError("USAGE", `the source policy has an invalid expression: "${text}"`, { cause });
  }
  const all = (subject: string): readonly RegExpExecArray[] => found(regex, subject, text);
  return {
    exec: (subject) => all(subject)[0],
    replace: (subject, template, match) => {
      const hits = all(subject);
      if (match === "wildcard") return hits[0] === undefined ? subject : expanded(template, hits[0]);
      let [result, at] = ["", 0];
      for (const hit of hits) {
        result += subject.slice(at, hit.index) + expanded(template, hit);
        at = hit.index + hit[0].length;
      }
      return result + subject.slice(at);
    },
  };
}

const FIND = new Script("[...subject.matchAll(regex)]");

/** Another context is what can be stopped when an expression takes for ever. */
function found(regex: RegExp, subject: string, text: string): readonly RegExpExecArray[] {
  try {
    // What the script gives is what matchAll gives.
    return FIND.runInContext(createContext({ regex, subject }), { timeout: MATCH_MS }) as RegExpExecArray[];
  } catch (cause) {
    throw new BuildError("USAGE", `the source policy has an expression that takes too long: "${text}"`, { cause });
  }
}

/** Go's templates: $1, ${1}, $name, ${name}, $$; what there is no group for is nothing (regexp.Expand). */
function expanded(template: string, hit: RegExpExecArray): string {
  return template.replaceAll(/\$(?:\$|\{(\w+)\}|(\w+))/g, (whole: string, braced?: string, plain?: string) => {
    if (whole === "$$") return "$";
    const name = braced ?? plain ?? "";
    return (/^\d+$/.test(name) ? hit[Number(name)] : hit.groups?.[name]) ?? "";
  });
}
