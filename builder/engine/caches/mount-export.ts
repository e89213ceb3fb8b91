// The cache mounts of a build, written beside a cache (--cache-to …,mounts=max): their lists, and of their content the
// chunks that the place does not have. A mount that cannot be read as a whole stays there as it was before.

import type { CacheTo } from "../../cache-request.ts";
import type { TravellingMount } from "../../cache/mounts/artifact.ts";
import { chunkDescriptor, listingDescriptor, readBlob, writeArtifact } from "../../cache/mounts/artifact.ts";
import { packMount } from "../../cache/mounts/thread.ts";
import { digestOf } from "../../core/digest.ts";
import type { TellPart } from "../../core/events.ts";
import { BuildError } from "../../core/errors.ts";
import type { Vertex } from "../../graph/vertex.ts";
import { topological } from "../../graph/vertex.ts";
import { mountName } from "../../ops/cache-mounts.ts";
import { seedOf } from "../../ops/mounts.ts";
import { inParallel } from "../../transport/pull.ts";
import type { ImageSink } from "../../transport/source.ts";
import type { MountSearch } from "../secrets/output-guard.ts";
import type { SolvedBuild } from "./cache-export.ts";
import { openMounts, tagBeside } from "./mount-places.ts";

/** One that others can lie beside, under a name of theirs. */
export type NamedCache = Exclude<CacheTo, { readonly type: "inline" | "client" }>;

/** Writes them into the place of a cache. Throws what the place throws, `SECRET_IN_RESULT`. */
export async function exportMounts(
  build: SolvedBuild,
  spec: NamedCache,
  sink: ImageSink,
  tell: TellPart,
): Promise<void> {
  const { signal } = build;
  const wanted = await mountsOf(build);
  if (wanted.size === 0) return;
  await using exported = await MountExport.open(build, spec, sink);
  const mounts: TravellingMount[] = [];
  // In this order steps take them as well: so nobody waits for us who is waited for.
  for (const [name, id] of [...wanted].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const mount = await tell(`cache mount ${id}`, () => exported.mount(name, id));
    if (mount !== undefined) mounts.push(mount);
  }
  if (mounts.length === 0) return;
  const { config, manifest } = writeArtifact(mounts);
  if (!(await sink.has(config.descriptor, signal)))
    await sink.putBlob(config.descriptor, () => oneChunk(config.bytes), signal);
  const { descriptor, bytes } = manifest;
  const tag = spec.type === "registry" || spec.type === "local" ? tagBeside(spec) : undefined;
  await tell(`writing cache mounts ${descriptor.digest}`, () =>
    sink.putDocument(descriptor, bytes, [tag ?? "latest"], signal),
  );
  exported.settle();
}

/** The mounts of all steps, whether they ran or not: id by name. */
async function mountsOf({ targets, known, signal }: SolvedBuild): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const vertex of topological(targets)) {
    if (vertex.op.kind !== "exec") continue;
    for (const mount of vertex.op.mounts) {
      if (mount.type !== "cache") continue;
      const input: Vertex | undefined = vertex.inputs[mount.input];
      const result = input === undefined ? undefined : await known(input);
      if (input !== undefined && result === undefined) continue;
      // As BuildKit has it, an id is `<namespace>/<id>`; mostly there is no namespace.
      const id = mount.id.replace(/^\//, "");
      found.set(mountName({ ...mount, from: await seedOf(mount, result, signal) }), id);
    }
  }
  return found;
}

/** One export: mounts that are read stay as they are for other steps' locks until it is done. */
class MountExport implements AsyncDisposable {
  readonly #build: SolvedBuild;
  readonly #sink: ImageSink;
  readonly #there: Awaited<ReturnType<typeof openMounts>>;
  readonly #undo = new AsyncDisposableStack();
  /** What to do once everything is there. */
  readonly #done: (() => void)[] = [];

  static async open(build: SolvedBuild, spec: NamedCache, sink: ImageSink): Promise<MountExport> {
    const { request, signal } = build;
    try {
      return new MountExport(build, sink, await openMounts(spec, request, signal));
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof BuildError) || (error.code !== "ARCHIVE_INVALID" && error.code !== "DIGEST_INVALID"))
        throw error;
      return new MountExport(build, sink, undefined); // what lies there is of no use, and is replaced
    }
  }

  private constructor(build: SolvedBuild, sink: ImageSink, there: Awaited<ReturnType<typeof openMounts>>) {
    this.#build = build;
    this.#sink = sink;
    this.#there = there;
    if (there !== undefined) this.#undo.use(there.source);
  }

  /** Sends one mount; what the place had of it before where there is none here, or where it cannot be read. */
  async mount(name: string, id: string): Promise<TravellingMount | undefined> {
    const { engine, guard, signal, request } = this.#build;
    const before = await this.#whole(this.#there?.artifact.mounts.find((mount) => mount.name === name));
    const read = await engine.cacheMounts.read(name, signal);
    if (read === undefined) return before;
    this.#undo.use(read);
    const search = guard?.beginMount(id);
    // What was sent from here, or came from there, and was not used since.
    if (before !== undefined && read.version === before.listing.digest && search === undefined) return before;
    const earlier = before === undefined ? undefined : await this.#listingOf(before);
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#pack({ name, id, read, earlier, search });
      } catch (error) {
        if (!(error instanceof BuildError) || error.code !== "STORE") throw error;
        if (attempt < ATTEMPTS) continue;
        const left = before === undefined ? "it does not travel" : "there it stays as it was";
        request.events({
          kind: "warning",
          message: `the cache mount "${id}" cannot be read as a whole: ${error.message}; ${left}`,
        });
        return before;
      }
    }
  }

  /** What the place has of a mount, if that is all of it: else all chunks are offered again. */
  async #whole(mount: TravellingMount | undefined): Promise<TravellingMount | undefined> {
    if (mount === undefined || this.#there?.mayLoseBlobs !== true) return mount;
    let isWhole = true;
    await inParallel([listingDescriptor(mount.listing), ...mount.blobs.map(chunkDescriptor)], 4, async (blob) => {
      isWhole &&= await this.#sink.has(blob, this.#build.signal);
    });
    return isWhole ? mount : undefined;
  }

  /** Everything has arrived: what was read is no longer only here. */
  settle(): void {
    for (const done of this.#done) done();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo.disposeAsync();
  }

  async #pack({ name, id, read, earlier, search }: Packing): Promise<TravellingMount> {
    const { signal } = this.#build;
    const packed = await packMount(
      { directory: read.path, earlier, strings: search?.strings ?? [] },
      (blob, bytes) => this.#put(chunkDescriptor(blob), bytes),
      (found) => search?.refusal(found) ?? new BuildError("INTERNAL", "a string was found that nobody looked for"),
      signal,
    );
    const listing = { digest: digestOf(packed.listing), size: packed.listing.length };
    await this.#put(listingDescriptor(listing), packed.listing);
    this.#done.push(() => read.settle(listing.digest));
    return { name, id, listing, blobs: packed.blobs };
  }

  async #put(descriptor: Parameters<ImageSink["has"]>[0], bytes: Uint8Array): Promise<void> {
    const { signal } = this.#build;
    if (!(await this.#sink.has(descriptor, signal)))
      await this.#sink.putBlob(descriptor, () => oneChunk(bytes), signal);
  }

  /** One that cannot be had is as good as none: then all chunks are offered again. */
  async #listingOf(mount: TravellingMount): Promise<Uint8Array | undefined> {
    const { signal } = this.#build;
    if (this.#there === undefined) return undefined;
    try {
      return await readBlob(this.#there.source, mount.listing, signal);
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }
}

interface Packing {
  readonly name: string;
  readonly id: string;
  readonly read: { readonly path: string; settle(version: string): void };
  readonly earlier: Uint8Array | undefined;
  readonly search: MountSearch | undefined;
}

const ATTEMPTS = 2;

async function* oneChunk(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
