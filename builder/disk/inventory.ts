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
import type { DiskItem, Inventory, ItemKind, ItemType } from "./items.ts";
import { readLayerFacts } from "./layer-facts.ts";
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

/** What is read of an item; the rest follows from the ledger. */
type Found = Pick<DiskItem, "id" | "kind" | "type" | "paths" | "bytes"> &
  Partial<Omit<DiskItem, "inUse" | "lease" | "usedMs" | "uses">>;

class Reader {
  readonly #parts: StoreParts;
  readonly #options: InventoryOptions;
  readonly #own: string;
  readonly #size = new TreeSize();
  readonly #known: ReturnType<Ledger["items"]>;
  readonly #images: readonly NamedBlobs[];
  readonly #blobBytes = new Map<string, number>();
  readonly #blobUsers = new Map<string, number>();
  readonly #items: DiskItem[] = [];
  readonly #others = new Map<string, number>();
  /** What the ledger is to know of its items. */
  readonly #account = new Map<ItemName, { readonly bytes: number; readonly changedMs: number }>();

  constructor(parts: StoreParts, options: InventoryOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#own = join(parts.root, "tsbuild");
    this.#known = parts.ledger.items();
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
      else this.#other("records", this.#size.tree(path));
    });
    this.#readAll("http/blobs/sha256", (name, path) => this.#named(`http/${name}`, path, "download", "regular"));
    this.#readAll("partial", (name, path) => this.#partial(name, path));
    this.#readAll("statcache", (name, path) => this.#loose(name, path, "context digests", "source.local"));
    this.#readContexts();
    this.#readAll("builds", (name, path) => {
      if (name.endsWith(".kept")) this.#loose(name, path, "failed step", "internal");
      else this.#other("build records", this.#size.tree(path));
    });
    for (const folder of ["indexes", "places", "notes", "listings", "blocks", "http/urls"])
      this.#readAll(folder, (name, path) => this.#loose(`${folder}/${name}`, path, "lookup table", "internal"));
    this.#readRest();
    return this.#inventory(images);
  }

  /** Whose they are: images have them first, each blob once. */
  #readBlobs(): { readonly name: string; readonly bytes: number }[] {
    const folder = join(this.#parts.root, "blobs/sha256");
    for (const hex of listFolder(folder)) {
      const bytes = this.#size.own(join(folder, hex));
      this.#blobBytes.set(hex, bytes);
      this.#account.set(`blob/${hex}`, { bytes, changedMs: 0 });
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
      this.#account.set(`layer/${id}`, { bytes: own, changedMs: createdMs });
      this.#add({
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
      if (!layers.has(name)) this.#other("unfinished layers", this.#size.tree(join(folder, name)));
    }
  }

  /** Blobs that no image and no layer needs: documents of images that were pulled, and what lost its name. */
  #readLooseBlobs(): void {
    const isKnown = this.#images.every(({ unreadable }) => unreadable.length === 0);
    for (const [hex, bytes] of this.#blobBytes) {
      if (this.#blobUsers.has(hex)) continue;
      // Where a document cannot be read it is not known what it names.
      if (!isKnown) this.#other("blobs of a damaged image", bytes);
      else {
        const paths = [join(this.#parts.root, "blobs/sha256", hex)];
        this.#add({ id: hex, kind: "image data", type: "regular", bytes, paths, locks: [`blob/${hex}`] });
      }
    }
  }

  #readMounts(): void {
    this.#readAll("mounts", (name, path) => {
      // What content a mount has (ops/mount-directories.ts); it goes with the mount.
      if (name.endsWith(".from")) this.#other("records", this.#size.tree(path));
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
        this.#other("unknown", this.#size.tree(join(folder, name)));
  }

  /** Something that the ledger has under its own name. */
  #named(item: ItemName, path: string, kind: ItemKind, type: ItemType, companions: readonly string[] = []): void {
    const bytes = this.#measure(item, path);
    this.#account.set(item, { bytes, changedMs: statIfThere(path)?.mtimeMs ?? 0 });
    const id = item.slice(item.indexOf("/") + 1);
    const paths = [path, ...companions];
    this.#add({ id, kind, type, bytes, paths, locks: [item], mutable: kind !== "download" });
  }

  /** What was measured stays so until somebody has used it to write (`StoreSpace.landed`). */
  #measure(item: ItemName, path: string): number {
    const known = this.#known.get(item);
    return !this.#options.exact && known?.isMeasured === true ? known.bytes : this.#size.tree(path);
  }

  /** Whoever downloads a blob holds the blob. */
  #partial(hex: string, path: string): void {
    const bytes = this.#size.tree(path);
    this.#other(UNNAMED, bytes);
    const id = `partial-${hex}`;
    this.#add({ id, kind: "unfinished download", type: "internal", bytes, paths: [path], locks: [`blob/${hex}`] });
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
    this.#other(UNNAMED, bytes);
    this.#add({ id, kind, type, bytes, paths, mutable: kind !== "failed step" });
  }

  #readAll(name: string, each: (name: string, path: string) => void): void {
    const folder = join(this.#own, name);
    for (const child of listFolder(folder)) each(child, join(folder, child));
    this.#other("folders", this.#size.own(folder));
  }

  /** The folders themselves, records, what is being worked on, what nobody knows. */
  #readRest(): void {
    const { root } = this.#parts;
    for (const folder of [root, join(root, "blobs"), join(root, "blobs/sha256")])
      this.#other("folders", this.#size.own(folder));
    for (const folder of ["", "layers", "http", "http/blobs"])
      this.#other("folders", this.#size.own(join(this.#own, folder)));
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
      if (!known.includes(name)) this.#other(whatIs(name), this.#size.tree(join(folder, name)));
    }
  }

  #other(what: string, bytes: number): void {
    this.#others.set(what, (this.#others.get(what) ?? 0) + bytes);
  }

  #inventory(images: Inventory["images"]): Inventory {
    const otherBytes = sum(this.#others.values()) - (this.#others.get("blobs of a damaged image") ?? 0);
    const totalBytes = otherBytes + sum([...this.#account.values()].map(({ bytes }) => bytes));
    this.#others.delete(UNNAMED);
    return {
      items: this.#items.toSorted(byAge),
      images,
      others: this.#others,
      totalBytes,
      blobUsers: this.#blobUsers,
      blobBytes: this.#blobBytes,
      account: { items: this.#account, otherBytes },
    };
  }

  #add(found: Found): void {
    const { ledger } = this.#parts;
    const { floor } = this.#options;
    const known = (found.locks ?? []).flatMap((lock) => this.#known.get(lock) ?? []);
    const [own] = known;
    const lease = Math.max(0, ...known.map((item) => item.lease));
    const changedMs = found.createdMs ?? statIfThere(found.paths[0] ?? "")?.mtimeMs ?? 0;
    const isHeld = floor === "all" || lease >= floor || (found.locks ?? []).some((item) => ledger.holds(item));
    this.#items.push({
      description: own?.label ?? found.kind,
      parents: [],
      shared: false,
      blobs: [],
      locks: [],
      depth: 0,
      mutable: false,
      createdMs: own?.createdMs ?? changedMs,
      ...found,
      inUse: isHeld && found.locks !== undefined,
      usedMs: own?.usedMs ?? changedMs,
      uses: own?.uses ?? 0,
      lease,
    });
  }
}

/** Things that go without anybody's asking are no items of the ledger. */
const UNNAMED = "unnamed items";

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

function whatIs(name: string): string {
  if (["work", "tmp", "leases", "locks"].includes(name)) return "running processes";
  return /^(?:cache\.db|steps\.db|guard\.key$|oci-layout$|index\.json$)/.test(name) ? "records" : "unknown";
}

/** What older processes used first; of one process, what stands on others before them. */
function byAge(a: DiskItem, b: DiskItem): number {
  return a.lease - b.lease || a.usedMs - b.usedMs || b.depth - a.depth || (a.id < b.id ? -1 : 1);
}

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((total, one) => total + one, 0);
}
