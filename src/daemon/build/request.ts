// Frontend attributes and exporters to a request, as BuildKit's Dockerfile frontend reads them
// (frontend/dockerui/config.go). What means something there and nothing here is refused.

import { availableParallelism } from "node:os";
import type { Descriptor } from "../../../builder/core/image/descriptor.ts";
import type { Digest } from "../../../builder/core/digest.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import type { EventSink } from "../../../builder/core/events.ts";
import { formatPlatform, hostPlatform, parsePlatform } from "../../../builder/core/image/platform.ts";
import type { Platform } from "../../../builder/core/image/platform.ts";
import type { Session } from "../../../builder/core/session.ts";
import type { SourcePolicy } from "../../../builder/source-policy.ts";
import type { BuildRequest, ResolvedRef, Turns } from "../../../builder/request.ts";
import { BUILD_FLAGS } from "../../cli/flags/build-flags.ts";
import { parseExtraHosts } from "../../cli/values/extra-host-spec.ts";
import { parseArguments } from "../../cli/flags.ts";
import { parseCount } from "../../cli/values/sizes.ts";
import { parseUlimit } from "../../cli/values/ulimit-spec.ts";
import { attestationsOf } from "../../commands/build/attestations.ts";
import type { DaemonSettings } from "../settings.ts";
import type { Exporter } from "../../api/proto/control.ts";
import { remoteSession } from "../session/remote-session.ts";
import type { AskedCaches } from "./caches.ts";
import { cachesOf } from "./caches.ts";
import type { Contexts, ContextsWorld, FrontendInput } from "./contexts.ts";
import { readContexts } from "./contexts.ts";
import type { AskedDefinition } from "./definition.ts";
import { NO_CONTEXTS, readDefinition } from "./definition.ts";
import { readExporters } from "./exporters.ts";

const DEFAULT_SHM_BYTES = 64 << 20;
/** Limits of docker build that steps do not have here. */
const LIMITS = ["memory", "memswap", "cpushares", "cpuperiod", "cpuquota", "cpusetcpus", "cpusetmems"];

/** What a client asks for. */
export interface Asked {
  readonly attrs: ReadonlyMap<string, string>;
  readonly exporters: readonly Exporter[];
  readonly entitlements: readonly string[];
  readonly caches: AskedCaches;
  readonly given?: Given;
  /** A graph in the place of a Dockerfile. */
  readonly definition?: AskedDefinition | undefined;
  /** What contexts may be ("input:…"). */
  readonly inputs?: ReadonlyMap<string, FrontendInput>;
  /** Rules about sources, beside those of the whole build. */
  readonly policies?: readonly SourcePolicy[];
}

/** What came with the request itself, in place of what a session has. */
export interface Given {
  readonly contexts?: Contexts;
  readonly session?: Session;
  readonly squash?: BuildRequest["squash"];
}

/** What a request is made with. */
export interface RequestWorld extends ContextsWorld {
  readonly settings: DaemonSettings;
  readonly events: EventSink;
  /** What git refs named when an earlier part of the same build asked. */
  readonly gitRefs: Map<Digest, ResolvedRef>;
  /** Says when a step may run, among the steps of all clients. */
  readonly turns: Turns;
  /** Told of the manifest of a cache that the client keeps. */
  readonly onClientCache: (manifest: Descriptor) => void;
}

/** The request of a build. Throws `USAGE`, `UNSUPPORTED`. */
export async function requestOf(
  { attrs, exporters, entitlements, caches: asked, given = {}, definition, inputs, policies = [] }: Asked,
  outer: RequestWorld,
): Promise<BuildRequest> {
  const world = { ...outer, policies: [...outer.policies, ...policies] };
  const { settings, session, held, signal } = world;
  refuseLimits(attrs);
  const attestations = await attestationsOf(attestArguments(attrs));
  const states = attestations !== undefined;
  const outputs = readExporters(exporters, { states, session, signal });
  const network = networkOf(attrs.get("force-network-mode"));
  const buildArgs = withPrefix(attrs, "build-arg:");
  const { insecureRegistries, ...caches } = await cachesOf(asked, attrs, buildArgs, {
    session,
    signal,
    environment: Object.fromEntries(settings.environment),
    onClientCache: world.onClientCache,
  });
  const { router, expandName } = settings.registries([...outputs.insecureRegistries, ...insecureRegistries]);
  const hostname = attrs.get("hostname") ?? "";
  if (hostname !== "" && !buildArgs.has("BUILDKIT_SANDBOX_HOSTNAME"))
    buildArgs.set("BUILDKIT_SANDBOX_HOSTNAME", hostname);
  return {
    root: settings.root,
    ...(given.contexts ?? (definition === undefined ? await readContexts(attrs, { ...world, inputs }) : NO_CONTEXTS)),
    ...(definition === undefined ? {} : { definition: readDefinition(definition, world) }),
    target: attrs.get("target") || undefined,
    buildArgs,
    labels: withPrefix(attrs, "label:"),
    platforms: platformsOf(attrs.get("platform")),
    noCache: noCacheOf(attrs.get("no-cache")),
    pull: attrs.get("image-resolve-mode") === "pull",
    network,
    extraHosts: listOf(attrs.get("add-hosts")).flatMap(parseExtraHosts),
    ulimits: listOf(attrs.get("ulimit")).map(parseUlimit),
    shmSizeBytes: attrs.get("shm-size") ? parseCount(attrs.get("shm-size") ?? "", "shm-size", 0) : DEFAULT_SHM_BYTES,
    cgroupParent: attrs.get("cgroup-parent") || (settings.cgroupParent ?? ""),
    allow: allowed(entitlements, network, settings.entitlements),
    exports: outputs.exports,
    ...caches,
    sourcePolicies: world.policies,
    ...(attestations === undefined ? {} : { attestations }),
    jobs: settings.maxParallelism ?? availableParallelism(),
    turns: world.turns,
    disk: settings.disk,
    epochSeconds: undefined,
    reproducible: false,
    requireSandbox: settings.requireSandbox,
    session: given.session ?? (session === undefined ? NOBODY : remoteSession(session, held, signal)),
    ...(given.squash === undefined ? {} : { squash: given.squash }),
    router,
    expandName,
    events: world.events,
    gitRefs: world.gitRefs,
    now: Date.now,
    hostPlatform: hostPlatform(),
    environment: settings.environment,
    check: undefined,
  };
}

/** Whoever asks without a session has nothing. */
const NOBODY: Session = {
  secret: () => Promise.resolve(undefined),
  sshAgent: () => Promise.resolve(undefined),
  credentials: () => Promise.resolve(undefined),
};

function withPrefix(attrs: ReadonlyMap<string, string>, prefix: string): Map<string, string> {
  const found = [...attrs].filter(([key]) => key.startsWith(prefix));
  return new Map(found.map(([key, value]) => [key.slice(prefix.length), value]));
}

function listOf(text: string | undefined): readonly string[] {
  return (text ?? "").split(",").filter((part) => part !== "");
}

function platformsOf(text: string | undefined): readonly Platform[] {
  const found = listOf(text).map((name) => parsePlatform(name));
  return [...new Map(found.map((platform) => [formatPlatform(platform), platform])).values()];
}

/** Without names every stage. */
function noCacheOf(text: string | undefined): boolean | readonly string[] {
  if (text === undefined) return false;
  return text === "" ? true : listOf(text);
}

function networkOf(text = ""): BuildRequest["network"] {
  switch (text) {
    case "":
    case "sandbox":
    case "default":
      return "default";
    case "host":
    case "none":
      return text;
    default:
      throw new BuildError("USAGE", `invalid netmode "${text}"`);
  }
}

/** What a client may ask for is the daemon's to say. */
function allowed(
  asked: readonly string[],
  network: BuildRequest["network"],
  permitted: readonly string[],
): readonly string[] {
  const all = network === "host" && !asked.includes("network.host") ? [...asked, "network.host"] : asked;
  for (const name of all) {
    if (permitted.includes(name)) continue;
    throw new BuildError("USAGE", `${name} is not allowed`, {
      hint: `the daemon permits it with --allow-insecure-entitlement ${name}`,
    });
  }
  return all;
}

function refuseLimits(attrs: ReadonlyMap<string, string>): void {
  // Of a number 0 is no limit; of a set of processors it is the first.
  const isSaid = (name: string, text = ""): boolean => text !== "" && (text !== "0" || name.startsWith("cpuset"));
  const limit = LIMITS.find((name) => isSaid(name, attrs.get(name)));
  if (limit !== undefined)
    throw new BuildError("UNSUPPORTED", `limits of a build's steps (${limit}) are not supported yet`, {
      hint: "limit the whole daemon with a cgroup or a systemd unit instead",
    });
}

/** `attest:provenance=mode=min` in the grammar of `--attest`. */
function attestArguments(attrs: ReadonlyMap<string, string>): ReturnType<typeof parseArguments> {
  const words = [...withPrefix(attrs, "attest:")].map(
    ([type, value]) => `--attest=type=${type}${value === "" ? "" : `,${value}`}`,
  );
  return parseArguments(BUILD_FLAGS, words);
}
