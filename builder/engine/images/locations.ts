// Opens the places where images are: what a transport's name says, as a source or a sink.
// Each transport is loaded when it is first named.

import type { Descriptor } from "../../core/image/descriptor.ts";
import { BuildError } from "../../core/errors.ts";
import type { ExpandName } from "../../core/image/reference.ts";
import { formatReference, givenName, parseReference } from "../../core/image/reference.ts";
import type { DaemonEndpoint } from "../../core/session.ts";
import type { UnpackLimits } from "../../layer/unpack-limits.ts";
import { writeOutput } from "../../exporter/file-sink.ts";
import { unknownImage } from "./kept-images.ts";
import { findStored } from "./stored-images.ts";
import type { TakeBytes } from "../../transport/archive-writer.ts";
import type { NamedStore } from "../../transport/local-store.ts";
import { storedImage, storeSink } from "../../transport/local-store.ts";
import type { RegistryOptions } from "../../transport/registry/client.ts";
import type { ImageSink, ImageSource } from "../../transport/source.ts";
import type { ImageLocation } from "../../core/image/image-location.ts";
import { formatLocation, locationInName } from "../../core/image/image-location.ts";

/** What opening a place may need. */
export interface LocationAccess {
  readonly registry: RegistryOptions;
  readonly daemon: () => Promise<DaemonEndpoint>;
  readonly store: () => Promise<NamedStore>;
  /** Folder for files that are gone with what is opened. */
  readonly temporaryDirectory: () => Promise<string>;
  readonly limits: UnpackLimits;
  /** What a name that is not in the store stands for; undefined: what docker makes of it. */
  readonly expandName?: ExpandName | undefined;
  readonly signal: AbortSignal;
}

/** Opens an image to read. Throws `INPUT_MISSING`, `ARCHIVE_INVALID`, and what the place throws. */
export async function openSource(location: ImageLocation, access: LocationAccess): Promise<ImageSource> {
  const archive = async (): Promise<{ temporaryDirectory: string; limits: UnpackLimits }> => ({
    temporaryDirectory: await access.temporaryDirectory(),
    limits: access.limits,
  });
  switch (location.transport) {
    case "docker": {
      const { openRegistry } = await import("../../transport/registry/source.ts");
      const source = await openRegistry(location.reference, access.registry);
      // What a mirror gives the registry itself has as well.
      const { registry, repository } = location.reference;
      const heldAt = (blob: Descriptor): readonly string[] => [
        ...new Set([`${registry}/${repository}`, ...(source.heldAt?.(blob) ?? [])]),
      ];
      return { ...source, heldAt };
    }
    case "oci": {
      const { openOciLayout } = await import("../../transport/oci-layout.ts");
      return await openOciLayout(location.path, location);
    }
    case "oci-archive": {
      const { openOciArchive } = await import("../../transport/oci-archive.ts");
      return await openOciArchive(location.path, location, await archive());
    }
    case "docker-archive": {
      const { openDockerArchive } = await import("../../transport/docker-archive.ts");
      return await openDockerArchive(location.path, location, await archive());
    }
    case "docker-daemon": {
      const { openDaemonImage } = await import("../../transport/docker-daemon/source.ts");
      return await openDaemonImage(location.image, await access.daemon(), await archive(), access.signal);
    }
    case "dir": {
      const { openDir } = await import("../../transport/dir.ts");
      return await openDir(location.path);
    }
    case "store": {
      const store = await access.store();
      const { image } = location;
      const found = await findStored(store, image, access.expandName);
      if (found === undefined) throw unknownImage(store, image, `; docker://${image} names one of a registry`);
      return storedImage(store, found.descriptor, image);
    }
  }
}

/** Where an image is that may be called by a place or by a name: names are looked for in the store, then in a registry. */
export async function locate(text: string, access: LocationAccess): Promise<ImageLocation> {
  const location = locationInName(text);
  if (location !== undefined) return location;
  const { expandName } = access;
  if ((await findStored(await access.store(), text, expandName)) !== undefined)
    return { transport: "store", image: text };
  return { transport: "docker", reference: parseReference((await expandName?.(text)) ?? text) };
}

/** A place to write to, and what the image is called there. */
export interface OpenSink {
  readonly sink: ImageSink;
  readonly names: readonly string[];
}

/** Opens a place to write. `more` are further names (tags of a registry, references elsewhere). Throws `USAGE`, `OUTPUT`, and what the place throws. */
export async function openSink(
  location: ImageLocation,
  more: readonly string[],
  access: LocationAccess,
): Promise<OpenSink> {
  switch (location.transport) {
    case "docker": {
      const { registry, repository, tag, digest } = location.reference;
      const { openRegistrySink } = await import("../../transport/registry/sink.ts");
      const names = [...(tag === undefined || digest !== undefined ? [] : [tag]), ...more];
      return { sink: await openRegistrySink(`${registry}/${repository}`, access.registry), names };
    }
    case "oci": {
      const { openOciLayoutSink } = await import("../../transport/oci-layout.ts");
      return { sink: await openOciLayoutSink(location.path), names: [...newRef(location), ...more] };
    }
    case "oci-archive": {
      const { openOciArchiveSink } = await import("../../transport/oci-archive.ts");
      const name = `oci archive "${location.path}"`;
      const sink = openOciArchiveSink(toFile(location.path), { name }, access.signal);
      return { sink, names: [...newRef(location), ...more] };
    }
    case "docker-archive": {
      const { openDockerArchiveSink } = await import("../../transport/docker-archive-sink.ts");
      const sink = openDockerArchiveSink(toFile(location.path), `docker archive "${location.path}"`, access.signal);
      return { sink, names: [...newRef(location), ...more].map(givenName) };
    }
    case "docker-daemon": {
      if (typeof location.image === "string" || location.image.digest !== undefined) {
        throw new BuildError("USAGE", `"${formatLocation(location)}": a daemon is given an image under a name`, {
          hint: "write docker-daemon:name:tag",
        });
      }
      const { openDaemonSink } = await import("../../transport/docker-daemon/sink.ts");
      const sink = await openDaemonSink(await access.daemon(), access.signal);
      return { sink, names: [formatReference(location.image), ...more].map(givenName) };
    }
    case "dir": {
      if (more.length > 0) throw new BuildError("USAGE", `"${formatLocation(location)}" has no place for names`);
      const { openDirSink } = await import("../../transport/dir.ts");
      return { sink: await openDirSink(location.path), names: [] };
    }
    case "store":
      return { sink: storeSink(await access.store()), names: [location.image, ...more].map(givenName) };
  }
}

/** Writes a file, or a device that is there, such as /dev/stdout. */
function toFile(path: string): TakeBytes {
  return (chunks, signal) => writeOutput({ kind: "file", path }, chunks, signal);
}

function newRef(location: Extract<ImageLocation, { readonly path: string }>): readonly string[] {
  if (!("ref" in location) || location.ref === undefined) {
    if (
      ("index" in location && location.index !== undefined) ||
      ("digest" in location && location.digest !== undefined)
    )
      throw new BuildError("USAGE", `"${formatLocation(location)}": an image that is written has a name, not a place`);
    return [];
  }
  return [location.ref];
}
