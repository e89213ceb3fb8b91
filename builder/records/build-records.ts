// The records of the builds of one store: `<root>/tsbuild/builds/` holds
//   <id>.json   what is remembered of a build
//   <id>.log    what its steps printed
//   <id>.kept   the layers that its failed RUN left. While this file is there they must stay: it is their lease.
// A `.kept` file is locked (shared) while somebody looks at what it names.

import {
  closeSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { BuildError, isErrno } from "../core/errors.ts";
import { flock } from "../core/system/syscall.ts";
import type { BuildRecord, KeptState } from "./build-record.ts";
import { RECORD_FORMAT } from "./build-record.ts";
import { idsNamed, numberOfNewer } from "./build-name.ts";
import { openIfThere } from "../store/open-if-there.ts";

/** Records that are remembered, and states of failed steps that are kept, at most. */
const MOST_RECORDS = 50;
const MOST_KEPT = 3;
/** What the logs of all builds may take; the oldest ones go first. */
const MOST_LOG_BYTES = 512 * 1024 * 1024;
/** How long the state of a failed step is kept. */
const KEPT_MS = 7 * 24 * 3600 * 1000;

/** A name for a new build. */
export function newBuildId(): string {
  // Letters that cannot be mistaken for digits.
  const letters = "abcdefghjkmnpqrstuvwxyz23456789";
  return [...randomBytes(10)].map((byte) => letters[byte % letters.length]).join("");
}

/** The records of a store, for whoever only reads or removes them. */
export function buildRecordsOf(root: string): BuildRecords {
  return new BuildRecords(join(root, "tsbuild/builds"), join(root, "tsbuild/work"));
}

/** What belongs to a record and lies beside it. */
export interface RecordParts {
  readonly kept?: KeptState | undefined;
  /** Path of the file with its output, not yet in its place. */
  readonly log?: string | undefined;
}

/** The records below one folder. */
export class BuildRecords {
  readonly #directory: string;
  readonly #temporaryDirectory: string;

  /** `directory` is made when something is saved; `temporaryDirectory` is on its file system. */
  constructor(directory: string, temporaryDirectory: string) {
    this.#directory = directory;
    this.#temporaryDirectory = temporaryDirectory;
  }

  /**
   * Remembers a build, what its failed step left if there is something, and its log, a file of the same file system that is
   * moved here. What is then too much, or kept for too long, is forgotten; `dropLayer` is given the layers that nobody
   * needs any more.
   */
  save(record: BuildRecord, { kept, log }: RecordParts, dropLayer: (id: string) => void): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    if (kept !== undefined) this.#write(`${record.id}.kept`, JSON.stringify(kept));
    if (log !== undefined) renameSync(log, this.logPath(record.id));
    this.#write(`${record.id}.json`, JSON.stringify(record));
    this.#makeNewest(record.id);
    this.#forget(record.endedMs, dropLayer);
    if (log !== undefined) this.#shrinkLogs();
  }

  /** Where the output of a build is, if it is kept. */
  logPath(id: string): string {
    return join(this.#directory, `${id}.log`);
  }

  /** Forgets a build. What its failed step left goes as well, unless somebody looks at it: then false, and nothing is gone. */
  remove(id: string, dropLayer: (id: string) => void): boolean {
    this.#drop(id, dropLayer);
    if (this.isKept(id)) return false;
    this.#removeFiles(id);
    return true;
  }

  /** All records, the newest first. */
  list(): BuildRecord[] {
    return this.#byAge(".json")
      .flatMap(({ id, timeMs }) => {
        const record = this.#read(`${id}.json`);
        return record === undefined ? [] : [{ record, timeMs }];
      })
      .toSorted((a, b) => b.timeMs - a.timeMs || b.record.endedMs - a.record.endedMs)
      .map(({ record }) => record);
  }

  /** The build of an id, or of the only one that begins so; `^0` is the last one, `^1` the one before. Throws `USAGE`. */
  find(text: string): BuildRecord {
    const newer = numberOfNewer(text);
    const counted = newer === undefined ? undefined : this.list()[newer];
    if (counted !== undefined) return counted;
    const ids = this.#names(".json").map((name) => name.slice(0, -".json".length));
    const found = idsNamed(text, ids);
    const [only] = found;
    const record = only !== undefined && found.length === 1 ? this.#read(`${only}.json`) : undefined;
    if (record !== undefined) return record;
    throw new BuildError(
      "USAGE",
      found.length > 1 ? `several builds begin with "${text}"` : `there is no build "${text}"`,
      {
        hint: "tsbuild builds ls lists the last ones",
      },
    );
  }

  /** Whether the state of a build's failed step is kept. */
  isKept(id: string): boolean {
    return this.#names(".kept").includes(`${id}.kept`);
  }

  /** The state of a build's failed step, safe from being dropped until disposed; undefined when it is not kept any more. */
  holdKept(id: string): (KeptState & Disposable) | undefined {
    const file = openIfThere(join(this.#directory, `${id}.kept`));
    if (file === undefined) return undefined;
    const close = (): void => closeSync(file);
    // Whoever drops it holds it alone; then it is gone in a moment.
    if (!flock(file, "shared", { wait: false }) || !this.isKept(id)) {
      close();
      return undefined;
    }
    const state = keptIn(file);
    if (state === undefined) close();
    return state && { ...state, [Symbol.dispose]: close };
  }

  /** The files' times are the order of builds: where the clock has gone back since an earlier one, this one's come after that. */
  #makeNewest(id: string): void {
    const [newest] = this.#byAge(".json").filter((other) => other.id !== id);
    if (newest === undefined || newest.timeMs < statSync(join(this.#directory, `${id}.json`)).mtimeMs) return;
    const time = (newest.timeMs + 1) / 1000;
    for (const name of [`${id}.json`, `${id}.kept`, `${id}.log`])
      if (existsSync(join(this.#directory, name))) utimesSync(join(this.#directory, name), time, time);
  }

  // By the files' times: to read all records at the end of every build would take longer than the build may.
  #forget(nowMs: number, dropLayer: (id: string) => void): void {
    const kept = this.#byAge(".kept");
    const isOld = ({ timeMs }: { readonly timeMs: number }): boolean => nowMs - timeMs > KEPT_MS;
    for (const { id } of kept.filter((state, place) => place >= MOST_KEPT || isOld(state))) this.#drop(id, dropLayer);
    const ids = this.#names(".json");
    if (ids.length <= MOST_RECORDS) return;
    for (const { id } of this.#byAge(".json").slice(MOST_RECORDS)) {
      if (!this.isKept(id)) this.#removeFiles(id);
    }
  }

  #removeFiles(id: string): void {
    rmSync(join(this.#directory, `${id}.json`), { force: true, recursive: true });
    rmSync(this.logPath(id), { force: true });
  }

  #shrinkLogs(): void {
    let bytes = 0;
    for (const { id, sizeBytes } of this.#byAge(".log")) {
      bytes += sizeBytes;
      if (bytes > MOST_LOG_BYTES) rmSync(this.logPath(id), { force: true });
    }
  }

  /** The newest first. */
  #byAge(ending: string): { readonly id: string; readonly timeMs: number; readonly sizeBytes: number }[] {
    return this.#names(ending)
      .flatMap((name) => {
        const stat = statSync(join(this.#directory, name), { throwIfNoEntry: false });
        return stat === undefined
          ? []
          : [{ id: name.slice(0, -ending.length), timeMs: stat.mtimeMs, sizeBytes: stat.size }];
      })
      .toSorted((a, b) => b.timeMs - a.timeMs);
  }

  /** Somebody looking at it, or files of ids that this process lacks, leave it for a later build. */
  #drop(id: string, dropLayer: (id: string) => void): void {
    const path = join(this.#directory, `${id}.kept`);
    const file = openIfThere(path);
    if (file === undefined) return;
    try {
      if (!flock(file, "exclusive", { wait: false })) return;
      const layer = keptIn(file)?.rootfs.at(-1);
      if (layer !== undefined) dropLayer(layer);
      rmSync(path, { force: true });
    } catch (error) {
      if (!isErrno(error, "EACCES", "EPERM")) throw error;
    } finally {
      closeSync(file);
    }
  }

  #read(name: string): BuildRecord | undefined {
    try {
      const record: unknown = JSON.parse(readFileSync(join(this.#directory, name), "utf8"));
      return isRecord(record) && `${record.id}.json` === name ? record : undefined;
    } catch (error) {
      if (isErrno(error, "ENOENT", "EISDIR") || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  #names(ending: string): string[] {
    try {
      return readdirSync(this.#directory).filter((name) => name.endsWith(ending));
    } catch (error) {
      if (isErrno(error, "ENOENT")) return [];
      throw error;
    }
  }

  #write(name: string, text: string): void {
    const temporary = join(this.#temporaryDirectory, name);
    try {
      writeFileSync(temporary, text, { mode: 0o600 });
      renameSync(temporary, join(this.#directory, name));
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }
}

/** Whether it is what this version writes: enough of it for whoever reads it not to fail. */
function isRecord(value: unknown): value is BuildRecord {
  const record = value as Partial<BuildRecord> | null; // looked at field by field
  return (
    record?.format === RECORD_FORMAT &&
    typeof record.startedMs === "number" &&
    typeof record.endedMs === "number" &&
    typeof record.request?.buildArgs === "object" &&
    Array.isArray(record.steps) &&
    Array.isArray(record.timeline?.steps) &&
    Array.isArray(record.timeline.warnings)
  );
}

/** What a file of the layers that a failed step left names; undefined when it is damaged. */
function keptIn(file: number): KeptState | undefined {
  try {
    const state = JSON.parse(readFileSync(file, "utf8")) as Partial<KeptState> | null; // written by `save`, if by anybody
    const { rootfs, inputs } = state ?? {};
    return Array.isArray(rootfs) && inputs !== undefined ? { rootfs, inputs } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
