// What a scan finds, and what a reader of one kind of package data offers.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import type { Entry } from "../../layer/entry.ts";

/** One package. */
export interface Software {
  readonly name: string;
  readonly version: string;
  /** Its package URL: what makes two findings the same package. */
  readonly purl: string;
  /** Which data says so: "the dpkg database". */
  readonly from: string;
  /** The files that say so. */
  readonly evidence: readonly BytePath[];
  /** As the package declares it, in whatever form. */
  readonly license?: string | undefined;
  /** Who made it: a name, or `Name <mail>`. */
  readonly maintainer?: string | undefined;
  readonly homepage?: string | undefined;
  readonly description?: string | undefined;
}

/** The system that /etc/os-release names. */
export interface SystemRelease {
  /** "debian". */
  readonly id: string;
  /** "12"; rolling systems have none. */
  readonly version: string | undefined;
  readonly prettyName: string;
}

/** The files of one reader, open to it. */
export interface ScannedFiles {
  /** Those it wanted, in byte order. */
  readonly paths: readonly BytePath[];
  readonly system: SystemRelease | undefined;
  /** A folder of this scan, for files that other programs must open. */
  readonly scratch: string;
  bytes(path: BytePath): Uint8Array;
  /** UTF-8; what is none becomes U+FFFD. */
  text(path: BytePath): string;
  /** In bytes. */
  size(path: BytePath): number;
  /** A part of a file; shorter at its end. */
  part(path: BytePath, offset: number, length: number): Uint8Array;
  /** Says that something could not be read, and why; the scan goes on. */
  note(path: BytePath, why: string): void;
}

/** Reads one kind of package data. */
export interface Cataloger {
  wants(path: BytePath, entry: Entry): boolean;
  /** What the files say. What it throws for one file is noted, and the rest read: see `eachFile`. */
  find(files: ScannedFiles): readonly Software[] | Promise<readonly Software[]>;
}

/** Reads files one by one; one that cannot be understood is noted. */
export function eachFile(files: ScannedFiles, read: (path: BytePath) => Iterable<Software>): readonly Software[] {
  const found: Software[] = [];
  for (const path of files.paths) {
    try {
      for (const software of read(path)) found.push(software);
    } catch (error) {
      files.note(path, error instanceof Error ? error.message : String(error));
    }
  }
  return found;
}

/** The qualifier `distro` of package URLs: "debian-12". */
export function distroOf(system: SystemRelease | undefined): string | undefined {
  if (system === undefined) return undefined;
  return system.version === undefined ? system.id : `${system.id}-${system.version}`;
}
