// Cache mounts that lie beside caches elsewhere (--cache-from): looked for when the first step wants to mount one, brought
// for a mount that is not here, or is here as it was brought or sent. What cannot be had is left out with a warning.

import type { CacheFrom } from "../../cache-request.ts";
import type { TravellingMount } from "../../cache/mounts/artifact.ts";
import { chunkDescriptor, readBlob } from "../../cache/mounts/artifact.ts";
import { unpackMount } from "../../cache/mounts/thread.ts";
import type { Reservation } from "../../core/space.ts";
import { onDisk } from "../../core/space.ts";
import { asBuildError } from "../../core/errors.ts";
import type { Engine } from "../../engine.ts";
import { DEFAULT_LIMITS } from "../../layer/unpack-limits.ts";
import type { MountContent, MountsElsewhere } from "../../ops/mount-directories.ts";
import type { BuildRequest } from "../../request.ts";
import { told } from "../internal-steps.ts";
import type { OpenMounts } from "./mount-places.ts";
import { nameOfPlace, openMounts } from "./mount-places.ts";

/** The mounts of one build's caches; disposing it closes their places. */
export class ImportedMounts implements MountsElsewhere, AsyncDisposable {
  readonly #engine: Pick<Engine, "space">;
  readonly #request: BuildRequest;
  readonly #signal: AbortSignal;
  #opened: Promise<readonly OpenMounts[]> | undefined;

  constructor(engine: Pick<Engine, "space">, request: BuildRequest, signal: AbortSignal) {
    this.#engine = engine;
    this.#request = request;
    this.#signal = signal;
  }

  async find(name: string): Promise<MountContent | undefined> {
    for (const { source, artifact } of await (this.#opened ??= this.#openAll())) {
      const mount = artifact.mounts.find((one) => one.name === name);
      if (mount === undefined) continue;
      return {
        version: mount.listing.digest,
        fill: (directory, base, signal) => this.#fill({ source, mount, directory, base }, signal),
      };
    }
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await this.#opened?.catch(() => []);
    await Promise.allSettled((opened ?? []).map(({ source }) => source[Symbol.asyncDispose]()));
  }

  async #openAll(): Promise<readonly OpenMounts[]> {
    const { cacheFrom = [] } = this.#request;
    const opened = await Promise.all(cacheFrom.filter(hasMounts).map((spec) => this.#open(spec)));
    return opened.flatMap((one) => one ?? []);
  }

  async #open(spec: PlacedCache): Promise<OpenMounts | undefined> {
    try {
      return await openMounts(spec, this.#request, this.#signal);
    } catch (error) {
      this.#signal.throwIfAborted();
      this.#warn(`the cache mounts of ${nameOfPlace(spec)} are not used: ${asBuildError(error).message}`);
      return undefined;
    }
  }

  async #fill({ source, mount, directory, base }: Filling, signal: AbortSignal): Promise<boolean> {
    const what = `cache mount "${mount.id}"`;
    try {
      await told(this.#request, `importing ${what} from ${source.name}`, async (report) => {
        const listing = await readBlob(source, mount.listing, signal);
        using reserved = new DisposableStack();
        const bytes = { done: 0, total: 0 };
        await unpackMount(
          { listing, what, directory, base, limits: this.#request.limits ?? DEFAULT_LIMITS },
          async ({ blobs, files, sizeBytes }) => {
            bytes.total = blobs.reduce((sum, { size }) => sum + size, 0);
            const space: Reservation = await this.#engine.space.reserve(sizeBytes + files * onDisk(1));
            reserved.use(space);
          },
          async (blob) => {
            const chunk = await readBlob(source, chunkDescriptor(blob), signal);
            bytes.done += chunk.length;
            report.progress("chunks", bytes.done, bytes.total, bytes.done === bytes.total);
            return chunk;
          },
          signal,
        );
      });
      return true;
    } catch (error) {
      signal.throwIfAborted();
      this.#warn(`the ${what} of ${source.name} is not used: ${asBuildError(error).message}`);
      return false;
    }
  }

  #warn(message: string): void {
    this.#request.events({ kind: "warning", message });
  }
}

/** A client's store has no names that others could lie under. */
type PlacedCache = Exclude<CacheFrom, { readonly type: "client" }>;

interface Filling {
  readonly source: OpenMounts["source"];
  readonly mount: TravellingMount;
  readonly directory: string;
  readonly base: string | undefined;
}

function hasMounts(spec: CacheFrom): spec is PlacedCache {
  return spec.type !== "client" && spec.mounts !== "none";
}
