// The trees of source ops, each opened once a build: local folders, archives, downloads,
// checkouts.

import { dirname } from "node:path";
import { bytePath } from "../../core/bytes/byte-path.ts";
import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { ClientFolder } from "../../core/session.ts";
import type { Engine } from "../../engine.ts";
import type { SourceOp } from "../../graph/op.ts";
import { reportTo, told } from "../internal-steps.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import type { Reader } from "../../ops/context-files.ts";
import { followedPaths } from "../../ops/followed-paths.ts";
import type { BuildRequest } from "../../request.ts";
import type { IgnoreLine } from "../../dockerfile/dockerignore.ts";
import type { LocalTreeOptions } from "../../source/local-tree.ts";
import { LocalTree } from "../../source/local-tree.ts";
import type { HttpFile } from "../../source/http-file.ts";
import type { GitSource, HttpSource, RemoteOptions, ResolvedRef } from "../../source/remote.ts";
import type { Police } from "../../source/policed-sources.ts";
import { redact } from "../../source/redact.ts";
import { StatCache } from "../../source/stat-cache.ts";
import { TreeScan } from "../../source/tree-scan.ts";

/** A source op that is no image. */
export type TreeSource = Exclude<SourceOp["source"], { type: "image" }>;

type LocalSource = Extract<TreeSource, { type: "local" }>;

/** A client's folder that local ops name. */
export interface LocalPlace {
  /** Absolute, or a folder on another machine. */
  readonly directory: string | ClientFolder;
  readonly ignoreFile?: { readonly name: string; readonly lines: readonly IgnoreLine[] } | undefined;
}

/** Says what a source must be, where a lock file does; throws when it says nothing. */
export interface SourcePins {
  http(source: HttpSource): HttpSource;
  git(source: GitSource): GitSource;
}

/** What sources from the network turned out to be, in the order in which they were there. */
export interface ResolvedSources {
  readonly http: readonly { readonly vertex: Digest; readonly source: HttpSource; readonly digest: Digest }[];
  readonly git: readonly { readonly vertex: Digest; readonly source: GitSource; readonly resolved: ResolvedRef }[];
}

/** An archive that archive ops name. */
export interface ArchivePlace {
  open(): Promise<FileTree>;
  /** ms since the epoch, where a server said it. */
  readonly lastModified?: number | undefined;
}

/** Opens trees. */
export class SourceTrees {
  readonly #engine: Engine;
  readonly #request: BuildRequest;
  readonly #signal: AbortSignal;
  readonly #resolved: { http: ResolvedSources["http"][number][]; git: ResolvedSources["git"][number][] } = {
    http: [],
    git: [],
  };
  #pins: SourcePins | undefined;
  readonly #trees = new Map<Digest, Promise<FileTree>>();
  readonly #files = new Map<Digest, Promise<HttpFile>>();
  readonly #statCaches = new Map<string, StatCache | undefined>();
  readonly #places = new Map<string, LocalPlace>();
  readonly #archives = new Map<string, ArchivePlace>();
  readonly #told = new Set<Digest>();
  #readers: ReadonlyMap<string, readonly Reader[]> = new Map();

  constructor(engine: Engine, request: BuildRequest, signal: AbortSignal) {
    this.#engine = engine;
    this.#request = request;
    this.#signal = signal;
  }

  /** Says what folder the local ops of a name mean. */
  addLocal(name: string, place: LocalPlace): void {
    this.#places.set(name, place);
  }

  /** Says what will be read of each source: of a client's folder only that is brought. */
  setReaders(readers: ReadonlyMap<string, readonly Reader[]>): void {
    this.#readers = readers;
  }

  /** Says how the archive of a name is opened. */
  addArchive(name: string, place: ArchivePlace): void {
    this.#archives.set(name, place);
  }

  /** What the server said of an archive's age, in ms since the epoch. */
  archiveTime(name: string): number | undefined {
    return this.#archives.get(name)?.lastModified;
  }

  /** Opens a source before the graph is solved, and tells of it as of a step. */
  async toldEarly<T>(vertex: Digest, name: string, open: () => Promise<T>): Promise<T> {
    this.#told.add(vertex);
    return await told(this.#request, name, open, vertex);
  }

  /** Whether people were told of a source before the graph was solved: once is enough. */
  wasTold(vertex: Digest): boolean {
    return this.#told.has(vertex);
  }

  /** From here on sources must be what is said of them. */
  pin(pins: SourcePins): void {
    this.#pins = pins;
  }

  /** What was opened until now. */
  get resolved(): ResolvedSources {
    return this.#resolved;
  }

  /** The tree of a source op. */
  tree(source: TreeSource, vertex: Digest): Promise<FileTree> {
    let tree = this.#trees.get(vertex);
    if (!tree) {
      tree = this.#open(source, vertex);
      this.#trees.set(vertex, tree);
    }
    return tree;
  }

  /** The file of an http source; brought once, whether it is asked for as a file or as a tree. */
  httpFile(source: HttpSource, vertex: Digest): Promise<HttpFile> {
    let file = this.#files.get(vertex);
    if (!file) {
      file = this.#download(source, vertex);
      this.#files.set(vertex, file);
    }
    return file;
  }

  /** What sources from the network work with. */
  remoteOptions(vertex: Digest): RemoteOptions {
    const { session, environment } = this.#request;
    const { workDirectory, layersDirectory } = this.#engine.layers.place;
    return {
      storeDirectory: dirname(layersDirectory),
      workDirectory,
      space: this.#engine.space,
      session,
      environment,
      signal: this.#signal,
      report: reportTo(this.#request, vertex),
    };
  }

  /** Keeps what was learned of the folders until now. */
  saveDigests(): void {
    for (const cache of this.#statCaches.values()) cache?.save();
  }

  async #open(source: TreeSource, vertex: Digest): Promise<FileTree> {
    switch (source.type) {
      case "local": {
        const place = this.#places.get(source.name);
        if (place === undefined) throw new BuildError("INTERNAL", `the context "${source.name}" was never opened`);
        return await this.#openLocal(place, source, vertex);
      }
      case "archive": {
        const place = this.#archives.get(source.name);
        if (place === undefined) throw new BuildError("INTERNAL", `the archive "${source.name}" was never opened`);
        return await place.open();
      }
      case "http":
        return (await this.httpFile(source, vertex)).tree;
      case "git": {
        const { openGitCheckout } = await import("../../source/git/source.ts");
        const { gitRefs } = this.#request;
        const known = gitRefs?.get(vertex);
        const policed = await this.#policed(source, ({ policedGit }) => policedGit);
        const locked = this.#pins?.git(policed);
        const pinned = locked ?? (known === undefined ? policed : { ...policed, resolved: known });
        const { tree, resolved } = await openGitCheckout(pinned, this.remoteOptions(vertex)).catch((error: unknown) => {
          throw locked === undefined ? error : changed(policed, error);
        });
        gitRefs?.set(vertex, resolved);
        this.#resolved.git.push({ vertex, source: policed, resolved });
        return tree;
      }
    }
  }

  /** What speaks http is loaded when a build needs it. */
  async #download(asked: HttpSource, vertex: Digest): Promise<HttpFile> {
    const { openHttpFile } = await import("../../source/http-file.ts");
    const source = await this.#policed(asked, ({ policedHttp }) => policedHttp);
    const pinned = this.#pins?.http(source) ?? source;
    const file = await openHttpFile(pinned, this.remoteOptions(vertex)).catch((error: unknown) => {
      throw pinned === source ? error : changed(source, error);
    });
    this.#resolved.http.push({ vertex, source, digest: file.digest });
    return file;
  }

  /** What the request's policies make of a source. Throws `INPUT_MISSING` for one that they deny. */
  async #policed<T>(
    source: T,
    of: (of: typeof import("../../source/policed-sources.ts")) => (source: T, police: Police) => T,
  ): Promise<T> {
    const { sourcePolicies = [] } = this.#request;
    if (sourcePolicies.length === 0) return source;
    const { applyPolicies } = await import("../../source/source-policy.ts");
    return of(await import("../../source/policed-sources.ts"))(source, (one) => applyPolicies(sourcePolicies, one));
  }

  async #openLocal(place: LocalPlace, source: LocalSource, vertex: Digest): Promise<FileTree> {
    const { ignoreFile } = place;
    const { excludes } = source;
    const { directory, kept } =
      typeof place.directory === "string"
        ? { directory: place.directory, kept: undefined }
        : await this.#bring(place.directory, source, vertex);
    const digestCache = this.#statCache(directory);
    return new LocalTree(bytePath(directory), {
      excludes,
      ...(ignoreFile === undefined
        ? {}
        : { ignoreFile: { name: ignoreFile.name, lines: ignoreFile.lines.map(({ line }) => line) } }),
      ...(digestCache === undefined ? {} : { digestCache }),
      ...(kept === undefined ? {} : { kept }),
    });
  }

  async #bring(
    folder: ClientFolder,
    { excludes, includes, follows }: LocalSource,
    vertex: Digest,
  ): Promise<{ readonly directory: string; readonly kept: NonNullable<LocalTreeOptions["kept"]> }> {
    const report = reportTo(this.#request, vertex);
    let bytes = 0;
    const isChosen = includes !== undefined || follows !== undefined;
    const paths = isChosen ? (follows ?? []) : followedPaths(this.#readers.get(vertex) ?? []);
    const selection = { excludes, paths, ...(includes === undefined ? {} : { includes }) };
    const progress = (sum: number): void => {
      bytes = sum;
      report.progress("transferring context:", bytes, 0, false);
    };
    const { directory, scan } = await folder.bring(selection, progress, this.#engine.space);
    report.progress("transferring context:", bytes, 0, true);
    return { directory, kept: { scan: scan instanceof TreeScan ? scan : undefined } };
  }

  #statCache(directory: string): StatCache | undefined {
    if (!this.#statCaches.has(directory)) {
      const { workDirectory, layersDirectory } = this.#engine.layers.place;
      this.#statCaches.set(
        directory,
        StatCache.open(directory, {
          storeDirectory: dirname(layersDirectory),
          workDirectory,
          nowMs: this.#request.now(),
        }),
      );
    }
    return this.#statCaches.get(directory);
  }
}

/** What the lock file names is not there any more. */
function changed({ url }: HttpSource | GitSource, error: unknown): unknown {
  if (!(error instanceof BuildError) || error.code !== "DIGEST_INVALID") return error;
  return new BuildError(error.code, `"${redact(url)}" is not what the lock file says: ${error.message}`, {
    cause: error,
    hint: "if the change is wanted, write the lock file anew with --lock",
  });
}
