// An object whose values are computed when they are asked for: targets may speak of each other's attributes.

import type { Value } from "./hcl/value.ts";

export class LazyMap extends Map<string, Value> {
  readonly #names: () => readonly string[];
  readonly #compute: (name: string) => Value;

  /** `compute` is called for names that `names` gives. */
  constructor(names: () => readonly string[], compute: (name: string) => Value) {
    super();
    this.#names = names;
    this.#compute = compute;
  }

  override get size(): number {
    return this.#names().length;
  }

  override has(name: string): boolean {
    return this.#names().includes(name);
  }

  override get(name: string): Value | undefined {
    return this.has(name) ? this.#compute(name) : undefined;
  }

  override keys(): MapIterator<string> {
    return this.#names().values();
  }

  override *entries(): MapIterator<[string, Value]> {
    for (const name of this.#names()) yield [name, this.#compute(name)];
    return undefined;
  }

  override [Symbol.iterator](): MapIterator<[string, Value]> {
    return this.entries();
  }
}
