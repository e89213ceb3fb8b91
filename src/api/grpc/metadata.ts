// The request's metadata: headers that may be repeated, which Node's header object would join.

export class Metadata {
  readonly #values = new Map<string, string[]>();

  /** From the raw header list: name, value, name, value. */
  constructor(raw: readonly string[]) {
    for (let at = 0; at + 1 < raw.length; at += 2) {
      const name = (raw[at] ?? "").toLowerCase();
      const values = this.#values.get(name);
      if (values === undefined) this.#values.set(name, [raw[at + 1] ?? ""]);
      else values.push(raw[at + 1] ?? "");
    }
  }

  /** The first value of a name. */
  get(name: string): string | undefined {
    return this.#values.get(name)?.[0];
  }

  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }
}
