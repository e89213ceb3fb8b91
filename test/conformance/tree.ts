// Layers put on top of each other: the root file system of an image, as a runtime would unpack it.

import path from "node:path";

import { type Entry, normalPath } from "./layer.ts";

const MAX_STEPS = 255;

/** A root file system. Entries keep their identity, so that an untouched one is known by it. */
export class Tree {
  readonly files = new Map<string, Entry>();

  /** Unpacks one more layer. */
  apply(members: readonly (readonly [string, Entry])[]): void {
    const touched = new Set<string>();
    for (const [name, entry] of members) {
      if (name === "") continue;
      const base = path.posix.basename(name);
      if (base === ".wh..wh..opq") this.#clear(this.#resolve(name).slice(0, -"/.wh..wh..opq".length), touched);
      else if (!base.startsWith(".wh..wh.")) this.#put(this.#resolve(name), entry, touched);
    }
  }

  /** Names that are one inode, sorted; inodes of `foreign` are left out. */
  hardLinks(foreign: ReadonlySet<Entry>): string[][] {
    const groups = new Map<Entry, string[]>();
    for (const [name, entry] of this.files) {
      if (entry.type === "dir" || entry.type === "dangling-hardlink" || foreign.has(entry)) continue;
      groups.set(entry, [...(groups.get(entry) ?? []), name]);
    }
    const names = [...groups.values()].filter((group) => group.length > 1).map((group) => group.toSorted());
    return names.toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1));
  }

  #put(name: string, entry: Entry, touched: Set<string>): void {
    const { dir, base } = path.posix.parse(name);
    if (base.startsWith(".wh.")) return this.#remove(path.posix.join(dir, base.slice(".wh.".length)));
    for (let parent = dir; parent !== "" && !this.files.has(parent); parent = path.posix.parse(parent).dir) {
      this.files.set(parent, { type: "dir", mode: "755", uid: 0, gid: 0, mtime: 0 });
      touched.add(parent);
    }
    const old = this.files.get(name);
    if (old !== undefined && !(old.type === "dir" && entry.type === "dir")) this.#remove(name);
    this.files.set(name, entry.type === "hardlink" ? this.#linked(entry.link ?? "") : entry);
    touched.add(name);
  }

  #linked(target: string): Entry {
    return this.files.get(this.#resolve(target)) ?? { type: "dangling-hardlink", link: target };
  }

  #remove(name: string): void {
    for (const other of [...this.files.keys()]) if (other.startsWith(`${name}/`)) this.files.delete(other);
    this.files.delete(name);
  }

  /** What an opaque folder hides: all that older layers put there. */
  #clear(folder: string, touched: ReadonlySet<string>): void {
    for (const name of [...this.files.keys()]) {
      if (name.startsWith(`${folder}/`) && !touched.has(name)) this.files.delete(name);
    }
  }

  /** Follows symbolic links in the folder part of a path, inside the tree. */
  #resolve(name: string): string {
    const parts = name.split("/");
    const last = parts.pop() ?? "";
    let at = "";
    for (let steps = 0; parts.length > 0 && steps < MAX_STEPS; steps++) {
      const next = `${at}/${parts.shift()}`.replace(/^\//, "");
      const entry = this.files.get(next);
      if (entry?.type !== "symlink") {
        at = next;
        continue;
      }
      const link = entry.link ?? "";
      const target = normalPath(link.startsWith("/") ? link : `${at}/${link}`);
      parts.unshift(...target.split("/").filter((part) => part !== ""));
      at = "";
    }
    return `${at}/${last}`.replace(/^\//, "");
  }
}
