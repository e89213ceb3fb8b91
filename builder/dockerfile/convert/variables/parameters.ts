// What a stage takes from whoever builds it: ARGs, secrets and SSH agents. The outline of a build lists them.

import type { SourceRange } from "../../../core/errors.ts";
import { append, itemsOf } from "../../../core/shared-list.ts";
import type { SharedList } from "../../../core/shared-list.ts";
import type { ExecMount } from "../../../graph/op.ts";
import type { Arg, ArgDeclaration } from "../../instruction.ts";

/** An ARG as it was last declared. */
export interface DeclaredArg {
  readonly name: string;
  /** "" for none. */
  readonly value: string;
  /** The comment above it, without the name it begins with. */
  readonly description: string;
  readonly range: SourceRange;
  /** The ARGs that its value was made of. */
  readonly uses: ReadonlySet<string>;
}

/** A secret or an agent, where it is first mounted. */
export interface MountedInput {
  readonly required: boolean;
  readonly range: SourceRange;
}

/** Collects them for one stage. */
export class Parameters {
  readonly #global: ReadonlyMap<string, DeclaredArg>;
  /** ARGs that its FROM reads, and those of the stages it builds on. */
  #inFrom: SharedList<string>;
  readonly #declared = new Map<string, DeclaredArg>();
  readonly #used = new Set<string>();
  readonly secrets = new Map<string, MountedInput>();
  readonly agents = new Map<string, MountedInput>();

  /** `global`: the ARGs before the first FROM. */
  constructor(global: ReadonlyMap<string, DeclaredArg> = new Map(), inFrom?: SharedList<string>) {
    this.#global = global;
    this.#inFrom = inFrom;
  }

  /** Whether the name is one of the global scope's ARGs. */
  isDeclared(name: string): boolean {
    return this.#global.has(name);
  }

  globalNames(): Iterable<string> {
    return this.#global.keys();
  }

  /** For a child stage: it has what the parent's FROM reads, but nothing of the parent's instructions. */
  ofChild(): Parameters {
    return new Parameters(this.#global, this.#inFrom);
  }

  /** FROM reads an ARG of the global scope. */
  useInFrom(name: string): void {
    this.#inFrom = append(this.#inFrom, name);
  }

  /** An ARG is read; `declared` where it is also declared, and not merely taken from the global scope. */
  useArg(name: string, declared?: DeclaredArg): void {
    if (declared !== undefined) this.#declared.set(name, declared);
    this.#used.add(name);
  }

  /** Of several mounts of one id the first counts. */
  useMount(mount: ExecMount, range: SourceRange): void {
    if (mount.type !== "secret" && mount.type !== "ssh") return;
    const known = mount.type === "secret" ? this.secrets : this.agents;
    if (!known.has(mount.id)) known.set(mount.id, { required: mount.required, range });
  }

  /** The ARGs that are read, and those that their values were made of. */
  args(): DeclaredArg[] {
    const names = new Set([...itemsOf(this.#inFrom), ...this.#used]);
    const declared = (name: string): DeclaredArg | undefined => this.#declared.get(name) ?? this.#global.get(name);
    // A set may grow while it is walked through.
    for (const name of names) for (const used of declared(name)?.uses ?? []) names.add(used);
    return [...names].flatMap((name) => declared(name) ?? []);
  }
}

/** An ARG instruction's word as what it declares. */
export function declaredArg(
  { key, comment }: ArgDeclaration,
  { range }: Arg,
  value: string | undefined,
  uses: ReadonlySet<string> = new Set(),
): DeclaredArg {
  return { name: key, value: value ?? "", description: comment ?? "", range, uses };
}
