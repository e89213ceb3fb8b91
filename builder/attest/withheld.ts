// What must not be written down about a build: build arguments whose names say that they
// are secrets, and every text that holds one of their values or that of a secret.

/** Stands where something was withheld. */
export const WITHHELD = "<withheld>";

/** Shorter values are too likely to occur by chance: only the variable of that name is withheld. */
const SHORTEST_VALUE = 6;

const SECRET_PARTS = /token|secret|passw(?:or)?d|passphrase|credential|api_?key|private_?key|access_?key/;
const SECRET_WORDS = new Set(["key", "keys", "auth", "pwd", "pass", "pat", "jwt", "pin"]);
/** Where a secret lies is none. */
const PLACES = new Set(["sock", "file", "path", "dir"]);

/** Whether a variable's name says that its value is secret. Public keys are none. */
export function isSecretName(name: string): boolean {
  const words = name
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .split(/[^a-z0-9]+/);
  if (words.includes("public") || PLACES.has(words.at(-1) ?? "")) return false;
  return SECRET_PARTS.test(words.join("_")) || words.some((word) => SECRET_WORDS.has(word));
}

/** Takes secrets out of texts. */
export class Withheld {
  readonly #values: readonly string[];
  /** Whether something was taken out. */
  #isUsed = false;

  /** `values` as they are; the end of a file's last line does not count. */
  constructor(values: Iterable<string>) {
    const found = new Set<string>();
    for (const value of values) {
      const trimmed = value.trim();
      if (trimmed.length < SHORTEST_VALUE) continue;
      found.add(trimmed);
      found.add(encodeURIComponent(trimmed));
    }
    // The longest first: one may be a part of another.
    this.#values = [...found].sort((a, b) => b.length - a.length);
  }

  get isUsed(): boolean {
    return this.#isUsed;
  }

  /** Whether a variable may not be written down, by its name or by what it holds. */
  hides(name: string, value: string): boolean {
    const isHidden = isSecretName(name) || this.scrub(value) !== value;
    this.#isUsed ||= isHidden;
    return isHidden;
  }

  /** A text without the values. */
  scrub(text: string): string {
    let left = text;
    for (const value of this.#values) left = left.replaceAll(value, WITHHELD);
    this.#isUsed ||= left !== text;
    return left;
  }

  /** `NAME=value` of a step's environment as it may be written down: most of it nobody asked for, an image brought it. */
  variable(assignment: string): string {
    const equals = assignment.indexOf("=");
    const name = assignment.slice(0, Math.max(0, equals));
    return equals < 0 || !isSecretName(name) ? this.scrub(assignment) : `${name}=${WITHHELD}`;
  }

  /** JSON with every value in it scrubbed; names of fields stay. */
  scrubAll<T>(value: T): T;
  scrubAll(value: unknown): unknown {
    if (typeof value === "string") return this.scrub(value);
    if (Array.isArray(value)) return value.map((item) => this.scrubAll<unknown>(item));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, this.scrubAll<unknown>(inner)]));
  }
}
