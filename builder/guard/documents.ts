// Secrets in documents: a config, a manifest, a provenance. A value is told of by where it stands.

import { ByteSearch, findAll } from "../core/bytes/byte-search.ts";
import type { KnownSecret } from "./known-secrets.ts";

/** A secret that stands in a document. */
export interface DocumentFinding {
  readonly secret: KnownSecret;
  /** As in "history[3].created_by"; "" for the document as a whole. */
  readonly field: string;
}

/** Looks for secrets in documents. */
export class DocumentSearch {
  readonly #secrets: readonly KnownSecret[];
  /** The secret that each string is a form of. */
  readonly #owners: readonly KnownSecret[];
  readonly #search: ByteSearch | undefined;

  constructor(secrets: readonly KnownSecret[]) {
    this.#secrets = secrets;
    this.#owners = secrets.flatMap((secret) => secret.forms.map(() => secret));
    const forms = secrets.flatMap((secret) => secret.forms);
    this.#search = forms.length === 0 ? undefined : new ByteSearch(forms);
  }

  /** Those that stand in the value of a JSON document, each with the first field that it stands in. */
  inValue(value: unknown): readonly DocumentFinding[] {
    const found = new Map<KnownSecret, DocumentFinding>();
    const visit = (inner: unknown, field: string): void => {
      if (typeof inner === "string") {
        for (const secret of this.#inText(inner)) if (!found.has(secret)) found.set(secret, { secret, field });
      } else if (typeof inner === "object" && inner !== null) {
        for (const [key, item] of Object.entries(inner)) {
          const place = Array.isArray(inner) ? `${field}[${key}]` : field === "" ? key : `${field}.${key}`;
          if (!Array.isArray(inner)) visit(key, field);
          visit(item, place);
        }
      }
    };
    visit(value, "");
    return [...found.values()];
  }

  /** Those that stand in a document as it is written. */
  inBytes(bytes: Uint8Array): readonly DocumentFinding[] {
    const secrets = this.#inBytes(bytes);
    if (secrets.length === 0) return [];
    const known = this.inValue(parsed(bytes));
    const others = secrets.filter((secret) => !known.some((finding) => finding.secret === secret));
    return [...known, ...others.map((secret) => ({ secret, field: "" }))];
  }

  #inText(text: string): readonly KnownSecret[] {
    return this.#inBytes(Buffer.from(text, "utf8"));
  }

  #inBytes(bytes: Uint8Array): readonly KnownSecret[] {
    if (this.#search === undefined) return [];
    const found = new Set<number>();
    findAll(this.#search, bytes, found);
    const owners = new Set([...found].map((number) => this.#owners[number]));
    return this.#secrets.filter((secret) => owners.has(secret));
  }
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined; // not JSON: it is told of as a whole
  }
}
