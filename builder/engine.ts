// Opens the parts of the engine on one root and closes them again. Commands share it;
// what a single build adds (events, session, sources) is put together in build.ts.

import { mkdirSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { availableParallelism } from "node:os";
import { openDatabase } from "./cache/database.ts";
import { CacheRecords } from "./cache/records.ts";
import { openSpace } from "./engine/space.ts";
import type { BytePath } from "./core/bytes/byte-path.ts";
import { bytePath } from "./core/bytes/byte-path.ts";
import { removeTree } from "./core/system/remove-tree.ts";
import { isErrno } from "./core/errors.ts";
import type { SnapshotterName } from "./choose-snapshotter.ts";
import type { Executor, RequiredSandbox } from "./executor/executor.ts";
import { isPrivileged, overlayXattrs } from "./executor/rights.ts";
import type { SourcedEntry } from "./layer/entry.ts";
import type { LayerJobs } from "./layer/jobs/jobs.ts";
import { openLayerJobs } from "./layer/jobs/pool.ts";
import type { UnpackLimits } from "./layer/unpack-limits.ts";
import { CacheMounts } from "./ops/cache-mounts.ts";
import { viewOf } from "./ops/result.ts";
import { wholeTree } from "./ops/file/whole-tree.ts";
import { dropUnfinished, LayerStore } from "./snapshot/layer-store.ts";
import { rootDirectory, setRoot } from "./snapshot/root-directory.ts";
import type { LayerPlace, LayerWatch } from "./snapshot/ports.ts";
import type { Snapshotter } from "./snapshot/snapshotter.ts";
import { explained } from "./store/layout.ts";
import type { SpaceKeeper } from "./disk/keeper.ts";
import type { DiskSettings } from "./disk/settings.ts";
import { openStore, prepareStore } from "./store/open.ts";
import type { BlobStore, ImageNames } from "./store/store.ts";
import { sweepTemporary, temporaryPath } from "./store/temporary.ts";
import { makeDirectories } from "./store/directories.ts";

export interface EngineOptions {
  /** Root of the store, absolute. */
  readonly root: string;
  readonly requireSandbox?: RequiredSandbox | undefined;
  /** Default: auto. */
  readonly snapshotter?: SnapshotterName | undefined;
  /** How much layers and archives may unpack to; undefined: `DEFAULT_LIMITS`. */
  readonly limits?: UnpackLimits | undefined;
  /** Told of byte strings in layers that are packed. */
  readonly watch?: LayerWatch | undefined;
  /** Default: BuildKit's. */
  readonly disk?: DiskSettings | undefined;
  /** Told, as sentences for people, of what is wrong with the store and does not hinder the work. */
  readonly onFault?: OnFault;
}

/** `isMended`: whoever opens the store again does not find it any more. */
export type OnFault = (fault: string, more?: { readonly isMended: true }) => void;

/** The open parts. Disposing it stops the workers and removes this process's temporary files. */
export interface Engine extends AsyncDisposable {
  readonly store: BlobStore & { readonly names: ImageNames };
  readonly layers: LayerStore;
  readonly jobs: LayerJobs;
  readonly records: CacheRecords;
  readonly space: SpaceKeeper;
  readonly cacheMounts: CacheMounts;
  /** Locks on the keys of steps that run; need not be there. */
  readonly locksDirectory: string;
  /** Whether this process may chown, mount and make namespaces. */
  readonly privileged: boolean;
  /** The sandbox driver, probed at the first call. Throws `SANDBOX`. */
  executor(): Promise<Executor>;
  /** How rootfs are made, tried at the first call where nobody said it. */
  snapshotter(): Promise<Snapshotter>;
}

/** Opens the store at a root, sweeping what dead processes left there. Throws `STORE`. */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { root } = options;
  await using undo = new AsyncDisposableStack();
  const own = join(root, "tsbuild");
  const onFault = options.onFault ?? ((): void => undefined);
  const layersDirectory = join(own, "layers");
  const mended = await prepareStore(root);
  if (mended !== undefined) onFault(mended, { isMended: true });
  const workDirectory = await openWorkDirectory(root, layersDirectory);
  const removeWork = (): void => removeFolder(workDirectory);
  undo.defer(removeWork);
  const { database, putAside } = openDatabase(join(own, "cache.db"));
  undo.defer(() => database.close());
  if (putAside !== undefined)
    onFault(`the cache records were damaged: they are in "${putAside}" now, and steps run again`, { isMended: true });
  const privileged = isPrivileged();
  const space = undo.use(await openSpace({ ...options, database, privileged, onFault }));
  const store = await openStore(root, space);
  // Before what is left is counted.
  undo.defer(() => {
    dropUnfinished(workDirectory, layersDirectory);
    removeWork();
  });
  const jobs = undo.use(
    openLayerJobs({ workers: Math.min(4, Math.max(2, availableParallelism())), limits: options.limits }),
  );
  const records = new CacheRecords(database, once(onFault));
  const place: LayerPlace = {
    layersDirectory,
    workDirectory,
    blobs: store,
    storedBlocks: { indexDirectory: join(own, "blocks"), blobsDirectory: join(root, "blobs/sha256") },
    space,
    jobs,
    overlayXattrs: overlayXattrs(),
    privileged,
    watch: options.watch,
  };
  const layers = new LayerStore(place);
  const cacheMounts = new CacheMounts({
    directory: join(own, "mounts"),
    temporaryDirectory: workDirectory,
    space,
    privileged,
    async fill(from, directory, signal) {
      rmSync(directory, { recursive: true, force: true });
      const { entries } = await wholeTree(await viewOf(from.ref, signal), signal);
      await jobs.write(
        {
          entries: below(entries, from.selector),
          directory,
          overlayXattrs: place.overlayXattrs,
          hardlinkSources: false,
        },
        signal,
      );
      const begun = entries.find(({ entry }) => entry.path === from.selector)?.entry;
      setRoot(directory, begun ?? rootDirectory(from.ref.layers, true));
    },
  });
  let executor: Promise<Executor> | undefined;
  let snapshotter: Promise<Snapshotter> | undefined;
  const openExecutor = (): Promise<Executor> => (executor ??= choose(options));
  const openSnapshotter = async (): Promise<Snapshotter> => {
    // What a step writes is not announced.
    space.watch([workDirectory]);
    const { chooseSnapshotter } = await import("./choose-snapshotter.ts");
    return await chooseSnapshotter(options.snapshotter ?? "auto", place, openExecutor, records);
  };
  const held = undo.move();
  return {
    store,
    layers,
    jobs,
    records,
    space,
    cacheMounts,
    locksDirectory: join(own, "locks"),
    privileged,
    executor: openExecutor,
    snapshotter: () => (snapshotter ??= openSnapshotter()),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** The same fault of many records is one. */
function once(tell: (fault: string) => void): (fault: string) => void {
  let isTold = false;
  return (fault) => {
    if (!isTold) tell(fault);
    isTold = true;
  };
}

/** The entries inside a directory, as if it were the root. */
function below(entries: readonly SourcedEntry[], directory: BytePath): SourcedEntry[] {
  if (directory === "") return [...entries];
  const strip = (path: BytePath): BytePath => path.slice(directory.length + 1);
  return entries
    .filter(({ entry }) => entry.path.startsWith(`${directory}/`))
    .map((sourced) => {
      const { entry } = sourced;
      const link = entry.type === "hardlink" && entry.link !== undefined ? { link: strip(entry.link) } : {};
      return { ...sourced, entry: { ...entry, path: strip(entry.path), ...link } };
    });
}

async function choose({ requireSandbox }: EngineOptions): Promise<Executor> {
  // Loaded when the first step runs: a build of which everything is known has no use for it.
  const { chooseExecutor } = await import("./executor/choose.ts");
  const choice = await chooseExecutor(requireSandbox === undefined ? {} : { require: requireSandbox });
  return choice.executor;
}

async function openWorkDirectory(root: string, layersDirectory: string): Promise<string> {
  const parent = join(root, "tsbuild/work");
  const path = temporaryPath(parent, "engine");
  await explained(root, "STORE", async () => {
    await makeDirectories(parent);
    try {
      sweepTemporary(parent, (dead) => dropUnfinished(dead, layersDirectory));
    } catch (error) {
      // Files of other ids can only be removed inside the namespace that has them, and a step whose process was just
      // killed may still be ending: a later run does it.
      if (!isErrno(error, "EACCES", "EPERM", "ENOTEMPTY", "EBUSY")) throw error;
    }
    // Not "recursive": with that Node hides why it cannot be made.
    mkdirSync(path, { mode: 0o700 });
  });
  return path;
}

/** Most often nothing is in it any more, or it is gone. */
function removeFolder(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) removeTree(bytePath(path));
  }
}
