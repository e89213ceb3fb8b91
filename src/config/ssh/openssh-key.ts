// Private keys in OpenSSH's own form (openssh-portable, PROTOCOL.key), which Node cannot read.

import type { KeyObject } from "node:crypto";
import { createPrivateKey } from "node:crypto";
import { BuildError } from "../../../builder/core/errors.ts";
import { WireReader, withoutZeros } from "./wire.ts";

const MAGIC = "openssh-key-v1\0";
const CURVES: Readonly<Record<string, { readonly crv: string; readonly sizeBytes: number }>> = {
  "ecdsa-sha2-nistp256": { crv: "P-256", sizeBytes: 32 },
  "ecdsa-sha2-nistp384": { crv: "P-384", sizeBytes: 48 },
  "ecdsa-sha2-nistp521": { crv: "P-521", sizeBytes: 66 },
};

/** The key in the bytes between the PEM lines. Throws `CONFIG` for what is encrypted or broken, `UNSUPPORTED` for other kinds. */
export function parseOpensshKey(bytes: Buffer): KeyObject {
  const reader = new WireReader(bytes);
  if (reader.bytes(MAGIC.length).toString("latin1") !== MAGIC) throw new BuildError("CONFIG", "it is no OpenSSH key");
  const cipher = reader.text();
  if (cipher !== "none") throw encrypted();
  reader.string(); // name of the key derivation function
  reader.string(); // and its options
  const count = reader.uint32();
  if (count !== 1) throw new BuildError("UNSUPPORTED", `it holds ${count} keys`);
  reader.string(); // the public key, which the private part repeats
  const secret = new WireReader(reader.string());
  if (secret.uint32() !== secret.uint32()) throw new BuildError("CONFIG", "its check numbers differ: it is damaged");
  return createPrivateKey({ key: readJwk(secret), format: "jwk" });
}

/** The error for a key that wants a passphrase. */
export function encrypted(): BuildError {
  return new BuildError("CONFIG", "it is protected by a passphrase", {
    hint: 'load it into an agent: eval "$(ssh-agent)" && ssh-add KEY, and use --ssh default',
  });
}

type Jwk = Record<string, string>;

function readJwk(reader: WireReader): Jwk {
  const kind = reader.text();
  const curve = CURVES[kind];
  if (curve !== undefined) {
    reader.string(); // the curve's name again
    const point = reader.string();
    const { crv, sizeBytes } = curve;
    if (point.length !== 1 + 2 * sizeBytes || point[0] !== 4)
      throw new BuildError("CONFIG", "its public point is broken");
    const d = padded(reader.string(), sizeBytes);
    return {
      kty: "EC",
      crv,
      x: encode(point.subarray(1, 1 + sizeBytes)),
      y: encode(point.subarray(1 + sizeBytes)),
      d: encode(d),
    };
  }
  switch (kind) {
    case "ssh-ed25519": {
      const x = reader.string();
      return { kty: "OKP", crv: "Ed25519", x: encode(x), d: encode(reader.string().subarray(0, 32)) };
    }
    case "ssh-rsa":
      return readRsa(reader);
    default:
      throw new BuildError("UNSUPPORTED", `keys of the kind "${kind}" are not supported`);
  }
}

function readRsa(reader: WireReader): Jwk {
  const n = reader.string();
  const e = reader.string();
  const d = reader.string();
  const qi = reader.string();
  const p = reader.string();
  const q = reader.string();
  // Division by p - 1 and q - 1 below.
  if (toNumber(p) < 2n || toNumber(q) < 2n) throw new BuildError("CONFIG", "its prime numbers are broken");
  return {
    kty: "RSA",
    n: encode(withoutZeros(n)),
    e: encode(withoutZeros(e)),
    d: encode(withoutZeros(d)),
    p: encode(withoutZeros(p)),
    q: encode(withoutZeros(q)),
    dp: encodeNumber(toNumber(d) % (toNumber(p) - 1n)),
    dq: encodeNumber(toNumber(d) % (toNumber(q) - 1n)),
    qi: encode(withoutZeros(qi)),
  };
}

function padded(bytes: Buffer, size: number): Buffer {
  const value = withoutZeros(bytes);
  if (value.length > size) throw new BuildError("CONFIG", "its private number is too long");
  return Buffer.concat([Buffer.alloc(size - value.length), value]);
}

function toNumber(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString("hex") || "0"}`);
}

function encodeNumber(value: bigint): string {
  const hex = value.toString(16);
  return encode(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex"));
}

function encode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}
