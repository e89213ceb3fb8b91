// Looks at all that lies in a store, and says of each thing what it is, what it takes, and who needs it. What nobody knows
// counts as the store's own: the sum is always what the file system says.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Ledger, LeaseFloor } from "../cache/ledger.ts";
import { isErrno } from "../core/errors.ts";
import type { ItemName } from "../core/space.ts";
import type { NamedBlobs } from "./image-blobs.ts";
import { readNamedBlobs } from "./image-blobs.ts";
import type { Inventory, ItemKind, ItemType } from "./items.ts";
import { readLayerFacts } from "./layer-facts.ts";
import { DAMAGED, Tally, UNNAMED } from "./tally.ts";
import { listFolder, statIfThere, TreeSize } from "./tree-size.ts";

/** The parts of a store, opened. */
export interface StoreParts {
  /** Absolute. */
  readonly root: string;
  readonly database: DatabaseSync;
  readonly ledger: Ledger;
}

export interface InventoryOptions {
  /** What is in use by others; see `Ledger.floor`, which is to be asked first. */
  readonly floor: LeaseFloor;
  /** Measures layers again that were measured before. */
  readonly exact: boolean;
}

/** A whole store. Throws `STORE` when its images are not known, `NamespaceNeeded` where files belong to other ids. */
export function readInventory(parts: StoreParts, options: InventoryOptions): Inventory {
  return new Reader(parts, options).read();
}

class Reader {
  readonly #parts: StoreParts;
  readonly #options: InventoryOptions;
  readonly #own: string;
  readonly #size = new TreeSize();
  readonly #tally: Tally;
  readonly #images: readonly NamedBlobs[];
  readonly #blobBytes = new Map<string, number>();
  readonly #blobUsers = new Map<string, number>();

  constructor(parts: StoreParts, options: InventoryOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#own = join(parts.root, "tsbuild");
    this.#tally = new Tally(parts.ledger, options.floor);
    this.#images = readNamedBlobs(parts.root);
  }

  read(): Inventory {
    const images = this.#readBlobs();
    this.#readLayers();
    this.#readLooseBlobs();
    this.#readMounts();
    this.#readAll("git", (name, path) => {
      // Beside the repositories lies a list of hosts.
      if (/^[0-9a-f]{64}$/.test(name)) this.#named(`git/${name}`, path, "git repository", "source.git.checkout");
      else this.#tally.other("records", this.#size.tree(path));
    });
    this.#readAll("http/blobs/sha256", (name, path) => this.#named(`http/${name}`, path, "download", "regular"));
    this.#readAll("partial", (name, path) => this.#partial(name, path));
    this.#readAll("statcache", (name, path) => this.#loose(name, path, "context digests", "source.local"));
    this.#readContexts();
    this.#readAll("builds", (name, path) => {
      if (name.endsWith(".kept")) this.#loose(name, path, "failed step", "internal");
      else this.#tally.other("build records", this.#size.tree(path));
    });
    for (const folder of ["indexes", "places", "notes", "listings", "blocks", "http/urls"])
      this.#readAll(folder, (name, path) => this.#loose(`${folder}/${name}`, path, "lookup table", "internal"));
    this.#readRest();
    return { ...this.#tally.inventory(), images, blobUsers: this.#blobUsers, blobBytes: this.#blobBytes };
  }

  /** Whose they are: images have them first, each blob once. */
  #readBlobs(): { readonly name: string; readonly bytes: number }[] {
    const folder = join(this.#parts.root, "blobs/sha256");
    for (const hex of listFolder(folder)) {
      const bytes = this.#size.own(join(folder, hex));
      this.#blobBytes.set(hex, bytes);
      this.#tally.account(`blob/${hex}`, bytes, 0);
    }
    return this.#images.map(({ name, blobs }) => ({ name, bytes: this.#countBlobs(blobs) }));
  }

  /** What blobs take that nobody has counted yet. */
  #countBlobs(blobs: Iterable<string>): number {
    let bytes = 0;
    for (const hex of blobs) {
      const users = this.#blobUsers.get(hex) ?? 0;
      this.#blobUsers.set(hex, users + 1);
      if (users === 0) bytes += this.#blobBytes.get(hex) ?? 0;
    }
    return bytes;
  }

  #readLayers(): void {
    const ofImages = new Set(this.#blobUsers.keys());
    const folder = join(this.#own, "layers");
    const layers = readLayerFacts(this.#own, this.#parts.database);
    for (const [id, { blobs, parent, depth, description, createdMs }] of layers) {
      const own = this.#measure(`layer/${id}`, join(folder, id));
      this.#tally.account(`layer/${id}`, own, createdMs);
      this.#tally.add({
        id,
        kind: "layer",
        type: "regular",
        description,
        parents: parent === undefined ? [] : [parent],
        shared: blobs.some((hex) => ofImages.has(hex)),
        bytes: own + this.#countBlobs(blobs),
        createdMs,
        paths: [join(folder, id)],
        locks: [`layer/${id}`],
        blobs,
        depth,
        layer: id,
      });
    }
    for (const name of listFolder(folder)) {
      // One that is being made, or is damaged.
      if (!layers.has(name)) this.#tally.other("unfinished layers", this.#size.tree(join(folder, name)));
    }
  }

  /** Blobs that no image and no layer needs: documents of images that were pulled, and what lost its name. */
  #readLooseBlobs(): void {
    const isKnown = this.#images.every(({ unreadable }) => unreadable.length === 0);
    for (const [hex, bytes] of this.#blobBytes) {
      if (this.#blobUsers.has(hex)) continue;
      // Where a document cannot be read it is not known what it names.
      if (!isKnown) this.#tally.other(DAMAGED, bytes);
      else {
        const paths = [join(this.#parts.root, "blobs/sha256", hex)];
        this.#tally.add({ id: hex, kind: "image data", type: "regular", bytes, paths, locks: [`blob/${hex}`] });
      }
    }
  }

  #readMounts(): void {
    this.#readAll("mounts", (name, path) => {
      // What content a mount has (ops/mount-directories.ts); it goes with the mount.
      if (name.endsWith(".from")) this.#tally.other("records", this.#size.tree(path));
      else this.#named(`mount/${name}`, path, "cache mount", "exec.cachemount", [`${path}.from`]);
    });
  }

  /** The contexts of clients of the daemon, each with the lock that a build has on it (source/kept-folders.ts). */
  #readContexts(): void {
    this.#readAll("contexts", (name, path) => {
      if (!name.endsWith(".lock")) return;
      const place = path.slice(0, -".lock".length);
      const id = `context-${name.slice(0, -".lock".length)}`;
      const bytes = this.#options.exact ? undefined : writtenDown(path);
      this.#loose(id, place, "client context", "source.local", { more: [path], bytes });
    });
    // A place without its lock: its daemon died while it took it away.
    const folder = join(this.#own, "contexts");
    for (const name of listFolder(folder))
      if (!name.endsWith(".lock") && statIfThere(join(folder, `${name}.lock`)) === undefined)
        this.#tally.other("unknown", this.#size.tree(join(folder, name)));
  }

  /** Something that the ledger has under its own name. */
  #named(item: ItemName, path: string, kind: ItemKind, type: ItemType, companions: readonly string[] = []): void {
    const bytes = this.#measure(item, path);
    this.#tally.account(item, bytes, statIfThere(path)?.mtimeMs ?? 0);
    const id = item.slice(item.indexOf("/") + 1);
    const paths = [path, ...companions];
    this.#tally.add({ id, kind, type, bytes, paths, locks: [item], mutable: kind !== "download" });
  }

  #measure(item: ItemName, path: string): number {
    return (this.#options.exact ? undefined : this.#tally.measured(item)) ?? this.#size.tree(path);
  }

  /** Whoever downloads a blob holds the blob. */
  #partial(hex: string, path: string): void {
    const bytes = this.#size.tree(path);
    this.#tally.other(UNNAMED, bytes);
    const id = `partial-${hex}`;
    this.#tally.add({
      id,
      kind: "unfinished download",
      type: "internal",
      bytes,
      paths: [path],
      locks: [`blob/${hex}`],
    });
  }

  /** Something that may go at any time: whoever looks for it then does not find it. */
  #loose(
    id: string,
    path: string,
    kind: ItemKind,
    type: ItemType,
    known: { readonly more?: readonly string[]; readonly bytes?: number | undefined } = {},
  ): void {
    const paths = [path, ...(known.more ?? [])];
    const bytes = known.bytes ?? paths.reduce((sum, one) => sum + this.#size.tree(one), 0);
    this.#tally.other(UNNAMED, bytes);
    this.#tally.add({ id, kind, type, bytes, paths, mutable: kind !== "failed step" });
  }

  #readAll(name: string, each: (name: string, path: string) => void): void {
    const folder = join(this.#own, name);
    for (const child of listFolder(folder)) each(child, join(folder, child));
    this.#tally.other("folders", this.#size.own(folder));
  }

  /** The folders themselves, records, what is being worked on, what nobody knows. */
  #readRest(): void {
    const { root } = this.#parts;
    for (const folder of [root, join(root, "blobs"), join(root, "blobs/sha256")])
      this.#tally.other("folders", this.#size.own(folder));
    for (const folder of ["", "layers", "http", "http/blobs"])
      this.#tally.other("folders", this.#size.own(join(this.#own, folder)));
    // Stores of a daemon's tenants have their own count.
    this.#readUnknown(root, ["blobs", "tsbuild", "tenants"]);
    this.#readUnknown(join(root, "blobs"), ["sha256"]);
    this.#readUnknown(join(this.#own, "http"), ["blobs", "urls"]);
    this.#readUnknown(join(this.#own, "http/blobs"), ["sha256"]);
    this.#readUnknown(this.#own, FOLDERS);
  }

  #readUnknown(folder: string, known: readonly string[]): void {
    for (const name of listFolder(folder)) {
      // SQLite's, for as long as somebody has the records open; as we do.
      if (/^(?:cache|steps)\.db-(?:shm|wal)$/.test(name)) continue;
      if (!known.includes(name)) this.#tally.other(whatIs(name), this.#size.tree(join(folder, name)));
    }
  }
}

const FOLDERS = [
  "layers",
  "mounts",
  "git",
  "http",
  "statcache",
  "partial",
  "builds",
  "contexts",
  "indexes",
  "places",
  "notes",
  "listings",
  "blocks",
];

/** What whoever brought a context wrote into its lock; undefined while it changes, and when it is gone meanwhile. */
function writtenDown(lock: string): number | undefined {
  try {
    const text = readFileSync(lock, "latin1");
    return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  } catch (error) {
    if (isErrno(error, "ENOENT", "EACCES", "EPERM")) return undefined;
    throw error;
  }
}

/** What they have not finished yet. */
export const RUNNING = "running processes";

function whatIs(name: string): string {
  if (["work", "tmp", "leases", "locks"].includes(name)) return RUNNING;
  return /^(?:cache\.db|steps\.db|guard\.key$|oci-layout$|index\.json$)/.test(name) ? "records" : "unknown";
}
