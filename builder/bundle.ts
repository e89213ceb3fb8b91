// `tsbuild bundle`: an image as a directory that runc and crun run: rootfs/ and config.json.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { userInfo } from "node:os";
import { dirname, join } from "node:path";
import type { BundleRequest, BundleResult } from "./bundle-request.ts";
import { imageCommand } from "./bundle/command.ts";
import type { IdRange } from "./bundle/id-map.ts";
import { hostIdOf, parseIdMap } from "./bundle/id-map.ts";
import { unpackLayers } from "./bundle/layer-files.ts";
import type { RootfsReport } from "./bundle/rootfs.ts";
import { writeRootfs } from "./bundle/rootfs.ts";
import { bundleConfig } from "./bundle/runtime-config.ts";
import { planVolumes } from "./bundle/volumes.ts";
import { BuildError, isErrno, isSystemError } from "./core/errors.ts";
import type { ImageConfig } from "./core/image/image-config.ts";
import { NamespaceNeeded } from "./core/system/namespace.ts";
import { openEngine } from "./engine.ts";
import { readHostFacts } from "./executor/host-facts.ts";
import { DEFAULT_CAPABILITIES, MASKED_PATHS, READONLY_PATHS } from "./executor/sandbox-policy.ts";
import { runtimeSeccomp } from "./executor/seccomp/runtime.ts";
import { mappingsFor, readSubordinateIds } from "./executor/subordinate-ids.ts";
import { isInsideUserNamespace } from "./executor/user-namespace.ts";
import { imageForUse } from "./engine/images/image-for-use.ts";
import type { RootfsView } from "./layer/view/view.ts";
import type { ResolvedUser } from "./ops/passwd.ts";
import { homeVariable, resolveUser } from "./ops/passwd.ts";
import { viewOf } from "./ops/result.ts";
import { rootDirectory } from "./snapshot/root-directory.ts";

/** Writes the bundle; it appears whole or not at all. Throws `OUTPUT` when its folder is not empty or cannot be written. */
export async function bundleImage(request: BundleRequest, signal: AbortSignal): Promise<BundleResult> {
  checkDirectory(request.directory);
  await using engine = await openEngine({ root: request.root, limits: request.limits });
  if (!engine.privileged) throw new NamespaceNeeded("writing a bundle");
  const namespace = namespaceOf(request);
  await using open = await imageForUse(engine, request, signal);
  const { image, ref } = open;
  const { report, ...described } = await intoPlace(request.directory, async (directory) => {
    const spare = join(directory, ".layers");
    const files = await open.use(() => unpackLayers(ref.layers, spare, signal));
    const described = await describe(request, namespace, image.config, await viewOf({ layers: files }, signal), signal);
    const ownership = {
      uids: namespace.maps?.uids,
      gids: namespace.maps?.gids,
      ...namespace.own,
      makesDevices: !readHostFacts().inUserNamespace,
    };
    const root = rootDirectory(ref.layers, false);
    const rootfs = join(directory, "rootfs");
    const written = await writeRootfs({ files, root, spare }, rootfs, engine.layers.place, ownership, signal);
    rmSync(spare, { recursive: true });
    writeFileSync(join(directory, "config.json"), `${JSON.stringify(described.config, null, 2)}\n`);
    return { report: written, ...described };
  });
  for (const message of notes(report, described, namespace)) request.events({ kind: "warning", message });
  return { imageId: image.imageId };
}

interface Described {
  readonly config: object;
  readonly user: ResolvedUser;
  /** Volumes that begin empty. */
  readonly emptied: readonly string[];
  /** The image names no command: the bundle's is a shell. */
  readonly isDefault: boolean;
}

/** The bundle's config.json, by what its rootfs holds; with what is to be said of it. */
async function describe(
  request: BundleRequest,
  { maps, rootless }: Namespace,
  image: ImageConfig,
  view: RootfsView,
  signal: AbortSignal,
): Promise<Described> {
  const config = image.config ?? {};
  const user = await resolveUser(view, config.User ?? "", signal);
  const isDefault = (config.Entrypoint ?? []).length + (config.Cmd ?? []).length === 0;
  const command = imageCommand(config, {
    // A process must have arguments (runtime-spec, config.md); umoci's choice.
    command: isDefault ? ["sh"] : undefined,
    entrypoint: undefined,
    env: new Map(),
    workdir: undefined,
    defaults: new Map(request.terminal ? [["TERM", "xterm"]] : []),
  });
  const plan = planVolumes(config, view, maps);
  const runtimeConfig = bundleConfig({
    image,
    command: { ...command, env: [...command.env, ...(await homeVariable(view, user.uid, command.env, signal))] },
    user,
    volumes: plan.volumes,
    policy: {
      capabilities: DEFAULT_CAPABILITIES,
      seccomp: runtimeSeccomp(DEFAULT_CAPABILITIES),
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READONLY_PATHS,
    },
    userNamespace: maps,
    rootless,
    terminal: request.terminal,
  });
  return { config: runtimeConfig, user, emptied: plan.emptied, isDefault };
}

/** The user namespace of the bundle, and the one that this process writes it from. */
interface Namespace {
  readonly rootless: boolean;
  readonly maps: { readonly uids: readonly IdRange[]; readonly gids: readonly IdRange[] } | undefined;
  readonly own: { readonly ownUids: readonly IdRange[]; readonly ownGids: readonly IdRange[] };
}

/** An ordinary user's program has been run once more in a namespace of his ids: the runtime will be outside it. */
function namespaceOf({ rootless, uidMap, gidMap, environment }: BundleRequest): Namespace {
  const isUser = isInsideUserNamespace(Object.fromEntries(environment));
  if (isUser && rootless === false) {
    throw new BuildError("USAGE", "--rootless=false: a bundle with files of root can only be written by root");
  }
  const everything = [{ containerId: 0, hostId: 0, size: 2 ** 32 - 1 }];
  const ownUids = isUser ? parseIdMap(readFileSync("/proc/self/uid_map", "utf8")) : everything;
  const ownGids = isUser ? parseIdMap(readFileSync("/proc/self/gid_map", "utf8")) : everything;
  const own = { ownUids, ownGids };
  const isRootless = rootless ?? isUser;
  if (uidMap !== undefined && gidMap !== undefined)
    return { rootless: isRootless, maps: { uids: uidMap, gids: gidMap }, own };
  if (!isRootless) return { rootless: false, maps: undefined, own };
  if (isUser) return { rootless: true, maps: { uids: ownUids, gids: ownGids }, own };
  return { rootless: true, maps: { uids: rootsIds("/etc/subuid"), gids: rootsIds("/etc/subgid") }, own };
}

/** The ids that root would have as an ordinary user. */
function rootsIds(file: string): IdRange[] {
  const { username, uid } = userInfo();
  return mappingsFor(0, readSubordinateIds(file, username, uid)).map(({ inside, outside, count }) => ({
    containerId: inside,
    hostId: outside,
    size: count,
  }));
}

function checkDirectory(directory: string): void {
  try {
    if (readdirSync(directory).length === 0) return;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    throw unwritable(directory, error);
  }
  throw new BuildError("OUTPUT", `"${directory}" is not empty`, { hint: "name a new folder for the bundle" });
}

/** Writes under another name beside it, and gives it its own at the end. */
async function intoPlace<T>(directory: string, write: (directory: string) => Promise<T>): Promise<T> {
  const temporary = `${directory}.${randomBytes(6).toString("hex")}.tmp`;
  let made: string | undefined;
  try {
    made = mkdirSync(dirname(directory), { recursive: true });
    mkdirSync(temporary);
    const result = await write(temporary);
    renameSync(temporary, directory);
    return result;
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    if (made !== undefined) rmSync(made, { recursive: true, force: true });
    throw isSystemError(error) ? unwritable(directory, error) : error;
  }
}

function unwritable(directory: string, error: unknown): BuildError {
  const why = isErrno(error, "EBUSY")
    ? "it is a mount point: name a folder in it"
    : error instanceof Error
      ? error.message
      : String(error);
  return new BuildError("OUTPUT", `cannot write the bundle "${directory}"`, { cause: error, hint: why });
}

function notes(
  { reowned, devices }: RootfsReport,
  { emptied, isDefault, user }: Omit<Described, "config">,
  { maps, rootless }: Namespace,
): string[] {
  const { uid, gid, additionalGids } = user;
  const found: string[] = [];
  if (isDefault) found.push('the image names no command: the one in config.json is "sh"');
  for (const path of emptied)
    found.push(`the volume ${path} begins empty: it holds pipes or devices, which runc does not copy`);
  const others = additionalGids.filter((id) => id !== gid);
  if (rootless && others.length > 0)
    found.push(`left out: the user's other groups (${others.join(", ")}), which runc cannot set without root`);
  if (devices.length > 0) found.push(`left out: device nodes that only root can make (${devices.join(", ")})`);
  if (reowned > 0)
    found.push(`${reowned} paths belong to ids that the bundle's user namespace does not have: they are its root's`);
  if (maps !== undefined && (hostIdOf(maps.uids, uid) === undefined || hostIdOf(maps.gids, gid) === undefined))
    found.push(
      `the image's user ${uid}:${gid} does not exist in the bundle's user namespace: a runtime will refuse to start it as that user`,
    );
  return found;
}
