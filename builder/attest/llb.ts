// Ops as JSON in the words of BuildKit's LLB (solver/pb/ops.proto), as far as ours carry
// what it has a word for. Values that are 0, false or empty are left out, as protobuf does.

import { posix } from "node:path";
import type { Platform } from "../core/image/platform.ts";
import type { ExecMount, ExecOp, FileAction, FileOp, ModeSpec, Op, OwnerSpec, SourceOp } from "../graph/op.ts";
import type { Vertex } from "../graph/vertex.ts";
import type { JsonObject } from "../image/json.ts";
import { omitEmpty } from "../image/json.ts";
import type { Withheld } from "./withheld.ts";

/** What writing ops works with. */
export interface LlbWorld {
  readonly withheld: Pick<Withheld, "scrub" | "variable">;
  readonly platformOf: (imageId: string) => Platform | undefined;
  /** A URL without users and passwords. */
  readonly redact: (text: string) => string;
}

const DEFAULT_SHM_BYTES = 64 << 20;
const NETWORK = { default: 0, host: 1, none: 2 } as const;
const SHARING = { shared: 0, private: 1, locked: 2 } as const;
const MOUNT = { secret: 1, ssh: 2, cache: 3, tmpfs: 4 } as const;

/** Secrets that a git source by http may use. */
export const GIT_SECRETS = ["GIT_AUTH_HEADER", "GIT_AUTH_TOKEN"];

/** The op of a vertex; `{ Op: {} }` for the step that stands for the result. */
export function llbOp(vertex: Vertex | undefined, world: LlbWorld): JsonObject {
  if (vertex === undefined) return { Op: {} };
  const { op } = vertex;
  const platform = platformOf(op, world);
  return {
    Op: bodyOf(op, vertex, world),
    constraints: {},
    ...(platform === undefined ? {} : { platform: llbPlatform(platform) }),
  };
}

function bodyOf(op: Op, vertex: Vertex, world: LlbWorld): JsonObject {
  switch (op.kind) {
    case "source":
      return { source: llbSource(op.source, world) };
    case "exec":
      return { exec: llbExec(op, world) };
    case "file":
      return { file: { actions: llbActions(op, vertex.inputs.length, world) } };
    case "merge":
      return { merge: { inputs: vertex.inputs.map((_, input) => omitEmpty({ input })) } };
    case "diff":
      return { diff: { lower: {}, upper: { input: 1 } } };
  }
}

function platformOf(op: Op, { platformOf: ofImage }: LlbWorld): Platform | undefined {
  if (op.kind === "exec") return op.platform;
  return op.kind === "source" && op.source.type === "image" ? ofImage(op.source.id) : undefined;
}

function llbPlatform({ architecture, os, variant, osVersion }: Platform): JsonObject {
  return omitEmpty({ Architecture: architecture, OS: os, Variant: variant, OSVersion: osVersion });
}

function llbSource(source: SourceOp["source"], { redact }: LlbWorld): JsonObject {
  switch (source.type) {
    case "image":
      return { identifier: `docker-image://${source.name}` };
    case "local": {
      const { excludes, includes = [], follows = [] } = source;
      const patterns = (list: readonly string[]): string | undefined =>
        list.length === 0 ? undefined : JSON.stringify(list);
      return withAttrs(`local://${source.name}`, {
        "local.excludepatterns": patterns(excludes),
        "local.followpaths": patterns(follows),
        "local.includepattern": patterns(includes),
        "local.sharedkeyhint": source.name,
      });
    }
    case "archive":
      return withAttrs(`local://${source.name}`, { "local.sharedkeyhint": source.name });
    case "http":
      return withAttrs(redact(source.url), {
        "http.checksum": source.checksum,
        "http.filename": source.fileName,
        "http.perm": source.mode === undefined ? undefined : `0${source.mode.toString(8)}`,
        "http.uid": source.uid?.toString(),
        "http.gid": source.gid?.toString(),
      });
    case "git": {
      const { ref = "", subdir = "" } = source;
      const url = redact(source.url);
      const isHttp = /^https?:/i.test(url);
      const [header, token] = GIT_SECRETS;
      const fragment = `${ref}${subdir === "" ? "" : `:${subdir}`}`;
      return withAttrs(`git://${url.replace(/^\w+:\/\//, "")}${fragment === "" ? "" : `#${fragment}`}`, {
        "git.authheadersecret": isHttp ? header : undefined,
        "git.authtokensecret": isHttp ? token : undefined,
        "git.checksum": source.checksum,
        "git.fetchbycommit": source.fetchByCommit === true ? "true" : undefined,
        "git.fullurl": url,
        "git.keepgitdir": source.keepGitDir ? "true" : undefined,
        "git.mountsshsock": isHttp ? undefined : "default",
        "git.mtime": source.mtime,
        "git.skipsubmodules": source.submodules === false ? "true" : undefined,
      });
    }
  }
}

function withAttrs(identifier: string, attrs: Readonly<Record<string, string | undefined>>): JsonObject {
  return omitEmpty({ attrs: omitEmpty(attrs), identifier });
}

function llbExec(op: ExecOp, { withheld }: LlbWorld): JsonObject {
  const meta = omitEmpty({
    args: op.args,
    cgroupParent: op.cgroupParent,
    cwd: op.cwd,
    env: op.env.map((assignment) => withheld.variable(assignment)),
    extraHosts: op.extraHosts.map(({ host, ip }) => ({ Host: host, IP: ip })),
    hostname: op.hostname,
    validExitCodes: op.validExitCodes ?? [],
    ulimit: op.ulimits.map(({ name, soft, hard }) => omitEmpty({ Hard: hard, Name: name, Soft: soft })),
    user: op.user,
  });
  const secrets = op.mounts.flatMap((mount) =>
    mount.type === "secret" && mount.env !== undefined
      ? [omitEmpty({ ID: mount.id, name: mount.env, optional: !mount.required })]
      : [],
  );
  const shm: readonly ExecMount[] =
    op.shmSizeBytes === DEFAULT_SHM_BYTES ? [] : [{ type: "tmpfs", target: "/dev/shm", sizeBytes: op.shmSizeBytes }];
  const root = omitEmpty({ dest: "/", input: op.rootInput, output: op.result === undefined ? 0 : -1 });
  return omitEmpty({
    meta,
    mounts: [root, ...inOrder([...op.mounts, ...shm]).flatMap((mount) => llbMount(mount, op))],
    network: NETWORK[op.network],
    secretenv: secrets,
    security: op.security === "insecure" ? 1 : 0,
  });
}

/** Trees by where they are mounted, then secrets, then agents. */
function inOrder(mounts: readonly ExecMount[]): readonly ExecMount[] {
  const rank = ({ type }: ExecMount): number => (type === "ssh" ? 2 : type === "secret" ? 1 : 0);
  const place = ({ target = "" }: ExecMount): string => target;
  return mounts.toSorted(
    (a, b) => rank(a) - rank(b) || (rank(a) > 0 || place(a) === place(b) ? 0 : place(a) < place(b) ? -1 : 1),
  );
}

/** Of several results the one that this vertex stands for is the only output. */
function llbMount(mount: ExecMount, op: ExecOp): readonly JsonObject[] {
  const isResult = op.result !== undefined && op.mounts[op.result] === mount;
  const places = { dest: mount.target, input: -1, output: isResult ? 0 : -1 };
  switch (mount.type) {
    case "bind": {
      const { input, readonly } = mount;
      return [omitEmpty({ ...places, input, selector: selectorOf(mount), readonly })];
    }
    case "cache": {
      const { input, readonly, id } = mount;
      const cacheOpt = omitEmpty({ ID: id, sharing: SHARING[mount.sharing] });
      return [omitEmpty({ ...places, input, selector: selectorOf(mount), readonly, cacheOpt, mountType: MOUNT.cache })];
    }
    case "tmpfs":
      return [omitEmpty({ ...places, TmpfsOpt: omitEmpty({ size: mount.sizeBytes }), mountType: MOUNT.tmpfs })];
    case "secret": {
      // One that is only a variable stands in `secretenv`.
      if (mount.target === undefined) return [];
      return [
        { dest: mount.target, input: -1, mountType: MOUNT.secret, secretOpt: grant(mount.id, mount, mount.required) },
      ];
    }
    case "ssh":
      return [{ SSHOpt: grant(mount.id, mount, mount.required), dest: mount.target, input: -1, mountType: MOUNT.ssh }];
  }
}

/** All of a tree needs no selector. */
function selectorOf({ selector }: { readonly selector: string }): string {
  return selector === "/" ? "" : selector;
}

function grant(
  id: string,
  { mode, uid, gid }: { readonly mode: number; readonly uid: number; readonly gid: number },
  required: boolean,
): JsonObject {
  return omitEmpty({ ID: id, gid, mode, optional: !required, uid });
}

/** The first action works on the destination, each later one on what the one before it made. */
function llbActions(op: FileOp, inputs: number, world: LlbWorld): readonly JsonObject[] {
  const timestamp = op.createdTimeNs === undefined ? -1 : Number(op.createdTimeNs);
  return op.actions.map((action, at) => ({
    Action: llbAction(action, timeOf(action) ?? timestamp, world),
    input: at === 0 ? op.destination : inputs + at - 1,
    output: at === op.actions.length - 1 ? 0 : -1,
    secondaryInput: action.action === "copy" ? action.from : -1,
  }));
}

function timeOf(action: FileAction): number | undefined {
  return action.action === "rm" || action.timeNs === undefined ? undefined : Number(action.timeNs);
}

function llbAction(action: FileAction, timestamp: number, { withheld }: LlbWorld): JsonObject {
  switch (action.action) {
    case "copy": {
      const named = action.parents ? aroundPivot(action.source) : undefined;
      return {
        copy: omitEmpty({
          allowEmptyWildcard: action.allowEmptyWildcard,
          allowWildcard: action.allowWildcard,
          alwaysReplaceExistingDestPaths: action.alwaysReplace,
          attemptUnpackDockerCompatibility: action.unpack,
          createDestPath: action.createDestinationPath,
          dest: action.destination,
          dirCopyContents: action.dirContentsOnly,
          exclude_patterns: action.excludes,
          followSymlink: action.followSymlinks,
          include_patterns: named === undefined ? (action.includes ?? []) : [named.pattern],
          ...llbMode(action.mode),
          owner: llbOwner(action.owner),
          required_paths:
            named === undefined || /[*?[]/.test(action.source)
              ? (action.required ?? [])
              : [posix.join(named.start, named.pattern)],
          src: named === undefined ? action.source : named.start,
          timestamp,
        }),
      };
    }
    case "mkfile": {
      const data =
        action.encoding === "base64" ? action.data : Buffer.from(withheld.scrub(action.data)).toString("base64");
      const owner = llbOwner(action.owner);
      return { mkfile: omitEmpty({ data, mode: action.mode, owner, path: action.path, timestamp }) };
    }
    case "mkdir": {
      const { makeParents, mode, path } = action;
      return { mkdir: omitEmpty({ makeParents, mode, owner: llbOwner(action.owner), path, timestamp }) };
    }
    case "rm": {
      const { allowNotFound, allowWildcard, path } = action;
      return { rm: omitEmpty({ allowNotFound, allowWildcard, path }) };
    }
    case "symlink": {
      const { oldPath, newPath } = action;
      return {
        symlink: omitEmpty({ newpath: newPath, oldpath: oldPath, owner: llbOwner(action.owner), timestamp }),
      };
    }
  }
}

/** Where COPY --parents begins, and what it takes below that; "/./" divides them. */
function aroundPivot(source: string): { readonly start: string; readonly pattern: string } {
  const pivot = source.indexOf("/./");
  const [start, pattern] = pivot < 0 ? ["/", source] : [source.slice(0, pivot), source.slice(pivot + "/./".length)];
  return { start: posix.join("/", start), pattern: posix.join("/", pattern).slice(1) };
}

/** -1: the source's own. */
function llbMode(mode: ModeSpec | undefined): JsonObject {
  if (mode === undefined) return { mode: -1 };
  return "octal" in mode ? { mode: mode.octal } : { modeStr: mode.symbolic };
}

function llbOwner(owner: OwnerSpec | undefined): JsonObject | undefined {
  if (owner === undefined) return undefined;
  const account = (of: string | number | undefined): JsonObject | undefined => {
    if (of === undefined) return undefined;
    return typeof of === "number" ? { User: omitEmpty({ byId: of }) } : { User: { byName: { input: 0, name: of } } };
  };
  return omitEmpty({ group: account(owner.group), user: account(owner.user) });
}
