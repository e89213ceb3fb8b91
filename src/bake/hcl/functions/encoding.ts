// Functions that encode, decode and digest (go-cty, function/stdlib; go-cty-funcs, crypto, encoding and uuid).

import { createHash, privateDecrypt, constants, randomUUID } from "node:crypto";
import { BuildError } from "../../../../builder/core/errors.ts";
import type { HclFunction } from "../evaluate.ts";
import type { Value } from "../value.ts";
import { fromJson, toJson, toText } from "../value.ts";

const digest =
  (algorithm: string): HclFunction =>
  (text = null) =>
    createHash(algorithm).update(toText(text)).digest("hex");

export const ENCODING_FUNCTIONS: Readonly<Record<string, HclFunction>> = {
  base64encode: (text = null) => Buffer.from(toText(text)).toString("base64"),
  base64decode: (text = null) => {
    const encoded = toText(text).replaceAll(/[\r\n]/g, "");
    const bytes = Buffer.from(encoded, "base64");
    if (bytes.toString("base64") !== encoded) throw new BuildError("CONFIG", `"${encoded}" is not in base64`);
    return bytes.toString();
  },
  csvdecode: (text = null) => {
    const [header = [], ...rows] = csvRows(toText(text));
    return rows.map((row) => new Map<string, Value>(header.map((name, at) => [name, row[at] ?? ""])));
  },
  // As Go writes it: what HTML would take for a tag is escaped.
  jsonencode: (value = null) =>
    JSON.stringify(toJson(value)).replace(
      /[<>&\u2028\u2029]/g,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
    ),
  jsondecode: (text = null) => {
    try {
      return fromJson(JSON.parse(toText(text)));
    } catch (error) {
      throw new BuildError("CONFIG", `this is not JSON: ${error instanceof Error ? error.message : ""}`, {
        cause: error,
      });
    }
  },
  md5: digest("md5"),
  sha1: digest("sha1"),
  sha256: digest("sha256"),
  sha512: digest("sha512"),
  rsadecrypt: (text = null, key = null) => {
    try {
      const padding = constants.RSA_PKCS1_PADDING;
      return privateDecrypt({ key: toText(key), padding }, Buffer.from(toText(text), "base64")).toString();
    } catch (error) {
      throw new BuildError("CONFIG", "the text cannot be decrypted with this key", { cause: error });
    }
  },
  // Go's url.QueryEscape.
  urlencode: (text = null) =>
    encodeURIComponent(toText(text))
      .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
      .replaceAll("%20", "+"),
  uuidv4: () => randomUUID(),
  uuidv5: (namespace = null, name = null) => uuidV5(toText(namespace), toText(name)),
};

/** RFC 4122, appendix C. */
const NAMESPACES: Readonly<Record<string, string>> = {
  dns: "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
  url: "6ba7b811-9dad-11d1-80b4-00c04fd430c8",
  oid: "6ba7b812-9dad-11d1-80b4-00c04fd430c8",
  x500: "6ba7b814-9dad-11d1-80b4-00c04fd430c8",
};

function uuidV5(namespace: string, name: string): string {
  const space = Buffer.from((NAMESPACES[namespace] ?? namespace).replaceAll("-", ""), "hex");
  if (space.length !== 16) throw new BuildError("CONFIG", `"${namespace}" is no UUID`);
  const bytes = createHash("sha1").update(space).update(name).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function csvRows(text: string): readonly (readonly string[])[] {
  const rows: string[][] = [[]];
  const cell = /"((?:[^"]|"")*)"|([^",\r\n]*)/y;
  for (let at = 0; at < text.length;) {
    cell.lastIndex = at;
    const [all = "", quoted, plain = ""] = cell.exec(text) ?? [];
    rows.at(-1)?.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    at += all.length;
    if (text[at] === ",") {
      at++;
      if (at === text.length) rows.at(-1)?.push("");
    } else {
      const [end = ""] = /^\r?\n/.exec(text.slice(at, at + 2)) ?? [];
      if (end === "" && at < text.length) throw new BuildError("CONFIG", "this is not comma-separated text");
      at += end.length;
      if (at < text.length) rows.push([]);
    }
  }
  return rows.filter((row) => row.length > 1 || row[0] !== "");
}
