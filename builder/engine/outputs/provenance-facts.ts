// What provenance says of a build, gathered from the request, the graph and the sources
// that were opened.

import { basename } from "node:path";
import type { BuildFacts, ConfigSource, GitFact, HttpFact, ImageFact } from "../../attest/facts.ts";
import type { AttestedBuild } from "./attestations.ts";
import type { ResolvedBase } from "../images/base-images.ts";
import type { Platform } from "../../core/image/platform.ts";
import { platformRank } from "../../core/image/platform.ts";
import { parseReference } from "../../core/image/reference.ts";
import { dockerfilePath, frontendArgs } from "./frontend-words.ts";
import type { Vertex } from "../../graph/vertex.ts";
import { topological } from "../../graph/vertex.ts";
import type { Outcome } from "./outputs.ts";
import type { BuildRequest } from "../../request.ts";
import { findWorkTree, pathInside } from "../../source/git/work-tree.ts";
import { redact } from "../../source/redact.ts";

/** Everything but the invocation's id. With SOURCE_DATE_EPOCH the build took no time, and was then. */
export function provenanceFacts(build: AttestedBuild, { plan }: Outcome): Omit<BuildFacts, "invocationId"> {
  const { request, inputs, dockerfile, startedMs, finishedMs } = build;
  const { images, git, http } = inputs.resolved;
  const vertices = plan.result === undefined ? [] : topological([plan.result]);
  const isUsed = ({ vertex }: { readonly vertex: string }): boolean => vertices.some(({ digest }) => digest === vertex);
  const isContext = (url: string): boolean => request.context.kind === "http" && url === request.context.url;
  const epochMs = plan.epochSeconds === undefined ? undefined : plan.epochSeconds * 1000;
  const gitFacts = unique(
    git.filter(isUsed).map(({ source, resolved }): GitFact => ({
      url: redact(source.url) + (source.ref === undefined ? "" : `#${source.ref}`),
      object: resolved.object,
    })),
  );
  const httpFacts = unique(
    http
      .filter((each) => isUsed(each) || isContext(each.source.url))
      .map(({ source, digest }): HttpFact => ({ url: redact(source.url), digest })),
  );
  return {
    images: imagesFor(plan.platform, images, request),
    git: gitFacts,
    http: httpFacts,
    locals: localsOf(vertices, request),
    config: { ...configSource(request, inputs.resolved), ...dockerfilePath(request) },
    args: frontendArgs(request),
    vcs: vcsOf(request),
    dockerfile,
    result: plan.result,
    imageOf: (id) => {
      const found = images.find((image) => image.id === id);
      return found && { platform: found.platform, layers: found.layers };
    },
    builderPlatform: request.hostPlatform,
    startedMs: epochMs ?? startedMs,
    finishedMs: epochMs ?? finishedMs,
  };
}

/** Those of the platform, and those that not every platform of the build has (BuildKit, filterImagePlatforms). */
function imagesFor(platform: Platform, all: readonly ResolvedBase[], request: BuildRequest): readonly ImageFact[] {
  const wanted = request.platforms.length === 0 ? [platform] : request.platforms;
  const has = (name: string, of: Platform): boolean =>
    all.some((image) => image.name === name && platformRank(of, image.platform) === 100);
  return all
    .filter(
      ({ name, platform: own }) => !wanted.every((each) => has(name, each)) || platformRank(platform, own) === 100,
    )
    .map(({ name, platform: own, top, isLocal }) => ({
      name: isLocal ? localName(name) : name,
      platform: own,
      digest: top,
      isLocal,
    }));
}

/** A reference for what lies in a folder or an archive: the context's name, else the file's. */
function localName(name: string): string {
  try {
    parseReference(name);
    return name;
  } catch {
    return (
      basename(name)
        .toLowerCase()
        .replaceAll(/[^a-z0-9]+/g, "-")
        .replaceAll(/^-+|-+$/g, "") || "layout"
    );
  }
}

/** The client's folders: those that the graph reads, and the one that the Dockerfile came from. */
function localsOf(vertices: readonly Vertex[], { context, dockerfile, definition }: BuildRequest): readonly string[] {
  const read = vertices.flatMap(({ op }) =>
    op.kind === "source" && (op.source.type === "local" || (op.source.type === "archive" && context.kind === "stream"))
      ? [op.source.name]
      : [],
  );
  const isRemote = context.kind === "git" || context.kind === "http";
  const hasOwnDockerfile =
    definition === undefined && (!isRemote || dockerfile.kind === "stream" || dockerfile.kind === "http");
  return [...new Set([...read, ...(hasOwnDockerfile ? ["dockerfile"] : [])])].sort();
}

/** A context that is not the client's own, with the digest of what it was. */
function configSource({ context }: BuildRequest, { git, http }: AttestedBuild["inputs"]["resolved"]): ConfigSource {
  if (context.kind === "http") {
    const [found] = http.filter(({ source }) => source.url === context.url);
    const digest = found && { sha256: found.digest.slice("sha256:".length) };
    return { uri: redact(context.url), ...(digest === undefined ? {} : { digest }) };
  }
  if (context.kind !== "git") return {};
  // The main context is the first that is opened.
  const [found] = git;
  if (found === undefined) return { uri: redact(context.url) };
  const { ref = "", subdir = "", url } = found.source;
  const fragment = ref === "" && subdir === "" ? "" : `#${ref}${subdir === "" ? "" : `:${subdir}`}`;
  const { object } = found.resolved;
  return { uri: redact(url) + fragment, digest: { [object.length === 64 ? "sha256" : "sha1"]: object } };
}

/** Of folders in a git work tree, as buildx's client says it; BUILDX_GIT_INFO=false leaves it out. */
function vcsOf({ context, namedContexts, environment }: BuildRequest): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const isOff = /^(0|f|false)$/i.test(environment.get("BUILDX_GIT_INFO") ?? "");
  if (context.kind !== "directory" || isOff) return found;
  const tree = findWorkTree(context.path);
  if (tree === undefined) return found;
  const set = (key: string, value: string | undefined): void => {
    if (value !== undefined) found.set(key, value);
  };
  set("revision", tree.revision);
  set("source", tree.remote?.replace(/^(https?:\/\/)[^/@]*@/i, "$1"));
  set("localdir:context", pathInside(tree, context.path));
  for (const [name, each] of namedContexts)
    if (each.kind === "directory") set(`localdir:${name}`, pathInside(tree, each.path));
  return found;
}

function unique<T>(items: readonly T[]): readonly T[] {
  return [...new Map(items.map((item) => [JSON.stringify(item), item])).values()];
}
