// Why steps ran, for people: a line a step.

import type {
  BuildReasons,
  Difference,
  FileChange,
  FileState,
  InputThen,
  Reason,
  StepReason,
} from "../../../builder/why.ts";
import { printable } from "../../cli/printable.ts";
import { cut } from "../../progress/terminal-text.ts";

const NAME_COLUMNS = 60;
const VALUE_COLUMNS = 80;
/** Named of the files that differ; `why BUILD STEP` and JSON name more. */
const FEW = 3;

export interface WhyLook {
  /** Also steps that did not run. */
  readonly isWhole: boolean;
  /** All files, and nothing cut. */
  readonly isLong: boolean;
}

/** The text; says so when nothing ran. */
export function whyText({ steps, status }: BuildReasons, look: WhyLook): string {
  const names = steps.map(shortName);
  const told = new Set(steps.flatMap((step, at) => (step.reason === undefined ? [] : [names[at] ?? ""])));
  const lines = steps.flatMap((step, at) => {
    const name = names[at] ?? "";
    // Several platforms have the same line.
    const shown = names.indexOf(name) === names.lastIndexOf(name) ? name : withPlace(printable(step.name), step.place);
    const text = outcomeText(step, look, told);
    return text === undefined ? [] : [`${shown} ${text}\n`];
  });
  if (lines.length > 0) return lines.join("");
  return status === "error" || status === "canceled"
    ? "nothing ran before the build ended\n"
    : "nothing ran: every step was known\n";
}

/** Why each step ran, by vertex. */
export function reasonLines({ steps }: BuildReasons): ReadonlyMap<string, string> {
  const look = { isWhole: false, isLong: false };
  const told = new Set(steps.flatMap((step) => (step.reason === undefined ? [] : [shortName(step)])));
  return new Map(
    steps.flatMap(({ vertex, reason }) =>
      reason === undefined ? [] : [[vertex, reasonText(reason, look, told)] as const],
    ),
  );
}

/** `told`: steps that have a line of their own which says why. */
function outcomeText(
  { outcome, reason, cachedFrom }: StepReason,
  look: WhyLook,
  told: ReadonlySet<string>,
): string | undefined {
  const why = reason === undefined ? "" : `: ${reasonText(reason, look, told)}`;
  switch (outcome) {
    case "ran":
      return `ran${why}`;
    case "failed":
      return `failed${why}`;
    case "cancelled":
      return "was cancelled before it ended";
    case "would-run":
      return `would run${why}`;
    case "may-run":
      return `may run${why}`;
    case "cached":
      if (cachedFrom !== undefined) return `came from the cache ${printable(cachedFrom)}`;
      return look.isWhole ? "was cached" : undefined;
    case "would-be-cached":
      return look.isWhole ? "is cached" : undefined;
    case "not-run":
      return look.isWhole ? "is not needed, or was not reached" : undefined;
  }
}

function reasonText(reason: Reason, look: WhyLook, told: ReadonlySet<string>): string {
  switch (reason.kind) {
    case "never":
      return "never built here";
    case "no-cache":
      return "asked for without the cache";
    case "pruned":
      return `its result was pruned at ${new Date(reason.atMs).toISOString()}`;
    case "gone":
      return "its result is not in the store any more";
    case "failed":
      return "it failed the last time, and nothing has changed since";
    case "open":
      return `it reads what ${reason.steps.map(inputText).join(", ")} would make`;
    case "unknown":
      return reason.withheld === undefined
        ? "something changed of which no value is written down: a secret's, or that of an argument with such a name"
        : `it must be the value of ${reason.withheld.map(printable).join(" or ")} that changed, which is not written down`;
    case "changed": {
      const { differences, root } = reason;
      const own = differences.filter(({ kind }) => kind !== "base").map((each) => differenceText(each, look));
      const below = differences.find((each) => each.kind === "base");
      if (below === undefined) return own.join("; ");
      if (root === undefined) return [...own, differenceText(below, look)].join("; ");
      const from = inputText(root.step);
      const there = root.differences.map((each) => differenceText(each, look));
      const why = told.has(from) || there.length === 0 ? "" : ` (${there.join("; ")})`;
      return [...own, `because ${from} gave another result${why}`].join("; ");
    }
  }
}

function differenceText(difference: Difference, look: WhyLook): string {
  switch (difference.kind) {
    case "field":
      return fieldText(difference, look);
    case "base":
      return `it stands on ${inputText(difference.to)} instead of ${inputText(difference.from)}`;
    case "image": {
      const { name, formerName, from, to } = difference;
      const change = `(${shortDigest(from)} -> ${shortDigest(to)})`;
      return formerName === undefined
        ? `base image ${printable(name)} changed ${change}`
        : `base image is ${printable(name)} instead of ${printable(formerName)} ${change}`;
    }
    case "files": {
      const { of, formerly, formerImage, target, files, more = 0, from, to } = difference;
      const place = of.name.startsWith("[internal] load") ? "" : ` in ${inputText(of)}`;
      const what = `${target === undefined ? "" : `mount ${printable(target)}: `}`;
      const other = sourceText(of, formerly, formerImage);
      if (files === undefined)
        return `${what}${other}files${place} changed (${shortDigest(from)} -> ${shortDigest(to)}; their list is not kept any more)`;
      if (files.length === 0) return `${what}${other}names or order of what is copied${place} changed`;
      const few = look.isLong ? files : files.slice(0, FEW);
      const left = files.length - few.length + more;
      const rest = left === 0 ? "" : ` and ${left} more`;
      return `${what}${other}${few.map((change) => fileText(change, place)).join(", ")}${rest}`;
    }
  }
}

/** What is read from where that is not what it was, and a semicolon; "" where it is. */
function sourceText(of: InputThen, formerly: string | undefined, formerImage: string | undefined): string {
  if (of.image !== undefined && formerImage !== undefined)
    return `image ${printable(of.image.name)} changed (${shortDigest(formerImage)} -> ${shortDigest(of.image.digest)}): `;
  return formerly === undefined ? "" : `read from ${inputText(of)} instead of ${printable(formerly)}; `;
}

function fieldText({ field, from, to }: Extract<Difference, { kind: "field" }>, { isLong }: WhyLook): string {
  const value = (text: string): string => {
    const shown = JSON.stringify(printable(text));
    return isLong ? shown : cut(shown.replaceAll(/\b(sha256:[0-9a-f]{12})[0-9a-f]{52}\b/g, "$1…"), VALUE_COLUMNS);
  };
  const name = printable(field);
  if (from === undefined) return `${name} was added${to === undefined || to === "" ? "" : `: ${value(to)}`}`;
  if (to === undefined) return `${name} was removed`;
  if (from === to) return `${name} changed`;
  return `${name} changed (${value(from)} -> ${value(to)})`;
}

function fileText({ path, from, to }: FileChange, place: string): string {
  const name = `${printable(path)}${place}`;
  if (from === undefined) return `${name} was added`;
  if (to === undefined) return `${name} was removed`;
  const changes = CHANGES.flatMap((field) =>
    from[field] === to[field] ? [] : [`${LABELS[field]}${state(from[field])} -> ${state(to[field])}`],
  );
  return `${name} changed (${changes.join(", ")})`;
}

const CHANGES = [
  "type",
  "digest",
  "mode",
  "owner",
  "link",
  "capability",
] as const satisfies readonly (keyof FileState)[];
const LABELS = {
  type: "",
  digest: "",
  mode: "mode ",
  owner: "owner ",
  link: "link ",
  capability: "capability ",
} as const;

function state(value: string | undefined): string {
  return value === undefined ? "none" : shortDigest(printable(value));
}

function shortDigest(text: string): string {
  return /^sha256:[0-9a-f]{64}$/.test(text) ? `${text.slice(0, 19)}…` : text;
}

function shortName({ name, place }: StepReason): string {
  return inputText({ name, ...(place === undefined ? {} : { place }) });
}

/** "COPY package.json . (Dockerfile:6)". */
function inputText({ name, place, image }: InputThen): string {
  if (image !== undefined) return printable(image.name);
  const shown = printable(place === undefined ? name : name.replace(/^\[.*?\] /, ""));
  return withPlace(cut(shown, NAME_COLUMNS), place);
}

function withPlace(text: string, place: string | undefined): string {
  return place === undefined ? text : `${text} (${printable(place)})`;
}
