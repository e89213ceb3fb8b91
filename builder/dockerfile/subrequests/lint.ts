// `check` (BuildKit calls it lint): the findings of a Dockerfile, and what a build of it would stumble over.

import type { BuildError } from "../../core/errors.ts";
import type { LintFinding } from "../instruction.ts";
import type { Answer } from "./text.ts";
import { goJson, jsonLocation, sourceExcerpt } from "./text.ts";

/** A Dockerfile as it was found. */
export interface CheckedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The findings as BuildKit's frontend answers them: JSON in the order in which they were made, text by line. */
export function lintAnswer(
  { name, bytes }: CheckedFile,
  findings: readonly LintFinding[],
  error: BuildError | undefined,
): Answer {
  const data = Buffer.from(bytes);
  const json = {
    warnings: findings.length === 0 ? null : findings.map(findingJson),
    sources: [{ filename: name, data: data.toString("base64"), language: "Dockerfile" }],
    buildError: error && {
      message: error.message,
      location: error.location === undefined ? {} : jsonLocation(error.location.range),
    },
  };
  const lines = data.toString("utf8").split("\n");
  const sorted = [...findings].sort(byPlace);
  return { json: goJson(json), text: sorted.map((finding) => findingText(finding, name, lines)).join("") };
}

function findingJson({ rule, description, url, message, range }: LintFinding): object {
  return {
    ruleName: rule,
    description,
    url: url === "" ? undefined : url,
    detail: message,
    location: range === undefined ? {} : jsonLocation(range),
  };
}

/** Those without a place come first, by name. */
function byPlace(a: LintFinding, b: LintFinding): number {
  if (a.range === undefined && b.range === undefined) return a.rule < b.rule ? -1 : a.rule > b.rule ? 1 : 0;
  return (a.range?.startLine ?? 0) - (b.range?.startLine ?? 0);
}

function findingText({ rule, url, message, range }: LintFinding, file: string, lines: readonly string[]): string {
  const head = `\nWARNING: ${rule}${url === "" ? "" : ` - ${url}`}\n${message}\n`;
  return head + (range === undefined ? "" : sourceExcerpt(file, lines, range));
}
