// `tsbuild build`: the arguments as a request to the engine. The only place where the environment becomes part of it.

import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import type { SnapshotterName } from "../../../builder/choose-snapshotter.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import type { EventSink } from "../../../builder/core/events.ts";
import type { Platform } from "../../../builder/core/image/platform.ts";
import { formatPlatform, hostPlatform, parsePlatform } from "../../../builder/core/image/platform.ts";
import type { DiskSettings } from "../../../builder/disk-settings.ts";
import type { BuildRequest, ContextSpec, ErrorShell } from "../../../builder/request.ts";
import { readBoolean } from "../../cli/values/booleans.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import { parseAssignments, parseLabels } from "../../cli/values/key-value.ts";
import { parseCount, parseSize } from "../../cli/values/sizes.ts";
import type { SshSpec } from "../../cli/values/ssh-spec.ts";
import { unpackLimits } from "../../cli/values/unpack-limits.ts";
import { hasDiskSettings } from "../../config/disk-file.ts";
import type { Environment } from "../../config/environment.ts";
import { configFolders } from "../../config/files/folders.ts";
import { readProxyArgs } from "../../config/proxy-args.ts";
import { localRegistries } from "../../config/registries.ts";
import type { RegistrySetting } from "../../config/registries/registry-settings.ts";
import { localSession } from "../../config/session.ts";
import { attestationsOf } from "./attestations.ts";
import { readCaches } from "./caches.ts";
import type { OpenStdin } from "./contexts.ts";
import { dockerfileSpec, mainContext, namedContexts } from "./contexts.ts";
import type { Outputs } from "./outputs.ts";
import { sandbox } from "../sandbox.ts";

const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;
const SNAPSHOTTERS: readonly SnapshotterName[] = ["auto", "overlay", "copy"];
const ENTITLEMENTS = ["network.host", "security.insecure", "buildx.local.delete"];

export interface RequestOptions {
  readonly args: Arguments;
  /** PATH, URL or -; or what another command made of its own words. */
  readonly context: string | ContextSpec;
  readonly root: string;
  readonly outputs: Outputs;
  readonly environment: Environment;
  readonly openStdin: OpenStdin;
  readonly events: EventSink;
  readonly shellOnError?: ErrorShell | undefined;
  /** What flags say of registries beside `--insecure-registry`. */
  readonly registryFlags?: readonly RegistrySetting[];
  readonly dryRun?: boolean;
  readonly onRemembered?: ((id: string) => void) | undefined;
}

/** The whole request. Throws `USAGE` and the like before anything is begun. */
export async function readRequest(options: RequestOptions): Promise<BuildRequest> {
  const { args, environment, openStdin } = options;
  if (options.context === "-" && textOf(args, "file") === "-") {
    throw new BuildError("USAGE", "invalid argument: can't use stdin for both build context and dockerfile");
  }
  const buildArgs = parseAssignments(listOf(args, "build-arg"), "--build-arg", environment);
  await addProxies(buildArgs, environment);
  const reproducible = isOn(args, "reproducible");
  const attestations = await attestationsOf(args);
  const network = networkMode(textOf(args, "network"));
  const { insecureRegistries: ofCaches, ...caches } = await readCaches(args, buildArgs, environment);
  const insecureRegistries = [...listOf(args, "insecure-registry"), ...options.outputs.insecureRegistries, ...ofCaches];
  const { router, credentials, expandName } = localRegistries(environment, insecureRegistries, options.registryFlags);
  return {
    root: options.root,
    disk: await diskSettings(environment),
    context: typeof options.context === "string" ? mainContext(options.context, openStdin) : options.context,
    dockerfile: dockerfileSpec(textOf(args, "file"), openStdin),
    namedContexts: namedContexts(listOf(args, "build-context")),
    target: textOf(args, "target") || undefined,
    ...withEpoch(buildArgs, environment["SOURCE_DATE_EPOCH"], reproducible),
    labels: parseLabels(listOf(args, "label"), "--label"),
    platforms: platforms(listOf(args, "platform"), environment),
    noCache: noCache(args),
    pull: isOn(args, "pull"),
    network,
    extraHosts: (
      await each(args, "add-host", async () => (await import("../../cli/values/extra-host-spec.ts")).parseExtraHosts)
    ).flat(),
    ulimits: await each(args, "ulimit", async () => (await import("../../cli/values/ulimit-spec.ts")).parseUlimit),
    shmSizeBytes: textOf(args, "shm-size")
      ? parseSize(textOf(args, "shm-size") ?? "", "--shm-size")
      : DEFAULT_SHM_BYTES,
    cgroupParent: textOf(args, "cgroup-parent") ?? "",
    allow: entitlements(listOf(args, "allow"), network),
    exports: options.outputs.exports,
    ...(attestations === undefined ? {} : { attestations }),
    ...caches,
    ...squash(textOf(args, "squash")),
    ...lock(args),
    jobs:
      textOf(args, "jobs") === undefined ? availableParallelism() : parseCount(textOf(args, "jobs") ?? "", "--jobs", 1),
    reproducible,
    requireSandbox: sandbox(textOf(args, "require-sandbox")),
    snapshotter: snapshotter(textOf(args, "snapshotter")),
    limits: unpackLimits(args),
    session: await localSession({
      secrets: await each(args, "secret", async () => (await import("../../cli/values/secret-spec.ts")).parseSecret),
      ssh: await agents(args, options.context, environment),
      environment,
      credentials,
    }),
    allowSecretInImage: listOf(args, "allow-secret-in-image"),
    router,
    expandName,
    events: options.events,
    now: Date.now,
    hostPlatform: hostPlatform(),
    environment: definedOnly(environment),
    check: undefined,
    shellOnError: options.shellOnError,
    dryRun: options.dryRun,
    onRemembered: options.onRemembered,
  };
}

async function diskSettings(environment: Environment): Promise<DiskSettings | undefined> {
  if (!hasDiskSettings(environment)) return undefined;
  return await (await import("../disk/settings.ts")).readDiskSettings(environment);
}

/** The proxies of config.json, unless one is given; upper and lower case are one variable to a step. */
async function addProxies(buildArgs: Map<string, string>, environment: Environment): Promise<void> {
  const given = new Set([...buildArgs.keys()].map((name) => name.toUpperCase()));
  for (const [name, value] of await readProxyArgs(configFolders(environment)))
    if (!given.has(name.toUpperCase())) buildArgs.set(name, value);
}

/**
 * SOURCE_DATE_EPOCH of the environment is also the build argument of that name, as buildx sends it. A --build-arg of
 * that name comes before it, and what it means ("context" is allowed) is for the conversion to say.
 */
function withEpoch(
  buildArgs: Map<string, string>,
  variable: string | undefined,
  reproducible: boolean,
): Pick<BuildRequest, "buildArgs" | "epochSeconds"> {
  if (buildArgs.has("SOURCE_DATE_EPOCH")) return { buildArgs, epochSeconds: undefined };
  if (variable === undefined || variable === "") return { buildArgs, epochSeconds: reproducible ? 0 : undefined };
  const isNumber = /^[+-]?\d+$/.test(variable);
  const seconds = isNumber ? parseCount(variable, "SOURCE_DATE_EPOCH", 0) : undefined;
  return { buildArgs: buildArgs.set("SOURCE_DATE_EPOCH", variable), epochSeconds: seconds };
}

function platforms(values: readonly string[], environment: Environment): Platform[] {
  const texts = values.length > 0 ? values : [environment["DOCKER_DEFAULT_PLATFORM"] ?? ""];
  const found = texts.flatMap((value) => value.split(",")).filter((text) => text.trim() !== "");
  const byName = new Map(
    found.map((text) => parsePlatform(text)).map((platform) => [formatPlatform(platform), platform]),
  );
  return [...byName.values()];
}

/** A context by ssh needs the agent there is, as buildx's client gives it. */
async function agents(
  args: Arguments,
  context: RequestOptions["context"],
  environment: Environment,
): Promise<SshSpec[]> {
  const load = async (): Promise<(text: string) => SshSpec> => (await import("../../cli/values/ssh-spec.ts")).parseSsh;
  const given = await each(args, "ssh", load);
  const isBySsh = typeof context === "string" && /^(?:ssh:\/\/|[\w-]+@[\w.-]+:)/.test(context);
  return given.length === 0 && isBySsh && environment["SSH_AUTH_SOCK"] ? [(await load())("default")] : given;
}

/** The values of a flag, read by a parser that is loaded when there are any: a build uses few flags. */
async function each<T>(args: Arguments, name: string, load: () => Promise<(text: string) => T>): Promise<T[]> {
  const values = listOf(args, name);
  if (values.length === 0) return [];
  const parse = await load();
  return values.map((value) => parse(value));
}

/** `--squash[=new|all]`; docker's old flag was a boolean. */
function squash(text: string | undefined): Pick<BuildRequest, "squash"> {
  if (text === undefined || readBoolean(text) === false) return {};
  if (text === "all") return { squash: "all" };
  if (text === "new" || readBoolean(text) === true) return { squash: "new" };
  throw new BuildError("USAGE", `--squash: "${text}" is neither new nor all`);
}

/** `--lock`, `--locked` and where the file lies. */
function lock(args: Arguments): Pick<BuildRequest, "lock"> {
  const file = textOf(args, "lock-file");
  if (file === "") throw new BuildError("USAGE", "--lock-file: the value is empty");
  const [writes, enforces] = [isOn(args, "lock"), isOn(args, "locked")];
  if (writes && enforces)
    throw new BuildError("USAGE", "--lock writes the lock file and --locked obeys it: use one of them");
  if (!writes && !enforces) {
    if (file !== undefined) throw new BuildError("USAGE", "--lock-file needs --lock or --locked");
    return {};
  }
  return { lock: { mode: writes ? "write" : "enforce", ...(file === undefined ? {} : { path: resolve(file) }) } };
}

function noCache(args: Arguments): boolean | readonly string[] {
  const stages = listOf(args, "no-cache-filter")
    .flatMap((value) => value.split(","))
    .filter((stage) => stage !== "");
  if (!isOn(args, "no-cache")) return stages.length > 0 ? stages : false;
  if (stages.length > 0)
    throw new BuildError("USAGE", "--no-cache and --no-cache-filter cannot currently be used together");
  return true;
}

/** `--network`, of builds and runs. Throws `USAGE`. */
export function networkMode(text: string | undefined): "default" | "host" | "none" {
  if (text === undefined || text === "" || text === "default") return "default";
  if (text === "host" || text === "none") return text;
  throw new BuildError("USAGE", `network mode "${text}" is not supported`, {
    hint: "modes are default, host and none",
  });
}

/** `--snapshotter`. Throws `USAGE`. */
export function snapshotter(text: string | undefined): SnapshotterName | undefined {
  if (text === undefined || text === "") return undefined;
  const found = SNAPSHOTTERS.find((name) => name === text);
  if (found === undefined)
    throw new BuildError("USAGE", `--snapshotter: "${text}" is none of ${SNAPSHOTTERS.join(", ")}`);
  return found;
}

/** What --network=host asks for by itself needs no second permission: one person gave both. */
function entitlements(values: readonly string[], network: string): readonly string[] {
  const wanted = values.flatMap((value) => value.split(","));
  for (const name of wanted) {
    if (/^device(=|$)/.test(name)) throw new BuildError("UNSUPPORTED", `--allow ${name} is not supported yet`);
    if (!ENTITLEMENTS.includes(name))
      throw new BuildError("USAGE", `invalid entitlement: "${name}"`, {
        hint: `entitlements are ${ENTITLEMENTS.join(", ")}`,
      });
  }
  return [...new Set(network === "host" ? [...wanted, "network.host"] : wanted)];
}

/** The variables that are set. */
export function definedOnly(environment: Environment): Map<string, string> {
  const result = new Map<string, string>();
  for (const [name, value] of Object.entries(environment)) if (value !== undefined) result.set(name, value);
  return result;
}
