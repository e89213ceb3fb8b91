// A private key from a file, as the agent needs it: its public form, and signatures with it.

import type { KeyObject } from "node:crypto";
import { createPrivateKey, sign } from "node:crypto";
import { readFile } from "node:fs/promises";
import { BuildError } from "../../../builder/core/errors.ts";
import { encrypted, parseOpensshKey } from "./openssh-key.ts";
import { mpint, string } from "./wire.ts";

/** Flags of a sign request (RFC draft-miller-ssh-agent, 3.6.1). */
const RSA_SHA2_256 = 2;
const RSA_SHA2_512 = 4;

/** A key that signs. */
export interface SigningKey {
  /** The public key as SSH writes it (RFC 4253, 6.6). */
  readonly publicBlob: Buffer;
  /** A signature in SSH's form; the flags choose the hash of an RSA key. */
  sign(data: Uint8Array, flags: number): Buffer;
}

/** Reads an unencrypted key in PEM or OpenSSH's form. Throws `CONFIG`, `UNSUPPORTED`; nothing of the key is in the message. */
export async function readPrivateKey(path: string): Promise<SigningKey> {
  const text = await readFile(path, "latin1");
  try {
    return signingKey(parsePrivateKey(text));
  } catch (error) {
    const known = error instanceof BuildError ? error : undefined;
    // What OpenSSL says about a text that is no key is no help, and nothing of the text may be shown.
    throw new BuildError(
      known?.code ?? "CONFIG",
      `"${path}" cannot be used: ${known?.message ?? "it is no private key"}`,
      {
        hint: known?.hint,
      },
    );
  }
}

/** A PEM text's key: PKCS#8, PKCS#1, SEC 1 or OpenSSH. */
function parsePrivateKey(text: string): KeyObject {
  const [, label = "", body = ""] = /-----BEGIN ([A-Z0-9 ]*)-----\r?\n(.*?)-----END \1-----/s.exec(text) ?? [];
  if (label === "OPENSSH PRIVATE KEY") return parseOpensshKey(Buffer.from(body, "base64"));
  if (label === "ENCRYPTED PRIVATE KEY" || /^Proc-Type: 4,ENCRYPTED/m.test(body)) throw encrypted();
  if (label === "") throw new BuildError("CONFIG", "it is no private key (PEM or OpenSSH)");
  if (/PUBLIC KEY|CERTIFICATE/.test(label)) throw new BuildError("CONFIG", `it holds a ${label.toLowerCase()}`);
  return createPrivateKey(text);
}

/** By OpenSSL's names of the curves: SSH's, and the hash that goes with it (RFC 5656, 6.2.1). */
const CURVES: Readonly<Record<string, { readonly name: string; readonly hash: string }>> = {
  prime256v1: { name: "nistp256", hash: "sha256" },
  secp384r1: { name: "nistp384", hash: "sha384" },
  secp521r1: { name: "nistp521", hash: "sha512" },
};

function signingKey(key: KeyObject): SigningKey {
  const kind = key.asymmetricKeyType;
  const curve = CURVES[key.asymmetricKeyDetails?.namedCurve ?? ""];
  if (kind === "rsa") {
    const part = partsOf(key);
    return {
      publicBlob: Buffer.concat([string("ssh-rsa"), mpint(part("e")), mpint(part("n"))]),
      sign: (data, flags) => signRsa(key, data, flags),
    };
  }
  if (kind === "ec" && curve !== undefined) {
    const part = partsOf(key);
    const name = `ecdsa-sha2-${curve.name}`;
    const point = Buffer.concat([Buffer.of(4), part("x"), part("y")]);
    return {
      publicBlob: Buffer.concat([string(name), string(curve.name), string(point)]),
      sign: (data) => {
        const numbers = ecdsaNumbers(sign(curve.hash, data, { key, dsaEncoding: "ieee-p1363" }));
        return Buffer.concat([string(name), string(numbers)]);
      },
    };
  }
  if (kind === "ed25519") {
    return {
      publicBlob: Buffer.concat([string("ssh-ed25519"), string(partsOf(key)("x"))]),
      sign: (data) => Buffer.concat([string("ssh-ed25519"), string(sign(null, data, key))]),
    };
  }
  throw new BuildError("UNSUPPORTED", `keys of the kind "${kind ?? "unknown"}" are not supported`);
}

/** The numbers of the public key, by their names in a JWK (RFC 7518, section 6). */
function partsOf(key: KeyObject): (name: "n" | "e" | "x" | "y") => Buffer {
  const jwk = key.export({ format: "jwk" });
  return (name) => Buffer.from(jwk[name] ?? "", "base64url");
}

/** RFC 8332, section 3; without a flag the old SHA-1, which few servers still take. */
function signRsa(key: KeyObject, data: Uint8Array, flags: number): Buffer {
  const [kind, hash] =
    (flags & RSA_SHA2_512) !== 0
      ? ["rsa-sha2-512", "sha512"]
      : (flags & RSA_SHA2_256) !== 0
        ? ["rsa-sha2-256", "sha256"]
        : ["ssh-rsa", "sha1"];
  return Buffer.concat([string(kind), string(sign(hash, data, key))]);
}

/** r and s as two mpints (RFC 5656, 3.1.2). */
function ecdsaNumbers(signature: Buffer): Buffer {
  const half = signature.length / 2;
  return Buffer.concat([mpint(signature.subarray(0, half)), mpint(signature.subarray(half))]);
}
