// The secrets that one build has come to know: what may neither be shown nor stand in what the build makes.

import { imageForms, logForms } from "./forms.ts";
import { Masker } from "./masker.ts";

/** One value. */
export interface KnownSecret {
  /** As `--allow-secret-in-image` names it. */
  readonly id: string;
  /** As people are told of it: `secret "token"`. */
  readonly name: string;
  readonly value: Uint8Array;
  /** What to look for in an image. */
  readonly forms: readonly Uint8Array[];
}

/** Values that are too short are left out; see `SHORTEST_VALUE`. */
export class KnownSecrets {
  readonly masker = new Masker();
  readonly #all = new Map<string, KnownSecret>();

  add(id: string, name: string, value: Uint8Array): void {
    const key = `${id}\n${Buffer.from(value).toString("latin1")}`;
    if (this.#all.has(key)) return;
    this.masker.add(logForms(value));
    const forms = imageForms(value);
    if (forms.length > 0) this.#all.set(key, { id, name, value, forms });
  }

  get all(): readonly KnownSecret[] {
    return [...this.#all.values()];
  }
}
