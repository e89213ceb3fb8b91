// The variables of a stage: what its ENV and ARG have set so far, and what it has of its base. Each setting gives a new
// version that shares the rest with the old one, so a file may set thousands, in stages that build on one another.

import { SortedMap } from "../../../core/sorted-map.ts";
import type { EnvLookup } from "../../expand.ts";

/** What ENV, or ARG, says of a name. */
interface Setting {
  /** Undefined: an ARG declares the name only. */
  readonly value: string | undefined;
  /** "name=value" */
  readonly text: string;
  /** When it was set last. */
  readonly at: number;
  /** When it was set first. */
  readonly since: number;
}

interface Variable {
  readonly env?: Setting;
  readonly arg?: Setting;
}

/** The state of a stage's variables. Of ENV and ARG the later one counts, but a child stage begins with all ENV of its base set anew. */
export class StageVariables implements EnvLookup {
  readonly #names: SortedMap<Variable>;
  /** The number of the next setting. */
  readonly #next: number;
  /** The number at which all ENV of before counts as set, if that is later. */
  readonly #renewed: number;
  #list: readonly string[] | undefined;
  #longest: string | undefined;

  private constructor(names: SortedMap<Variable>, next: number, renewed: number) {
    this.#names = names;
    this.#next = next;
    this.#renewed = renewed;
  }

  static none(): StageVariables {
    return new StageVariables(SortedMap.empty(), 1, 0);
  }

  get(name: string): string | undefined {
    return this.#effective(name, this.#names.get(name))?.value;
  }

  /** Whether an ARG declares the name, with a value or without. */
  isDeclared(name: string): boolean {
    return this.#names.get(name)?.arg !== undefined;
  }

  /** With a variable that ENV sets. */
  withEnv(name: string, value: string): StageVariables {
    return this.#with(name, "env", value);
  }

  /** With an ARG; one without a value only declares the name. */
  withArg(name: string, value: string | undefined): StageVariables {
    return this.#with(name, "arg", value);
  }

  /** As a child stage begins: no ARG of its parent hides an ENV. */
  renewed(): StageVariables {
    return new StageVariables(this.#names, this.#next + 1, this.#next);
  }

  /** "name=value" in the order of their last setting: what a RUN sees. */
  list(): readonly string[] {
    return (this.#list ??= this.#effectiveSettings().map(({ text }) => text));
  }

  /** The longest of the list; "" where there is none. */
  longest(): string {
    return (this.#longest ??= this.list().reduce(
      (longest, text) => (text.length > longest.length ? text : longest),
      "",
    ));
  }

  /** The names that have a value, in the same order. */
  names(): string[] {
    return this.#effectiveSettings().map(({ text }) => text.slice(0, text.indexOf("=")));
  }

  /** "name=value" of the declared ARGs in the order of their first declaration, with the values that a RUN sees. */
  args(): string[] {
    const declared: { text: string; since: number }[] = [];
    this.#names.forEach((variable, name) => {
      const { arg } = variable;
      if (arg !== undefined) declared.push({ text: (this.#effective(name, variable) ?? arg).text, since: arg.since });
    });
    return declared.sort((a, b) => a.since - b.since).map(({ text }) => text);
  }

  #effectiveSettings(): Setting[] {
    const settings: Setting[] = [];
    this.#names.forEach((variable, name) => {
      const setting = this.#effective(name, variable);
      if (setting !== undefined) settings.push(setting);
    });
    return settings.sort((a, b) => a.at - b.at || a.since - b.since);
  }

  #with(name: string, by: "env" | "arg", value: string | undefined): StageVariables {
    const known = this.#names.get(name);
    const before = known?.[by];
    const text = `${name}=${value ?? ""}`;
    const set = { value, text, at: this.#next, since: before?.since ?? this.#next };
    // To declare an ARG once more takes no value away.
    const setting = value === undefined && before !== undefined ? before : set;
    return new StageVariables(this.#names.with(name, { ...known, [by]: setting }), this.#next + 1, this.#renewed);
  }

  /** The setting that counts, if the name has a value. */
  #effective(name: string, variable: Variable | undefined): Setting | undefined {
    const { env, arg } = variable ?? {};
    const visibleArg = arg?.value === undefined || NO_VARIABLES.has(name) ? undefined : arg;
    if (env === undefined) return visibleArg;
    const at = Math.max(env.at, this.#renewed);
    return visibleArg === undefined || at > visibleArg.at ? { ...env, at } : visibleArg;
  }
}

/** ARGs that steer the build and are never variables of a RUN. */
export const NO_VARIABLES: ReadonlySet<string> = new Set(["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"]);
