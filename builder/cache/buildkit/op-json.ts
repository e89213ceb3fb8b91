// Ops as BuildKit digests them for its cache keys: its Go structs as encoding/json writes them, with fields in the order
// of solver/pb/ops.proto, and without what does not count (solver/llbsolver/ops: exec.go, file.go, merge.go, diff.go).

import { posix } from "node:path";
import type { Platform } from "../../core/image/platform.ts";
import type { JsonObject } from "../../image/json.ts";
import { goJson } from "../../image/json.ts";

/** The fields of a struct in their order; `true`: a value that is written as it is. */
interface Shape {
  readonly [field: string]: true | Shape;
}

const OWNER: Shape = { User: { byName: { name: true, input: true }, byId: true } };
const CHOWN: Shape = { user: OWNER, group: OWNER };
const GRANT: Shape = { ID: true, uid: true, gid: true, mode: true, optional: true };

const EXEC: Shape = {
  meta: {
    args: true,
    env: true,
    cwd: true,
    user: true,
    extraHosts: { Host: true, IP: true },
    hostname: true,
    ulimit: { Name: true, Soft: true, Hard: true },
    cgroupParent: true,
    removeMountStubsRecursive: true,
    validExitCodes: true,
  },
  mounts: {
    input: true,
    selector: true,
    dest: true,
    output: true,
    readonly: true,
    mountType: true,
    TmpfsOpt: { size: true },
    cacheOpt: { ID: true, sharing: true },
    secretOpt: GRANT,
    SSHOpt: GRANT,
  },
  network: true,
  security: true,
  secretenv: { ID: true, name: true, optional: true },
};

const ACTIONS: Readonly<Record<string, Shape>> = {
  copy: {
    src: true,
    dest: true,
    owner: CHOWN,
    mode: true,
    followSymlink: true,
    dirCopyContents: true,
    attemptUnpackDockerCompatibility: true,
    createDestPath: true,
    allowWildcard: true,
    allowEmptyWildcard: true,
    timestamp: true,
    include_patterns: true,
    exclude_patterns: true,
    alwaysReplaceExistingDestPaths: true,
    modeStr: true,
    required_paths: true,
  },
  mkfile: { path: true, mode: true, data: true, owner: CHOWN, timestamp: true },
  symlink: { oldpath: true, newpath: true, owner: CHOWN, timestamp: true },
  mkdir: { path: true, mode: true, makeParents: true, owner: CHOWN, timestamp: true },
  rm: { path: true, allowNotFound: true, allowWildcard: true },
};

/** An exec op of LLB, as JSON; `isOld`: as BuildKit 0.16 and before has it, whose ops say nothing of empty mount points. */
export function execJson(exec: JsonObject, platform: Platform, isOld = false): string {
  const meta = exec["meta"] as JsonObject & { readonly extraHosts?: readonly JsonObject[] };
  const hosts = meta.extraHosts?.map(({ Host }) => ({ Host }));
  const mounts = (exec["mounts"] as readonly JsonObject[]).map(mountForKey);
  return goJson({
    Type: "buildkit.exec.v0",
    Exec: ordered(
      {
        ...exec,
        meta: {
          ...meta,
          ...(hosts === undefined ? {} : { extraHosts: hosts }),
          ...(isOld ? {} : { removeMountStubsRecursive: true }),
        },
        mounts: isPlainRoot(mounts) ? [] : mounts,
      },
      EXEC,
    ),
    OS: platform.os,
    Arch: platform.architecture,
    ...(platform.variant === undefined ? {} : { Variant: platform.variant }),
    ...(platform.osVersion === undefined ? {} : { OSVersion: platform.osVersion }),
  });
}

/** What of a mount counts: where its files come from does not, as they count by their content. */
function mountForKey({ selector: _selector, ...mount }: JsonObject): JsonObject {
  const tmpfs = mount["mountType"] === 4 ? { TmpfsOpt: mount["TmpfsOpt"] ?? {} } : {};
  if (mount["mountType"] !== 3) return { ...mount, ...tmpfs };
  const { ID = "", sharing = 0 } = (mount["cacheOpt"] ?? {}) as { readonly ID?: string; readonly sharing?: number };
  const { dest } = mount;
  const isDefault = sharing === 0 && (ID === dest || ID.slice(ID.indexOf("/") + 1) === dest);
  return { ...mount, cacheOpt: isDefault ? { ID } : {} };
}

/** A RUN without --mount; BuildKit left mounts out of its keys once, and keeps to it for these. */
function isPlainRoot(mounts: readonly JsonObject[]): boolean {
  const [root] = mounts;
  return mounts.length === 1 && root?.["dest"] === "/" && root["readonly"] !== true && root["mountType"] === undefined;
}

/** The actions of a file op of LLB, as JSON. */
export function fileJson(actions: readonly JsonObject[]): string {
  const indexes = actions.map(({ input, secondaryInput, output }) => [input, secondaryInput, output] as number[]);
  return goJson({
    Type: "buildkit.file.v0",
    Actions: actions.map((action) => Buffer.from(actionJson(action)).toString("base64")),
    ...(isDefaultOrder(indexes) ? {} : { indexes }),
  });
}

function actionJson(action: JsonObject): string {
  const [[kind, fields] = ["", {}]] = Object.entries(action["Action"] as Readonly<Record<string, JsonObject>>);
  // Of a source only its name counts: its files count by their content.
  const src = kind === "copy" && action["secondaryInput"] !== -1 ? { src: baseName(textOf(fields, "src")) } : {};
  return goJson(ordered({ ...fields, ...src }, ACTIONS[kind] ?? {}) as JsonObject);
}

/** A field that is a text, if it is there. */
export function textOf(fields: JsonObject, name: string): string {
  const value = fields[name];
  return typeof value === "string" ? value : "";
}

/** As Go's path.Base. */
function baseName(path: string): string {
  if (path === "") return ".";
  return posix.basename(path) || "/";
}

/** The usual chain of actions: each works on what the one before it made, all copy from input 1, the last is the result. */
function isDefaultOrder(indexes: readonly (readonly number[])[]): boolean {
  const last = indexes.length - 1;
  return (
    indexes.length > 0 &&
    indexes.every(
      ([input, secondary, output], at) =>
        input === (at === 0 ? 0 : last + at) &&
        (secondary === -1 || secondary === 1) &&
        output === (at === last ? 0 : -1),
    )
  );
}

/** A merge of so many inputs, as JSON. */
export function mergeJson(inputs: number): string {
  const list = Array.from({ length: inputs }, (_, input) => (input === 0 ? {} : { input }));
  return goJson({ Type: "buildkit.merge.v0", Merge: { inputs: list } });
}

/** The difference of input 1 to input 0, as JSON. */
export function diffJson(): string {
  return goJson({ Type: "buildkit.diff.v0", Diff: { lower: {}, upper: { input: 1 } } });
}

/** A struct's fields in order, without empty ones (`omitempty`); a pointer to an empty struct stays. */
function ordered(value: unknown, shape: Shape | true): unknown {
  if (shape === true || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => ordered(one, shape));
  const fields = value as JsonObject;
  return Object.fromEntries(
    Object.entries(shape).flatMap(([name, inner]) =>
      isEmptyField(fields[name]) ? [] : [[name, ordered(fields[name], inner)]],
    ),
  );
}

function isEmptyField(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return value === undefined || value === null || value === "" || value === 0 || value === false;
}
