// The directories behind cache mounts: made new when a step wants one, with what it is to begin with, or with what a cache
// elsewhere has for it.
//
// A directory whose content came from elsewhere, or went there, has a file beside it that says which content that is. The
// first step that may write to it takes the file away. So what is known to be a copy may be replaced by a later one, and
// what a step here has made is never overwritten.

import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { BytePath } from "../core/bytes/byte-path.ts";
import { bytePath } from "../core/bytes/byte-path.ts";
import { isErrno } from "../core/errors.ts";
import type { StoreSpace } from "../core/space.ts";
import { removeTree } from "../core/system/remove-tree.ts";
import type { Ref } from "../snapshot/ref.ts";
import type { CacheMountRequest } from "./cache-mounts.ts";
import { lockDirectory } from "./directory-lock.ts";

export interface MountDirectoriesOptions {
  /** `<root>/tsbuild/mounts`. */
  readonly directory: string;
  /** On the same file system; swept when the process has died. */
  readonly temporaryDirectory: string;
  readonly space: StoreSpace;
  readonly privileged: boolean;
  /** Fills a new directory with what `from` holds. */
  readonly fill: (
    from: { readonly ref: Ref; readonly selector: BytePath },
    directory: string,
    signal: AbortSignal,
  ) => Promise<void>;
  /** Caches elsewhere, where there are any. */
  readonly elsewhere?: MountsElsewhere;
  /** Ids of mounts that begin anew: what is there counts for nothing, nor what lies elsewhere. */
  readonly renewed?: ReadonlySet<string>;
}

/** Content of cache mounts that lies elsewhere. Both are told by `elsewhere` itself when something fails, and cost no build. */
export interface MountsElsewhere {
  /** What there is for a mount; undefined when there is nothing, or it cannot be had. */
  find(name: string, signal: AbortSignal): Promise<MountContent | undefined>;
}

export interface MountContent {
  /** Names the content: equal names, equal content. */
  readonly version: string;
  /** Fills an empty directory, with what is in `base` if need be; false when it could not, and the directory is to be removed. */
  fill(directory: string, base: string | undefined, signal: AbortSignal): Promise<boolean>;
}

/** Makes them, and brings them up to date. */
export class MountDirectories {
  readonly #options: MountDirectoriesOptions;
  /** What is being made or replaced: others of this build wait for it. */
  readonly #turns = new Map<string, Promise<unknown>>();
  /** Mounts that were put aside for new ones. */
  readonly #renewed = new Set<string>();

  constructor(options: MountDirectoriesOptions) {
    this.#options = options;
  }

  /** The directory of a mount that a step wants to use. */
  async prepare(name: string, request: CacheMountRequest, signal: AbortSignal): Promise<string> {
    const before = this.#turns.get(name);
    const turn = (async () => {
      await before?.catch(() => undefined);
      return await this.#prepare(name, request, signal);
    })();
    this.#turns.set(name, turn);
    return await turn;
  }

  /** Which content a directory has, unless a step has had it since. */
  versionOf(name: string): string | undefined {
    try {
      return readFileSync(this.#versionFile(name), "utf8");
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  /** Says which content a directory has; undefined: nobody knows any more. */
  setVersion(name: string, version: string | undefined): void {
    const file = this.#versionFile(name);
    if (version === undefined) return rmSync(file, { force: true });
    const temporary = join(this.#options.temporaryDirectory, randomUUID());
    writeFileSync(temporary, version);
    renameSync(temporary, file);
  }

  pathOf(name: string): string {
    return join(this.#options.directory, name);
  }

  async #prepare(name: string, request: CacheMountRequest, signal: AbortSignal): Promise<string> {
    const path = this.pathOf(name);
    const { space, elsewhere, renewed } = this.#options;
    if (renewed?.has(request.id) === true) this.#renew(name);
    space.hold(`mount/${name}`);
    space.label(`mount/${name}`, `cached mount with id ${request.id}`);
    // The step will write there.
    space.landed(`mount/${name}`);
    if (!existsSync(path)) await this.#make(name, request, signal);
    else if (elsewhere !== undefined) await this.#refresh(name, elsewhere, signal);
    return path;
  }

  async #make(name: string, request: CacheMountRequest, signal: AbortSignal): Promise<void> {
    const isNew = this.#options.renewed?.has(request.id) === true;
    const content = isNew ? undefined : await this.#options.elsewhere?.find(name, signal);
    const filled = content === undefined ? undefined : await this.#filled(content, undefined, signal);
    const made = filled ?? (await this.#begun(request, signal));
    try {
      renameSync(made, this.pathOf(name));
    } catch (error) {
      removeTree(bytePath(made));
      if (!isErrno(error, "ENOTEMPTY", "EEXIST")) throw error; // another step was faster: theirs is as good
      return;
    }
    this.setVersion(name, filled === undefined ? undefined : content?.version);
  }

  /** Puts a mount and its twins (`<name>.<number>`) aside, once: whoever uses one keeps it, and it goes later. */
  #renew(twin: string): void {
    const [name = twin] = twin.split(".");
    if (this.#renewed.has(name)) return;
    this.#renewed.add(name);
    const { directory, temporaryDirectory, space } = this.#options;
    for (const entry of readdirSync(directory)) {
      if (entry !== name && !entry.startsWith(`${name}.`)) continue;
      if (entry.endsWith(".from")) {
        this.setVersion(entry.slice(0, -".from".length), undefined);
        continue;
      }
      // Under a name that no step asks for, where the next renewal finds it, or garbage collection.
      const old = entry.startsWith(`${name}${OLD}`) ? entry : `${name}${OLD}${randomUUID()}`;
      space.hold(`mount/${old}`);
      try {
        if (old !== entry) renameSync(this.pathOf(entry), this.pathOf(old));
      } catch (error) {
        if (!isErrno(error, "ENOENT")) throw error; // another build was faster
        continue;
      }
      const lock = lockDirectory(this.pathOf(old), "exclusive");
      if (typeof lock === "string") continue;
      using _held = lock;
      const gone = join(temporaryDirectory, randomUUID());
      renameSync(this.pathOf(old), gone);
      removeTree(bytePath(gone));
    }
  }

  /** A new directory, as the step says that it begins. */
  async #begun(request: CacheMountRequest, signal: AbortSignal): Promise<string> {
    const { temporaryDirectory, privileged, fill } = this.#options;
    const made = join(temporaryDirectory, randomUUID());
    mkdirSync(made);
    try {
      if (request.from === undefined) {
        if (privileged) chownSync(made, request.uid, request.gid);
        chmodSync(made, request.mode);
      } else {
        await fill(request.from, made, signal);
      }
    } catch (error) {
      rmSync(made, { recursive: true, force: true });
      throw error;
    }
    return made;
  }

  /** A new directory with content from elsewhere. */
  async #filled(content: MountContent, base: string | undefined, signal: AbortSignal): Promise<string | undefined> {
    const made = join(this.#options.temporaryDirectory, randomUUID());
    mkdirSync(made);
    try {
      if (await content.fill(made, base, signal)) return made;
    } catch (error) {
      removeTree(bytePath(made));
      throw error;
    }
    removeTree(bytePath(made));
    return undefined;
  }

  /** Replaces a copy of what a cache had by what it has now, unless a step uses the directory or has used it. */
  async #refresh(name: string, elsewhere: MountsElsewhere, signal: AbortSignal): Promise<void> {
    const known = this.versionOf(name);
    const content = known === undefined ? undefined : await elsewhere.find(name, signal);
    if (content === undefined || content.version === known) return;
    const path = this.pathOf(name);
    const made = await this.#filled(content, path, signal);
    if (made === undefined) return;
    const old = join(this.#options.temporaryDirectory, randomUUID());
    const lock = lockDirectory(path, "exclusive");
    if (typeof lock !== "string") {
      using _held = lock;
      if (this.versionOf(name) === known) {
        renameSync(path, old);
        try {
          renameSync(made, path);
          this.setVersion(name, content.version);
        } catch (error) {
          if (!isErrno(error, "ENOTEMPTY", "EEXIST")) throw error; // a step began with an empty one in this moment
        }
      }
    }
    for (const gone of [old, made]) removeTree(bytePath(gone));
  }

  #versionFile(name: string): string {
    return `${this.pathOf(name)}.from`;
  }
}

/** Between a mount's name and what makes the name of an old one its own. */
const OLD = ".old-";
