// Which lint findings count: the rules that `# check=`, BUILDKIT_DOCKERFILE_CHECK and comments above an
// instruction switch off or on. BuildKit reports some rules while it reads (lint-reading.ts) and the others
// while it converts a stage that is built; both go through a Linter.

import { BuildError, withLocation } from "../core/errors.ts";
import type { SourceLocation, SourceRange } from "../core/errors.ts";
import { parseBool, quote } from "./convert/config/go-text.ts";
import { DirectiveReader } from "./directives.ts";
import type { Dockerfile, LintFinding } from "./instruction.ts";
import type { LintRule } from "./lint-rules.ts";
import { trimSpace } from "./space.ts";

/** What `check=` says. */
export interface CheckOptions {
  readonly skip: "all" | ReadonlySet<string>;
  readonly experimental: "all" | ReadonlySet<string>;
  readonly failsBuild: boolean;
}

/** Hears of each finding that counts, when it is made. */
export type FindingSink = (finding: LintFinding) => void;

/** The options that count: those of the request (`BUILDKIT_DOCKERFILE_CHECK`), else the file's own. Throws `USAGE`, `DOCKERFILE`. */
export function checkOptions(
  asked: string | undefined,
  file: Pick<Dockerfile, "fileName" | "text" | "directives">,
): CheckOptions {
  try {
    return parseCheck(asked ?? file.directives.check ?? "");
  } catch (error) {
    if (asked === undefined) throw withLocation(error, directivePlace(file));
    const reason = error instanceof Error ? error.message.replace("check options", "BUILDKIT_DOCKERFILE_CHECK") : "";
    throw new BuildError("USAGE", reason, { cause: error, hint: OPTIONS_HINT });
  }
}

function directivePlace({ fileName, text }: Pick<Dockerfile, "fileName" | "text">): SourceLocation {
  const line = text.split("\n").findIndex((each) => /^\s*#\s*check\s*=/i.test(each)) + 1;
  return { file: fileName, range: { startLine: line, endLine: line }, text };
}

/** Reads `skip=A,B;error=true;experimental=all`. Throws `DOCKERFILE`. */
export function parseCheck(text: string): CheckOptions {
  let skip: "all" | Set<string> = new Set();
  let experimental: "all" | Set<string> = new Set();
  let failsBuild = false;
  if (trimSpace(text) === "") return { skip, experimental, failsBuild };
  for (const part of atMostThree(trimSpace(text))) {
    const at = part.indexOf("=");
    if (at < 0) throw badOption(`invalid check option ${quote(part)}`);
    const key = trimSpace(part.slice(0, at));
    const value = trimSpace(part.slice(at + 1));
    if (key === "skip") skip = value === "all" ? "all" : ruleNames(value);
    else if (key === "experimental") experimental = value === "all" ? "all" : ruleNames(value);
    else if (key === "error") failsBuild = readBool(value, part);
    else throw badOption(`invalid check option ${quote(key)}`);
  }
  return { skip, experimental, failsBuild };
}

/** Collects the findings that count. */
export class Linter {
  readonly #options: CheckOptions;
  readonly #findings: LintFinding[];
  readonly #sink: FindingSink | undefined;
  #isStopped = false;

  /** `found`: findings to begin with, which a reader has collected, and told, under the same options. */
  constructor(options: CheckOptions, found: readonly LintFinding[] = [], sink?: FindingSink) {
    this.#options = options;
    this.#findings = [...found];
    this.#sink = sink;
  }

  get findings(): readonly LintFinding[] {
    return this.#findings;
  }

  /** Takes no more findings. */
  stop(): void {
    this.#isStopped = true;
  }

  /** A linter for one instruction: a `# check=skip=…` among the comments above it counts as well. */
  for(comments: readonly string[]): Pick<Linter, "report"> {
    const local = checkIn(comments);
    if (local === undefined) return this;
    return { report: (rule, range, ...subject) => this.#add([this.#options, local], rule, range, subject) };
  }

  /** Records a finding, unless its rule is switched off. */
  report<S extends readonly string[]>(rule: LintRule<S>, range: SourceRange | undefined, ...subject: S): void {
    this.#add([this.#options], rule, range, subject);
  }

  /** Throws when findings fail the build (`error=true`) and there are any. */
  throwIfFailing(): void {
    if (!this.#options.failsBuild || this.#findings.length === 0) return;
    const rules = new Set(this.#findings.map((finding) => finding.rule));
    throw new BuildError("DOCKERFILE", `lint violation found for rules: ${[...rules].join(", ")}`, {
      hint: 'the findings are errors because of "check=error=true"',
    });
  }

  #add<S extends readonly string[]>(
    options: readonly CheckOptions[],
    rule: LintRule<S>,
    range: SourceRange | undefined,
    subject: S,
  ): void {
    const { name, description, url } = rule;
    const isOff =
      rule.experimental === true
        ? !options.some(({ experimental }) => has(experimental, name))
        : options.some(({ skip }) => has(skip, name));
    if (isOff || this.#isStopped) return;
    const finding = { rule: name, description, url, message: rule.message(...subject), range };
    this.#findings.push(finding);
    this.#sink?.(finding);
  }
}

/** The options of the first comment that is a check directive; one that cannot be read is as none. */
function checkIn(comments: readonly string[]): CheckOptions | undefined {
  for (const comment of comments) {
    const directive = new DirectiveReader("").read(comment);
    if (directive?.name !== "check") continue;
    try {
      return parseCheck(directive.value.split(" ", 1)[0] ?? "");
    } catch {
      return undefined;
    }
  }
  return undefined;
}

function has(rules: "all" | ReadonlySet<string>, name: string): boolean {
  return rules === "all" || rules.has(name);
}

function ruleNames(list: string): Set<string> {
  return new Set(list.split(",").map(trimSpace));
}

/** At most three parts; what follows the second semicolon is one. */
function atMostThree(text: string): string[] {
  const parts = text.split(";");
  return parts.length <= 3 ? parts : [...parts.slice(0, 2), parts.slice(2).join(";")];
}

function readBool(value: string, part: string): boolean {
  const bool = parseBool(value);
  if (bool !== undefined) return bool;
  throw badOption(
    `failed to parse check option ${quote(part)}: strconv.ParseBool: parsing ${quote(value)}: invalid syntax`,
  );
}

const OPTIONS_HINT = 'write "skip=Rule,Rule;error=true", or "skip=all"';

function badOption(message: string): BuildError {
  return new BuildError("DOCKERFILE", `failed to parse check options: ${message}`, {
    hint: OPTIONS_HINT,
  });
}
