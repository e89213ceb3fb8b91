// Image references: [registry/]repository[:tag][@digest], with docker's short names
// (distribution reference grammar; "busybox" is docker.io/library/busybox:latest).

import type { Digest } from "../digest.ts";
import { parseDigest } from "../digest.ts";
import { BuildError } from "../errors.ts";

/** A reference with its defaults filled in. */
export interface Reference {
  /** Host and port: "docker.io", "127.0.0.1:5000". */
  readonly registry: string;
  /** "library/busybox". */
  readonly repository: string;
  /** Absent only when a digest is there. */
  readonly tag?: string;
  readonly digest?: Digest;
}

/** What an image name stands for where it has no registry: registries.conf's reading of it, not docker's. */
export type ExpandName = (name: string) => Promise<string>;

/** Reads an image name as docker does. Throws `REFERENCE_INVALID`. */
export function parseReference(text: string): Reference {
  const fail = (why: string): never => {
    throw new BuildError("REFERENCE_INVALID", `"${text}" is not an image name: ${why}`);
  };
  const at = text.indexOf("@");
  const named = at < 0 ? text : text.slice(0, at);
  const digest = at < 0 ? undefined : parseDigest(text.slice(at + 1));
  const lastSlash = named.lastIndexOf("/");
  const colon = named.indexOf(":", lastSlash + 1);
  const path = colon < 0 ? named : named.slice(0, colon);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  if (path === "") fail("it has no name");
  if (tag !== undefined && !/^[\w][\w.-]{0,127}$/.test(tag)) fail(`"${tag}" is not a tag`);
  const slash = path.indexOf("/");
  const first = slash < 0 ? "" : path.slice(0, slash);
  const hasRegistry = first !== "" && (/[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase());
  let registry = hasRegistry ? first : "docker.io";
  let repository = hasRegistry ? path.slice(slash + 1) : path;
  if (registry === "index.docker.io") registry = "docker.io";
  if (registry === "docker.io" && !repository.includes("/")) repository = `library/${repository}`;
  if (repository !== repository.toLowerCase()) fail("repository names are lower case");
  if (!/^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/.test(repository))
    fail(`"${repository}" is not a repository`);
  if (!/^(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9.-]*[A-Za-z0-9]|\[[0-9A-Fa-f:]+\])(?::\d+)?$/.test(registry))
    fail(`"${registry}" is not a registry`);
  if (digest !== undefined) return { registry, repository, ...(tag === undefined ? {} : { tag }), digest };
  return { registry, repository, tag: tag ?? "latest" };
}

/** The full form: docker.io/library/busybox:latest. */
export function formatReference(reference: Reference): string {
  const { registry, repository, tag, digest } = reference;
  return `${registry}/${repository}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

/** The short form people write: busybox:latest. */
export function familiarReference(reference: Reference): string {
  return formatReference(reference).replace(/^docker\.io\/(?:library\/)?/, "");
}

/** The full form of a name that somebody gives an image. Throws `USAGE` for one with a digest: that is the image's own. */
export function givenName(name: string): string {
  const reference = parseReference(name);
  if (reference.digest !== undefined)
    throw new BuildError("USAGE", `"${name}" has a digest, but the digest is what the image has`);
  return formatReference(reference);
}
