// Lint rules that only the conversion can judge: what is asked here was found while stages
// were built. Which rules count is the linter's matter.

import { bytePath } from "../../core/bytes/byte-path.ts";
import type { SourceRange } from "../../core/errors.ts";
import { compilePatterns } from "../../core/patterns/pattern.ts";
import type { PatternList } from "../../core/patterns/pattern.ts";
import { parseReference } from "../../core/image/reference.ts";
import { expandWord } from "../expand.ts";
import type { Dockerfile, LintFinding } from "../instruction.ts";
import { Linter, checkOptions } from "../lint.ts";
import * as rules from "../lint-rules.ts";
import { globalScope } from "./variables/args.ts";
import type { Variables } from "./variables/env.ts";
import { cleanPath } from "./paths.ts";
import type { ConvertOptions } from "./plan.ts";
import { nearest } from "./suggest.ts";
import type { StageVariables } from "./variables/variables.ts";

const SECRET_WORDS = /(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/i;
const HARMLESS_WORDS = /(?:_|^)(?:public|file|version)(?:_|$)/i;

export class Findings {
  readonly #linter: Linter;
  /** The linter under the comments of the present instruction. */
  #here: Pick<Linter, "report">;
  readonly #ignored = new Map<readonly string[], ReturnType<typeof readExcludes>>();
  /** What may still be spent on suggestions, in characters compared. */
  #searchesLeft = 2_000_000;

  constructor(dockerfile: Dockerfile, { check, onFinding }: ConvertOptions) {
    this.#linter = new Linter(checkOptions(check, dockerfile), dockerfile.findings, onFinding);
    this.#here = this.#linter;
  }

  get list(): readonly LintFinding[] {
    return this.#linter.findings;
  }

  /** Begins an instruction: the comments above it may switch rules off. */
  enter(comments: readonly string[]): void {
    this.#here = this.#linter.for(comments);
  }

  /** From here on nothing is found: as in BuildKit, which ends at the first mistake. */
  stop(): void {
    this.#linter.stop();
  }

  /** Throws when findings are to fail the build. */
  throwIfAsked(): void {
    this.#linter.throwIfFailing();
  }

  /** Base names that are valid only with build args. */
  defaultArgs(dockerfile: Dockerfile, automatic: Variables): void {
    let scope: Variables;
    try {
      scope = globalScope(dockerfile, automatic, new Map());
      for (const { from } of dockerfile.stages) {
        const { result } = expandWord(from.image, scope, dockerfile.directives.escape);
        if (!isImageName(result)) this.#linter.report(rules.InvalidDefaultArgInFrom, from.range, from.image);
      }
    } catch {
      // The build will say what is wrong.
    }
  }

  undefinedVariable(name: string, known: StageVariables, range: SourceRange): void {
    this.#here.report(
      rules.UndefinedVar,
      range,
      name,
      this.#nearest(name, () => known.names()),
    );
  }

  undefinedArgInFrom(name: string, known: () => readonly string[], range: SourceRange): void {
    this.#here.report(rules.UndefinedArgInFrom, range, name, this.#nearest(name, known));
  }

  secretInName(instruction: string, name: string, range: SourceRange): void {
    if (!SECRET_WORDS.test(name) || HARMLESS_WORDS.test(name)) return;
    this.#here.report(rules.SecretsUsedInArgOrEnv, range, instruction, name);
  }

  relativeWorkdir(path: string, range: SourceRange): void {
    this.#here.report(rules.WorkdirRelativePath, range, path);
  }

  exposeCasing(port: string, range: SourceRange): void {
    this.#here.report(rules.ExposeProtoCasing, range, port);
  }

  exposeFormat(port: string, range: SourceRange): void {
    this.#here.report(rules.ExposeInvalidFormat, range, port);
  }

  legacyKeyValue(instruction: string, range: SourceRange): void {
    this.#here.report(rules.LegacyKeyValueFormat, range, instruction);
  }

  shellForm(instruction: string, range: SourceRange): void {
    this.#here.report(rules.JSONArgsRecommended, range, instruction);
  }

  /** `range` is that of the instruction which does not count. */
  onlyLastCounts(instruction: string, range: SourceRange): void {
    this.#here.report(rules.MultipleInstructionsDisallowed, range, instruction);
  }

  redundantTargetPlatform(text: string, range: SourceRange): void {
    this.#here.report(rules.RedundantTargetPlatform, range, text);
  }

  constantPlatform(text: string, range: SourceRange): void {
    this.#here.report(rules.FromPlatformFlagConstDisallowed, range, text);
  }

  basePlatform(image: string, expected: string, actual: string, range: SourceRange): void {
    this.#linter.report(rules.InvalidBaseImagePlatform, range, image, expected, actual);
  }

  /** A source that .dockerignore leaves out. With exceptions ("!") nothing can be said. */
  ignoredSource(kind: "copy" | "add", source: string, excludes: readonly string[], range: SourceRange): void {
    if (excludes.length === 0) return;
    const ignored = this.#ignored.get(excludes) ?? readExcludes(excludes);
    this.#ignored.set(excludes, ignored);
    if (ignored.patterns.hasExceptions) return;
    const path = cleanPath(source);
    if ((path === "." || path === "/") && !ignored.isAll) return;
    if (ignored.patterns.matchesPath(bytePath(path)))
      this.#here.report(rules.CopyIgnoredFile, range, kind === "copy" ? "Copy" : "Add", path);
  }

  /** A thousand names that nobody knows, each held against a thousand others, would take longer than they are worth. */
  #nearest(name: string, known: () => readonly string[]): string {
    if (this.#searchesLeft <= 0) return "";
    const names = known();
    this.#searchesLeft -= names.length * (name.length + 1);
    return nearest(name, names) ?? "";
  }
}

function readExcludes(excludes: readonly string[]): { patterns: PatternList; isAll: boolean } {
  const isAll = excludes.some((pattern) => ["*", "**", "**/*"].includes(pattern));
  return { patterns: compilePatterns(excludes), isAll };
}

function isImageName(name: string): boolean {
  try {
    parseReference(name);
    return true;
  } catch {
    return false;
  }
}
