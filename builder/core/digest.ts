// A digest is how everything here is named. Text from outside becomes a Digest
// in parseDigest and nowhere else, so the rest of the program need not doubt one.

import { createHash, hash } from "node:crypto";
import { BuildError } from "./errors.ts";

/** `sha256:` and 64 lower-case hex digits (OCI image-spec, descriptor.md, Digests). */
export type Digest = `sha256:${string}`;

/** Reads a digest from a registry, a layout or a flag. Throws `DIGEST_INVALID`. */
export function parseDigest(text: string): Digest {
  if (!isDigest(text)) {
    throw new BuildError("DIGEST_INVALID", `"${text}" is not a sha256 digest`);
  }
  return text;
}

/** Whether the text has the form of a digest. */
export function isDigest(text: string): text is Digest {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}

/** The digest of bytes, or of a text's UTF-8 bytes. */
export function digestOf(data: string | Uint8Array): Digest {
  return `sha256:${hash("sha256", data, "hex")}`;
}

/** The 64 hex digits of a digest. */
export function hexOf(digest: Digest): string {
  return digest.slice("sha256:".length);
}

/** A running digest and byte count. Feed it large chunks (256 KiB): small ones cost more than the hash itself. */
export class Digester {
  readonly #hash = createHash("sha256");
  #sizeBytes = 0;

  update(chunk: Uint8Array): this {
    this.#hash.update(chunk);
    this.#sizeBytes += chunk.length;
    return this;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Ends the digest; call once. */
  digest(): Digest {
    return `sha256:${this.#hash.digest("hex")}`;
  }
}
