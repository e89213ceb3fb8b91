// The rootfs of a bundle: an image's layers as one plain directory, whose files have the owners that they will
// have in the bundle's user namespace.

import { bytePath } from "../core/bytes/byte-path.ts";
import { BuildError } from "../core/errors.ts";
import type { Entry, SourcedEntry } from "../layer/entry.ts";
import { mergedEntries } from "../snapshot/copy.ts";
import type { LayerPlace } from "../snapshot/ports.ts";
import type { RootDirectory } from "../snapshot/root-directory.ts";
import { setRoot } from "../snapshot/root-directory.ts";
import type { IdRange } from "./id-map.ts";
import { containerIdOf, hostIdOf } from "./id-map.ts";
import type { FileLayer } from "./layer-files.ts";

/** Whose the files will be. Undefined maps: the image's ids as they are. */
export interface Ownership {
  /** Of the bundle's user namespace. */
  readonly uids: readonly IdRange[] | undefined;
  readonly gids: readonly IdRange[] | undefined;
  /** Of the namespace this process is in. */
  readonly ownUids: readonly IdRange[];
  readonly ownGids: readonly IdRange[];
  /** Whether this process may make device nodes. */
  readonly makesDevices: boolean;
}

/** What the directory lacks of the image. */
export interface RootfsReport {
  /** How many paths belong to ids that the bundle's namespace lacks: they are its root's. */
  readonly reowned: number;
  /** Device nodes that could not be made. */
  readonly devices: readonly string[];
}

/**
 * Writes the merged layers into a new directory; their files below `spare` (absolute, of the same file system) become its
 * own. Nothing is left of it when this throws.
 */
export async function writeRootfs(
  {
    files,
    root,
    spare,
  }: { readonly files: readonly FileLayer[]; readonly root: RootDirectory; readonly spare: string },
  directory: string,
  { jobs, overlayXattrs }: Pick<LayerPlace, "jobs" | "overlayXattrs">,
  ownership: Ownership,
  signal: AbortSignal,
): Promise<RootfsReport> {
  let reowned = 0;
  const devices: string[] = [];
  const owners = new OwnerMap(ownership);
  const entries = (await mergedEntries(files, signal)).map((item): SourcedEntry => {
    const { entry } = item;
    if (!ownership.makesDevices && (entry.type === "char" || entry.type === "block")) devices.push(`/${entry.path}`);
    if (owners.lacks(entry)) reowned += 1;
    return { ...item, entry: owners.applyTo(entry) };
  });
  // Never linked with the store's files: a container writes to these.
  const spareDirectory = bytePath(spare);
  await jobs.write({ entries, directory, overlayXattrs, hardlinkSources: false, spareDirectory }, signal);
  setRoot(directory, { ...root, ...owners.of(root) });
  return { reowned, devices };
}

/** Entries with the ids that this process must give them. */
class OwnerMap {
  readonly #ownership: Ownership;

  constructor(ownership: Ownership) {
    this.#ownership = ownership;
  }

  /** The ids to write for an owner. */
  of({ uid, gid }: Pick<Entry, "uid" | "gid">): { readonly uid: number; readonly gid: number } {
    const { uids, gids, ownUids, ownGids } = this.#ownership;
    if (uids === undefined || gids === undefined) return { uid, gid };
    return { uid: written(uids, ownUids, uid), gid: written(gids, ownGids, gid) };
  }

  lacks({ uid, gid }: Entry): boolean {
    const { uids, gids } = this.#ownership;
    return (
      (uids !== undefined && hostIdOf(uids, uid) === undefined) ||
      (gids !== undefined && hostIdOf(gids, gid) === undefined)
    );
  }

  applyTo(entry: Entry): Entry {
    if (this.#ownership.uids === undefined) return entry;
    const root = this.of({ uid: 0, gid: 0 }).uid;
    const { xattrs } = entry;
    const capability = xattrs?.[CAPABILITY];
    return {
      ...entry,
      ...this.of(entry),
      ...(capability === undefined ? {} : { xattrs: { ...xattrs, [CAPABILITY]: capabilityFor(capability, root) } }),
    };
  }
}

/** The id to write for an id of the image; one that the bundle's namespace lacks becomes its root's. */
function written(map: readonly IdRange[], own: readonly IdRange[], id: number): number {
  const host = hostIdOf(map, id) ?? hostIdOf(map, 0);
  if (host === undefined) throw new BuildError("USAGE", "the id maps of the bundle have no id 0");
  const found = containerIdOf(own, host);
  if (found !== undefined) return found;
  throw new BuildError("SANDBOX", `the bundle maps ${id} to ${host}, an id that this user may not give files to`, {
    hint: "map to ids of /etc/subuid and /etc/subgid, or run as root",
  });
}

const CAPABILITY = "security.capability";
const REVISION_MASK = 0xff00_0000;
const REVISION_3 = 0x0300_0000;

/**
 * File capabilities that hold in a namespace whose root is another id (capabilities(7), "Namespaced file capabilities"):
 * version 3 with that id behind. What is no version 2 stays as it is.
 */
function capabilityFor(value: Uint8Array, root: number): Uint8Array {
  if (root === 0 || value.length !== 20) return value;
  const bytes = Buffer.alloc(24);
  bytes.set(value);
  bytes.writeUInt32LE(((bytes.readUInt32LE(0) & ~REVISION_MASK) | REVISION_3) >>> 0, 0);
  bytes.writeUInt32LE(root, 20);
  return bytes;
}
