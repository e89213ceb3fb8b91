// What BuildKit makes cache keys of: the digest of an op's definition, and for each input how it counts, by its own
// keys (with a selector) and by the content of what is selected (solver.CacheMap; solver/llbsolver/ops).

import type { Digest } from "../../core/digest.ts";
import { digestOf } from "../../core/digest.ts";
import type { Platform } from "../../core/image/platform.ts";
import type { ExecOp } from "../../graph/op.ts";
import type { Vertex } from "../../graph/vertex.ts";
import { goJson } from "../../image/json.ts";
import type { JsonObject } from "../../image/json.ts";
import { diffJson, execJson, fileJson, mergeJson, textOf } from "./op-json.ts";
import type { Selector } from "./selector.ts";
import { dedupePaths, dedupeSelectors, hasWildcards } from "./selector.ts";

/** How an input counts. Records number them from 0, in this order. */
export interface CacheDependency {
  /** Number of the vertex's input; undefined for a step that only BuildKit's graph has. */
  readonly input?: number;
  /** Of such a step: the digest of its definition; it has no inputs. */
  readonly step?: Digest;
  /** Goes with links to the input's own keys. */
  readonly selector?: Digest;
  /** What counts by its content; empty: everything. Absent: content does not count. */
  readonly content?: readonly Selector[];
}

export interface CacheMap {
  /** Of the definition; an image has two, a context none: it counts by content only. */
  readonly digests: readonly Digest[];
  /** What an older BuildKit made of the same definition: looked for, never written. */
  readonly oldDigests?: readonly Digest[];
  readonly dependencies: readonly CacheDependency[];
}

/** What is known of an image that a source op names. */
export interface ImageIdentity {
  /** Of what its name points to: the index, where there is one. */
  readonly top: Digest;
  readonly platform: Platform;
  readonly diffIds: readonly Digest[];
}

/** What making keys works with. */
export interface KeyWorld {
  /** The op of a vertex in the words of LLB. */
  llb(vertex: Vertex): JsonObject;
  image(id: string): ImageIdentity | undefined;
}

/** The cache map of a vertex. */
export function cacheMapOf(vertex: Vertex, world: KeyWorld): CacheMap {
  const { op, inputs } = vertex;
  const body = (name: string): JsonObject =>
    (world.llb(vertex)["Op"] as Readonly<Record<string, JsonObject>>)[name] ?? {};
  switch (op.kind) {
    case "source": {
      const image = op.source.type === "image" ? world.image(op.source.id) : undefined;
      return { digests: image === undefined ? [] : imageDigests(image), dependencies: [] };
    }
    case "exec": {
      const exec = body("exec");
      const { mounts, dependencies } = mountDependencies(exec["mounts"] as readonly JsonObject[], op);
      return {
        digests: [digestOf(execJson({ ...exec, mounts }, op.platform))],
        oldDigests: [digestOf(execJson({ ...exec, mounts }, op.platform, true))],
        dependencies,
      };
    }
    case "file": {
      const actions = body("file")["actions"] as readonly JsonObject[];
      return { digests: [digestOf(fileJson(actions))], dependencies: fileDependencies(actions, inputs.length) };
    }
    case "merge":
      return { digests: [digestOf(mergeJson(inputs.length))], dependencies: inputs.map((_, input) => ({ input })) };
    case "diff":
      return { digests: [digestOf(diffJson())], dependencies: inputs.map((_, input) => ({ input })) };
  }
}

/** By what its name points to, and by its layers (source/containerimage/pull.go). */
function imageDigests({ top, platform, diffIds }: ImageIdentity): readonly Digest[] {
  const { os, architecture, variant, osVersion } = platform;
  const byName = goJson({
    Digest: top,
    OS: os,
    Arch: architecture,
    ...(variant === undefined ? {} : { Variant: variant }),
    ...(osVersion === undefined ? {} : { OSVersion: osVersion }),
  });
  const [first, ...rest] = diffIds;
  const keys = [digestOf(byName)];
  if (first !== undefined) keys.push(rest.reduce((chain, diffId) => digestOf(`${chain} ${diffId}`), first));
  return keys.map((key) => digestOf(`buildkit.source.v0:${key}`));
}

const SECRET = 1;
const SSH = 2;
const CACHE = 3;
const TMPFS = 4;

/** A source of mounts, in the order in which BuildKit's op lists them: that of the mounts' targets. */
interface MountSource {
  readonly input?: number;
  readonly step?: Digest;
  readonly paths: string[];
  byContent: boolean;
}

function mountDependencies(
  mounts: readonly JsonObject[],
  op: ExecOp,
): { readonly mounts: readonly JsonObject[]; readonly dependencies: readonly CacheDependency[] } {
  const sources: MountSource[] = [];
  const numbered = mounts.map((mount): JsonObject => {
    const { mountType, dest, selector = "", output = 0, readonly = false } = mount;
    const input = Number(mount["input"] ?? 0);
    if (mountType === SECRET || mountType === SSH || mountType === TMPFS) return mount;
    const step = mountType === CACHE && input < 0 ? permissionStep(op, String(dest)) : undefined;
    if (input < 0 && step === undefined) return mount;
    let number = sources.findIndex((source) => (step === undefined ? source.input === input : source.step === step));
    const source = sources[number] ?? { ...(step === undefined ? { input } : { step }), paths: [], byContent: false };
    if (number < 0) number = sources.push(source) - 1;
    const path = step === undefined ? `/${String(selector).replace(/^\/+|\/+$/g, "")}` : CACHE_FOLDER;
    source.paths.push(path);
    source.byContent = dest !== "/" && (output === -1 || readonly === true || path === "/");
    return { ...mount, input: number };
  });
  const dependencies = sources.map(({ paths, byContent, ...source }): CacheDependency => {
    const kept = dedupePaths(paths);
    const content = kept.includes("/") ? [] : kept.map((path) => ({ path, followLinks: true }));
    return { ...source, selector: digestOf(paths.join("\0")), ...(byContent ? { content } : {}) };
  });
  return { mounts: numbered, dependencies };
}

const CACHE_FOLDER = "/cache";

/** A cache mount with an owner or a mode of its own begins as a folder that a step of BuildKit's makes. */
function permissionStep({ mounts }: ExecOp, target: string): Digest | undefined {
  const mount = mounts.find((one) => one.type === "cache" && one.target === target);
  if (mount?.type !== "cache") return undefined;
  const { mode, uid, gid, selector } = mount;
  if ((mode === 0o755 && uid === 0 && gid === 0) || (selector !== "/" && selector !== "")) return undefined;
  const account = (id: number): JsonObject => ({ User: id === 0 ? {} : { byId: id } });
  const owner = { user: account(uid), group: account(gid) };
  const mkdir = { path: CACHE_FOLDER, mode, owner, timestamp: -1 };
  return digestOf(fileJson([{ input: -1, secondaryInput: -1, output: 0, Action: { mkdir } }]));
}

function fileDependencies(actions: readonly JsonObject[], count: number): readonly CacheDependency[] {
  const builtUpon = new Set<number>();
  const selectors = Array.from({ length: count }, (): Selector[] => []);
  for (const action of actions) {
    builtUpon.add(Number(action["input"]));
    const [[kind, fields] = ["", {}]] = Object.entries(action["Action"] as Readonly<Record<string, JsonObject>>);
    for (const [input, path] of ownerFiles(kind, fields)) selectors[input]?.push({ path, followLinks: true });
    if (kind === "copy") selectors[Number(action["secondaryInput"])]?.push(copySelector(fields));
  }
  return selectors.map((list, input) => {
    if (list.length === 0 || builtUpon.has(input)) return { input };
    const paths = list.map(({ path }) => Buffer.from(path)).sort((a, b) => Buffer.compare(b, a));
    return {
      input,
      selector: digestOf(Buffer.concat(paths.flatMap((path, at) => (at === 0 ? [path] : [Buffer.of(0), path])))),
      content: dedupeSelectors(list),
    };
  });
}

/** Names of owners are looked up in these files. */
function ownerFiles(kind: string, fields: JsonObject): (readonly [number, string])[] {
  if (kind !== "copy" && kind !== "mkdir" && kind !== "mkfile") return [];
  type Account = { readonly User?: { readonly byName?: { readonly input?: number } } };
  const { user, group } = (fields["owner"] ?? {}) as { readonly user?: Account; readonly group?: Account };
  const found: (readonly [number, string])[] = [];
  if (user?.User?.byName !== undefined) found.push([user.User.byName.input ?? 0, "/etc/passwd"]);
  if (group?.User?.byName !== undefined) found.push([group.User.byName.input ?? 0, "/etc/group"]);
  return found;
}

function copySelector(fields: JsonObject): Selector {
  const list = (name: string): readonly string[] => (fields[name] ?? []) as readonly string[];
  const path = textOf(fields, "src");
  return {
    path,
    followLinks: fields["followSymlink"] === true,
    wildcard: fields["allowWildcard"] === true && hasWildcards(path),
    include: list("include_patterns"),
    exclude: list("exclude_patterns"),
    required: list("required_paths"),
  };
}
