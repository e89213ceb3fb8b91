// `RUN --mount=…`: reading the options. What they become is in run-mounts.ts.

import { csvFields } from "./csv.ts";
import { fault } from "../fault.ts";
import { parseBool } from "../config/go-text.ts";
import { withSuggestion } from "../suggest.ts";

type MountType = "bind" | "cache" | "tmpfs" | "secret" | "ssh";
type Sharing = "shared" | "private" | "locked";

export interface Mount {
  readonly type: MountType;
  /** "" for none. */
  readonly from: string;
  readonly source: string;
  readonly target: string;
  readonly readonly: boolean;
  readonly sizeBytes: number;
  readonly id: string;
  readonly sharing: Sharing | undefined;
  readonly required: boolean;
  readonly env: string | undefined;
  readonly mode: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

type Draft = { -readonly [Field in keyof Mount]: Mount[Field] };

/** The stage, image or context that a mount names; it is needed before anything is expanded, so it may have no variables. */
export function mountFrom(text: string): string {
  let from = "";
  for (const field of csvFields(text)) {
    const [key, value] = splitField(field);
    if (key !== "from" || value === undefined) continue;
    const dollar = value.indexOf("$");
    if (dollar >= 0 && dollar !== value.length - 1)
      throw fault(`'${key}' doesn't support variable expansion, define alias stage instead`);
    from = value;
  }
  return from;
}

/** Reads the value of one `--mount`; `expand` replaces the variables of a value. Options count in their order: what depends on the type stands behind it. */
export function parseMount(text: string, expand: (word: string) => string): Mount {
  const mount: Draft = {
    type: "bind",
    from: "",
    source: "",
    target: "",
    readonly: true,
    sizeBytes: 0,
    id: "",
    sharing: undefined,
    required: false,
    env: undefined,
    mode: undefined,
    uid: undefined,
    gid: undefined,
  };
  let saysAccess = false;
  for (const field of csvFields(text)) {
    const [key, raw] = splitField(field);
    saysAccess ||= ACCESS_KEYS.includes(key);
    if (raw === undefined) setBare(mount, key, field);
    else setOption(mount, key, expand(raw), field);
  }
  if (!saysAccess) mount.readonly = mount.type !== "cache" && mount.type !== "tmpfs";
  check(mount);
  return mount;
}

const ACCESS_KEYS = ["readonly", "ro", "readwrite", "rw"];

function splitField(field: string): [string, string | undefined] {
  const equals = field.indexOf("=");
  return equals < 0
    ? [field.toLowerCase(), undefined]
    : [field.slice(0, equals).toLowerCase(), field.slice(equals + 1)];
}

function setBare(mount: Draft, key: string, field: string): void {
  switch (key) {
    case "readonly":
    case "ro":
      mount.readonly = true;
      return;
    case "readwrite":
    case "rw":
      mount.readonly = false;
      return;
    case "required":
      requireType(mount, key, "secret", "ssh");
      mount.required = true;
      return;
    default:
      throw fault(`invalid field '${field}' must be a key=value pair`);
  }
}

function setOption(mount: Draft, key: string, value: string, field: string): void {
  switch (key) {
    case "type":
      mount.type = oneOf(TYPES, value, `unsupported mount type "${value}"`);
      return;
    case "from":
      mount.from = value;
      return;
    case "source":
    case "src":
      mount.source = value;
      return;
    case "target":
    case "dst":
    case "destination":
      mount.target = value;
      return;
    case "readonly":
    case "ro":
      mount.readonly = truth(key, value);
      return;
    case "readwrite":
    case "rw":
      mount.readonly = !truth(key, value);
      return;
    case "required":
      requireType(mount, key, "secret", "ssh");
      mount.required = truth(key, value);
      return;
    case "size":
      requireType(mount, key, "tmpfs");
      mount.sizeBytes = bytes(key, value);
      return;
    case "id":
      mount.id = value;
      return;
    case "sharing":
      mount.sharing = oneOf(SHARINGS, value, `unsupported sharing value "${value}"`);
      return;
    case "mode":
      mount.mode = number(key, value, 8);
      return;
    case "uid":
      mount.uid = number(key, value, 10);
      return;
    case "gid":
      mount.gid = number(key, value, 10);
      return;
    case "env":
      mount.env = value;
      return;
    default:
      throw fault(withSuggestion(`unexpected key '${key}' in '${field}'`, key, KEYS));
  }
}

const TYPES: readonly MountType[] = ["bind", "cache", "tmpfs", "secret", "ssh"];
const SHARINGS: readonly Sharing[] = ["shared", "private", "locked"];
const KEYS = [
  "type",
  "from",
  "source",
  "target",
  "readonly",
  "id",
  "sharing",
  "required",
  "size",
  "mode",
  "uid",
  "gid",
  "src",
  "dst",
  "destination",
  "ro",
  "rw",
  "readwrite",
  "env",
];

function oneOf<Name extends string>(names: readonly Name[], value: string, message: string): Name {
  const found = names.find((name) => name === value.toLowerCase());
  if (found === undefined) throw fault(withSuggestion(message, value, names));
  return found;
}

function requireType(mount: Draft, key: string, ...types: readonly MountType[]): void {
  if (!types.includes(mount.type)) throw fault(`unexpected key '${key}' for mount type '${mount.type}'`);
}

function truth(key: string, value: string): boolean {
  const parsed = parseBool(value);
  if (parsed === undefined) throw fault(`invalid value for ${key}: ${value}`);
  return parsed;
}

function number(key: string, value: string, radix: 8 | 10): number {
  const parsed = (radix === 8 ? /^[0-7]+$/ : /^[0-9]+$/).test(value) ? Number.parseInt(value, radix) : Number.NaN;
  if (!(parsed < 2 ** 32)) throw fault(`invalid value ${value} for ${key}`);
  return parsed;
}

/** Sizes as docker writes them: "64m", "1.5 GiB"; units count in 1024s. */
function bytes(key: string, value: string): number {
  const match = /^(\d+(?:\.\d+)*) ?([kmgtp])?i?b?$/i.exec(value);
  const count = Number(match?.[1]);
  if (match === null || Number.isNaN(count)) throw fault(`invalid value for ${key}: ${value}`);
  const power = " kmgtp".indexOf((match[2] ?? " ").toLowerCase());
  return Math.trunc(count * 1024 ** power);
}

function check(mount: Mount): void {
  const { type } = mount;
  if (type === "bind" || type === "tmpfs") {
    for (const key of ["mode", "uid", "gid"] as const) {
      if (mount[key] !== undefined) throw fault(`${key} not allowed for "${type}" type mounts`);
    }
  }
  if (type === "secret") checkSecret(mount);
  if (type === "ssh" && mount.source !== "") throw fault("ssh does not support source");
  if (mount.sharing !== undefined && type !== "cache") throw fault(`invalid cache sharing set for ${type} mount`);
}

function checkSecret(mount: Mount): void {
  if (mount.from !== "") throw fault("secret mount should not have a from");
  if (mount.sharing !== undefined) throw fault("secret mount should not define sharing");
  if (mount.source === "" && mount.target === "" && mount.id === "")
    throw fault("invalid secret mount. one of source, target required");
  if (mount.source !== "" && mount.id !== "") throw fault("both source and id can't be set");
}
