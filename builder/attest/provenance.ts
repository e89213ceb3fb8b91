// SLSA provenance of a build, as BuildKit writes it (docs/attestations/slsa-definitions.md):
// v1, and v0.2 with the same content under other names.

import { formatTime } from "../core/clock.ts";
import type { Descriptor } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { digestOf, hexOf } from "../core/digest.ts";
import { imagePackageUrl } from "../core/package-url.ts";
import { formatPlatform } from "../core/image/platform.ts";
import { formatReference, parseReference } from "../core/image/reference.ts";
import type { Op } from "../graph/op.ts";
import { canonicalJson, topological } from "../graph/vertex.ts";
import type { JsonObject } from "../image/json.ts";
import { omitEmpty, sortedMap } from "../image/json.ts";
import { GIT_SECRETS } from "./llb.ts";
import { buildConfig } from "./build-config.ts";
import type { BuildFacts, ImageFact } from "./facts.ts";
import { isSecretName, Withheld } from "./withheld.ts";

export type SlsaVersion = "v1" | "v0.2";

/** What the person asked of the provenance. */
export interface ProvenanceLook {
  /** "min" leaves out arguments, secrets' names, steps and the Dockerfile. */
  readonly mode: "min" | "max";
  readonly version: SlsaVersion;
  readonly builderId: string;
  /** Says that the result is meant to be the same, byte for byte, when it is built again. */
  readonly isReproducible: boolean;
}

/** What making the predicate works with. */
export interface ProvenanceWorld {
  /** Values of the build's secrets. */
  readonly secrets: readonly string[];
  /** A URL without users and passwords. */
  readonly redact: (text: string) => string;
  /** The result's layers in the image, bottom first. */
  readonly layers: readonly Descriptor[] | undefined;
  /** Layers from this one on are one, squashed. */
  readonly squashedFrom?: number | undefined;
}

/** The type of the predicate. */
export function predicateType(version: SlsaVersion): string {
  return `https://slsa.dev/provenance/${version}`;
}

/** The predicate, without secrets and the build arguments that look like one. */
export function provenance(facts: BuildFacts, look: ProvenanceLook, world: ProvenanceWorld): JsonObject {
  const hidden = [...facts.args].filter(([key]) => isVariable(key) && isSecretName(variableOf(key)));
  const withheld = new Withheld([
    ...world.secrets,
    ...hidden.map(([, value]) => value),
    ...[...facts.args.values()].flatMap(credentialsIn),
  ]);
  const parts = partsOf(facts, look, { ...world, withheld });
  const isRequestComplete = look.mode === "max" ? !withheld.isUsed : ![...facts.args.keys()].some(isVariable);
  const predicate = { ...parts, isRequestComplete, invocationId: facts.invocationId ?? derivedId(parts) };
  return look.version === "v1" ? slsa1(predicate) : slsa02(predicate);
}

/** Of the URLs in a value, as a proxy's: user with password, and the password. */
function credentialsIn(value: string): readonly string[] {
  const found = value.matchAll(/\b[a-z][a-z\d+.-]*:\/\/([^\s/@:]*:([^\s/@]*))@/gi);
  return [...found].flatMap(([, both = "", password = ""]) => [both, password]);
}

/** The same while the predicate is written. */
export type Writing = ProvenanceWorld & { readonly withheld: Withheld };

/** What both versions are made of. */
interface Parts {
  readonly builderId: string;
  readonly materials: readonly { readonly uri: string; readonly digest: JsonObject }[];
  readonly config: BuildFacts["config"];
  readonly request: JsonObject;
  readonly platform: string;
  readonly buildConfig: JsonObject | undefined;
  readonly buildkit: JsonObject;
  readonly startedOn: string;
  readonly finishedOn: string;
  readonly isHermetic: boolean;
  readonly isReproducible: boolean;
  readonly areMaterialsComplete: boolean;
}

type Predicate = Parts & { readonly isRequestComplete: boolean; readonly invocationId: string };

function partsOf(facts: BuildFacts, look: ProvenanceLook, world: Writing): Parts {
  const { mode } = look;
  const { withheld } = world;
  const vertices = facts.result === undefined ? [] : topological([facts.result]);
  const ops = vertices.map(({ op }) => op);
  const execs = ops.flatMap((op) => (op.kind === "exec" ? [op] : []));
  const config = mode === "max" ? buildConfig(facts, world) : undefined;
  const areMaterialsComplete = facts.locals.length === 0;
  return {
    builderId: look.builderId,
    materials: materialsOf(facts, withheld),
    config: withheld.scrubAll(facts.config),
    request: requestOf(facts, mode, ops, world),
    platform: formatPlatform(facts.builderPlatform),
    buildConfig: config?.steps,
    buildkit: omitEmpty({
      vcs: sortedMap(withheld.scrubAll(Object.fromEntries(facts.vcs))),
      source: config?.source,
      layers: config?.layers,
    }),
    startedOn: formatTime(facts.startedMs),
    finishedOn: formatTime(facts.finishedMs),
    isHermetic: areMaterialsComplete && execs.every(({ network }) => network === "none"),
    isReproducible: look.isReproducible,
    areMaterialsComplete,
  };
}

function materialsOf({ images, git, http }: BuildFacts, withheld: Withheld): Parts["materials"] {
  const byUri = <T extends { readonly uri: string }>(items: readonly T[]): T[] =>
    withheld.scrubAll(items.toSorted((a, b) => (a.uri < b.uri ? -1 : 1)));
  return [
    ...withoutPinnedTwins(images).map(({ name, platform, digest, isLocal }) => ({
      uri: imagePackageUrl(name, platform, isLocal ? "oci" : "docker"),
      digest: { sha256: hexOf(digest) },
    })),
    ...byUri(
      git.map(({ url, object }) => ({ uri: url, digest: { [object.length === 64 ? "sha256" : "sha1"]: object } })),
    ),
    ...byUri(http.map(({ url, digest }) => ({ uri: url, digest: { sha256: hexOf(digest) } }))),
  ];
}

/** By name; one that is also there by its tag is not named by its digest once more. */
function withoutPinnedTwins(images: readonly ImageFact[]): readonly ImageFact[] {
  const tagOf = (name: string): string => {
    const { digest: _pinned, ...reference } = parseReference(name);
    return formatReference({ ...reference, tag: reference.tag ?? "latest" });
  };
  const tagged = new Set(images.filter(({ name }) => !name.includes("@")).map(({ name }) => tagOf(name)));
  return images
    .filter(({ name }) => !name.includes("@") || !tagged.has(tagOf(name)))
    .toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function requestOf(
  { args, locals, dockerfile }: BuildFacts,
  mode: "min" | "max",
  ops: readonly Op[],
  { withheld, redact }: Writing,
): JsonObject {
  const shown = [...args].filter(([key, value]) => {
    if (!isVariable(key)) return true;
    return mode === "max" && !withheld.hides(variableOf(key), value);
  });
  const fields = shown.map(([key, value]): [string, string] => [
    key,
    isVariable(key) ? value : withheld.scrub(redact(value)),
  ]);
  return {
    ...(dockerfile === undefined ? {} : { frontend: "dockerfile.v0" }),
    ...omitEmpty({
      args: sortedMap(Object.fromEntries(fields)),
      secrets: mode === "max" ? grants(ops, "secret") : [],
      ssh: mode === "max" ? grants(ops, "ssh") : [],
      locals: locals.toSorted().map((name) => ({ name })),
    }),
  };
}

function isVariable(key: string): boolean {
  return key.startsWith("build-arg:") || key.startsWith("label:");
}

function variableOf(key: string): string {
  return key.slice(key.indexOf(":") + 1);
}

/** Ids of secrets or agents; one is optional when nothing requires it. */
function grants(ops: readonly Op[], type: "secret" | "ssh"): readonly JsonObject[] {
  const required = new Map<string, boolean>();
  for (const [id, isRequired] of ops.flatMap((op) => grantsOf(op, type)))
    required.set(id, isRequired || required.get(id) === true);
  return [...required]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, isRequired]) => (isRequired ? { id } : { id, optional: true }));
}

/** What an op may be given, and whether it must be. A repository by http may ask for a token, one by ssh for an agent. */
function grantsOf(op: Op, type: "secret" | "ssh"): readonly (readonly [id: string, isRequired: boolean])[] {
  if (op.kind === "exec")
    return op.mounts.flatMap((mount) => (mount.type === type ? [[mount.id, mount.required]] : []));
  if (op.kind !== "source" || op.source.type !== "git") return [];
  const isHttp = /^https?:/i.test(op.source.url);
  if (type === "ssh") return isHttp ? [] : [["default", false]];
  return isHttp ? GIT_SECRETS.map((id) => [id, false]) : [];
}

function slsa1(of: Predicate): JsonObject {
  return {
    buildDefinition: {
      buildType: "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
      ...omitEmpty({ resolvedDependencies: of.materials }),
      externalParameters: {
        configSource: omitEmpty({ uri: of.config.uri, digest: of.config.digest, path: of.config.path }),
        request: of.request,
      },
      internalParameters: { ...omitEmpty({ buildConfig: of.buildConfig }), builderPlatform: of.platform },
    },
    runDetails: {
      builder: { id: of.builderId },
      metadata: {
        invocationId: of.invocationId,
        startedOn: of.startedOn,
        finishedOn: of.finishedOn,
        buildkit_metadata: of.buildkit,
        ...omitEmpty({ buildkit_hermetic: of.isHermetic }),
        buildkit_completeness: { request: of.isRequestComplete, resolvedDependencies: of.areMaterialsComplete },
        ...omitEmpty({ buildkit_reproducible: of.isReproducible }),
      },
    },
  };
}

function slsa02(of: Predicate): JsonObject {
  return {
    builder: { id: of.builderId },
    buildType: "https://mobyproject.org/buildkit@v1",
    ...omitEmpty({ materials: of.materials }),
    invocation: {
      configSource: omitEmpty({ uri: of.config.uri, digest: of.config.digest, entryPoint: of.config.path }),
      parameters: of.request,
      environment: { platform: of.platform },
    },
    ...omitEmpty({ buildConfig: of.buildConfig }),
    metadata: {
      buildInvocationID: of.invocationId,
      buildStartedOn: of.startedOn,
      buildFinishedOn: of.finishedOn,
      completeness: { parameters: of.isRequestComplete, environment: true, materials: of.areMaterialsComplete },
      reproducible: of.isReproducible,
      "https://mobyproject.org/buildkit@v1#metadata": of.buildkit,
      ...omitEmpty({ "https://mobyproject.org/buildkit@v1#hermetic": of.isHermetic }),
    },
  };
}

const ID_LENGTH = 25;

/** An id as BuildKit's look, from everything that the provenance says. */
function derivedId(of: Parts): string {
  const digest: Digest = digestOf(canonicalJson(of));
  return BigInt(`0x${hexOf(digest)}`)
    .toString(36)
    .padStart(ID_LENGTH, "0")
    .slice(0, ID_LENGTH);
}
