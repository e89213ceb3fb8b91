// What was asked for, as a record has it: no secret, and nothing of which a URL's password could be read.

import type { Withheld } from "../../attest/withheld.ts";
import { isSecretName } from "../../attest/withheld.ts";
import { formatLocation } from "../../core/image/image-location.ts";
import { formatPlatform } from "../../core/image/platform.ts";
import type { RecordedOutput, RecordedRequest } from "../../records/build-record.ts";
import type { BuildRequest, ContextSpec, DockerfileSpec, ExportSpec } from "../../request.ts";

/** The request; what `withheld` names is not in it. */
export function recordedRequest(request: BuildRequest, withheld: Withheld): RecordedRequest {
  const clean = (text: string): string => withheld.scrub(text);
  const { target, epochSeconds, squash } = request;
  return {
    context: request.definition === undefined ? clean(contextText(request.context)) : GRAPH,
    dockerfile: request.definition === undefined ? clean(dockerfileText(request.dockerfile)) : GRAPH,
    namedContexts: mapped(request.namedContexts, (context) => clean(contextText(context))),
    ...(target === undefined ? {} : { target }),
    platforms: request.platforms.map(formatPlatform),
    buildArgs: mapped(request.buildArgs, (value, name) => (isSecretName(name) ? "<withheld>" : clean(value))),
    labels: mapped(request.labels, clean),
    noCache: request.noCache,
    pull: request.pull,
    network: request.network,
    allow: request.allow,
    secrets: request.session.secretIds ?? [],
    outputs: request.exports.map(outputOf),
    ...(epochSeconds === undefined ? {} : { epochSeconds }),
    ...(squash === undefined ? {} : { squash }),
  };
}

/** What stands for a context and a Dockerfile where a client sent what they would become. */
const GRAPH = "a graph of the client's (LLB)";

/** The names of the image, else where it is built from; a URL without what may be a password. */
export function whatIsBuilt({ exports, context, target, definition }: BuildRequest): string {
  const names = exports.flatMap((output) => ("image" in output ? output.image.names : []));
  const what =
    names.length > 0 ? [...new Set(names)].join(", ") : definition === undefined ? contextText(context) : GRAPH;
  return target === undefined ? what : `${what} (${target})`;
}

/** Where a context is; a URL without what may be a password. */
export function contextText(context: ContextSpec): string {
  switch (context.kind) {
    case "directory":
      return context.path;
    case "location":
      return formatLocation(context.location);
    case "stream":
      return "-";
    case "client":
      return "a client's folder";
    case "definition":
      return GRAPH;
    case "client-image":
      return `a client's image ${context.digest}`;
    case "git":
    case "http":
      return withoutPassword(context.url);
    case "image":
      return context.reference;
  }
}

function dockerfileText(spec: DockerfileSpec): string {
  switch (spec.kind) {
    case "path":
      return spec.path;
    case "default":
      return "Dockerfile";
    case "client":
      return spec.path ?? "Dockerfile";
    case "stream":
      return "-";
    case "http":
      return withoutPassword(spec.url);
  }
}

function outputOf(spec: ExportSpec): RecordedOutput {
  switch (spec.type) {
    case "image":
      return { type: spec.type, names: spec.image.names, push: spec.push };
    case "load":
      return { type: spec.type, names: spec.image.names };
    case "oci":
    case "docker": {
      const { destination, image } = spec;
      return {
        type: spec.type,
        names: image.names,
        destination: "path" in destination ? destination.path : "-",
      };
    }
    case "local":
      return { type: spec.type, destination: spec.path };
    case "client":
      return { type: "local" };
    case "tar":
      return { type: spec.type, destination: spec.destination.kind === "stream" ? "-" : spec.destination.path };
    case "cacheonly":
    case "look":
      return { type: "cacheonly" };
  }
}

function mapped<V>(values: ReadonlyMap<string, V>, text: (value: V, name: string) => string): Record<string, string> {
  return Object.fromEntries([...values].map(([name, value]) => [name, text(value, name)]));
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^/@]*@/, "//");
}
