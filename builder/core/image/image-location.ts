// Where an image is, as people write it: skopeo's names (containers-transports(5)), and
// `store:` for the store of tsbuild. Every command reads them here.

import type { Digest } from "../digest.ts";
import { isDigest, parseDigest } from "../digest.ts";
import { BuildError } from "../errors.ts";
import type { Reference } from "./reference.ts";
import { familiarReference, formatReference, parseReference } from "./reference.ts";

/** Which image of a layout or an archive: by name, or by its place in the list; neither: the only one. */
export interface Selection {
  readonly ref?: string;
  /** Counts from 0. */
  readonly index?: number;
  /** Of a manifest or an index; layouts only. */
  readonly digest?: Digest;
}

/** A place that holds, or is to hold, an image. Paths are as they were written. */
export type ImageLocation =
  | { readonly transport: "docker"; readonly reference: Reference }
  | ({ readonly transport: "oci" | "oci-archive" | "docker-archive"; readonly path: string } & Selection)
  | { readonly transport: "docker-daemon"; readonly image: Reference | Digest }
  | { readonly transport: "dir"; readonly path: string }
  | { readonly transport: "store"; readonly image: string };

/** All of them, as help texts list them. */
export const TRANSPORTS = "docker://, oci:, oci-archive:, docker-archive:, docker-daemon:, dir: and store:";

/** Reads `transport:details`. Throws `USAGE`, `REFERENCE_INVALID`, and `UNSUPPORTED` for transports that are skopeo's alone. */
export function parseLocation(text: string): ImageLocation {
  const colon = text.indexOf(":");
  const transport = colon < 0 ? "" : text.slice(0, colon);
  const details = text.slice(colon + 1);
  switch (transport) {
    case "docker":
      if (!details.startsWith("//")) throw usage(text, "a registry's image is written docker://name");
      return { transport, reference: parseReference(details.slice(2)) };
    case "oci":
    case "oci-archive":
    case "docker-archive":
      return { transport, ...pathAndSelection(transport, details, text) };
    case "docker-daemon":
      return { transport, image: isDigest(details) ? details : parseReference(details) };
    case "dir":
      if (details === "") throw usage(text, "it names no folder");
      return { transport, path: details };
    case "store":
      if (details === "") throw usage(text, "it names no image");
      return { transport, image: details };
    case "containers-storage":
      throw new BuildError(
        "UNSUPPORTED",
        `"${text}": the storage of podman and buildah is read and written by them alone`,
        {
          hint: "go through an archive: podman save --format oci-archive, podman load",
        },
      );
    case "ostree":
    case "sif":
    case "tarball":
    case "atomic":
      throw new BuildError("UNSUPPORTED", `"${text}": the transport "${transport}" is not supported`, {
        hint: `transports are ${TRANSPORTS}`,
      });
    default:
      throw new BuildError("USAGE", `"${text}" does not say where the image is: write transport:name`, {
        hint: `docker://${text} is a registry's, store:${text} the local store's; transports are ${TRANSPORTS}`,
      });
  }
}

/**
 * The same where image names are expected as well: undefined for a name, as "docker:27" is one. BuildKit's
 * `oci-layout://dir[:tag][@digest]` is taken too.
 */
export function locationInName(text: string): ImageLocation | undefined {
  if (text.startsWith("oci-layout:")) return parseOciLayoutUrl(text);
  return PLACES.test(text) ? parseLocation(text) : undefined;
}

const PLACES = /^(?:docker:\/\/|(?:oci|oci-archive|docker-archive|docker-daemon|dir|store|containers-storage):)/;

/** BuildKit's name of a layout. Throws `USAGE`. */
function parseOciLayoutUrl(text: string): ImageLocation {
  const match = /^oci-layout:(?:\/\/)?(.*?)(?::([\w][\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/s.exec(text);
  const [, path = "", ref, digest] = match ?? [];
  if (path === "") throw usage(text, "it names no folder");
  return {
    transport: "oci",
    path,
    ...(ref === undefined ? {} : { ref }),
    ...(digest === undefined ? {} : { digest: parseDigest(digest) }),
  };
}

/** The location with a path that is absolute. */
export function withPath(location: ImageLocation, resolve: (path: string) => string): ImageLocation {
  return "path" in location ? { ...location, path: resolve(location.path) } : location;
}

/** The location as it would be written; of names the short form. */
export function formatLocation(location: ImageLocation): string {
  switch (location.transport) {
    case "docker":
      return `docker://${familiarReference(location.reference)}`;
    case "oci":
    case "oci-archive":
    case "docker-archive":
      return `${location.transport}:${location.path}${formatSelection(location)}`;
    case "docker-daemon":
      return `docker-daemon:${typeof location.image === "string" ? location.image : familiarReference(location.image)}`;
    case "dir":
      return `dir:${location.path}`;
    case "store":
      return `store:${location.image}`;
  }
}

/** `:ref`, `:@2`, `:@sha256:…`, or nothing. */
export function formatSelection({ ref, index, digest }: Selection): string {
  if (ref !== undefined) return `:${ref}`;
  if (digest !== undefined) return `:@${digest}`;
  return index === undefined ? "" : `:@${index}`;
}

// The path ends at the first colon: what follows may have more of them.
function pathAndSelection(
  transport: "oci" | "oci-archive" | "docker-archive",
  details: string,
  text: string,
): { readonly path: string } & Selection {
  const colon = details.indexOf(":");
  const path = colon < 0 ? details : details.slice(0, colon);
  if (path === "") throw usage(text, "it names no path");
  const selection = colon < 0 ? "" : details.slice(colon + 1);
  if (selection === "") return { path };
  if (selection.startsWith("@")) {
    const wanted = selection.slice(1);
    if (/^\d{1,9}$/.test(wanted)) return { path, index: Number(wanted) };
    if (transport === "oci" && isDigest(wanted)) return { path, digest: wanted };
    throw usage(text, `"${selection}" is neither @ and a number${transport === "oci" ? " nor @ and a digest" : ""}`);
  }
  if (transport === "docker-archive") {
    const reference = parseReference(selection);
    if (reference.digest !== undefined) throw usage(text, "a docker-archive knows no digests");
    return { path, ref: formatReference(reference) };
  }
  // What containers/image takes for a ref.name (image-spec, annotations.md).
  if (!/^[A-Za-z0-9]+(?:(?:[-._:@+/]|--)[A-Za-z0-9]+)*$/.test(selection))
    throw usage(text, `"${selection}" is not a name`);
  return { path, ref: selection };
}

function usage(text: string, why: string): BuildError {
  return new BuildError("USAGE", `"${text}" is not an image's place: ${why}`);
}
