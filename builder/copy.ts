// `tsbuild copy`: an image from one place to another, whatever they are.

import type { EventSink } from "./core/events.ts";
import { BuildError } from "./core/errors.ts";
import type { ImageLocation } from "./core/image/image-location.ts";
import { formatLocation } from "./core/image/image-location.ts";
import type { Platform } from "./core/image/platform.ts";
import type { ExpandName, Reference } from "./core/image/reference.ts";
import { formatReference } from "./core/image/reference.ts";
import { toldTransfer } from "./engine/internal-steps.ts";
import type { UnpackLimits } from "./layer/unpack-limits.ts";
import { DEFAULT_LIMITS } from "./layer/unpack-limits.ts";
import type { LocationAccess } from "./engine/images/locations.ts";
import { openSink, openSource } from "./engine/images/locations.ts";
import type { RegistryAccess } from "./registry-options.ts";
import { daemonOf, registryOptions } from "./registry-options.ts";
import type { BuildRequest } from "./request.ts";
import { openStore } from "./store/open.ts";
import { temporaryFolder } from "./engine/temporary-folder.ts";
import type { CopyOptions, CopyResult } from "./transport/copy/copy-work.ts";
import { copyImage } from "./transport/copy/copy-image.ts";
import type { StatusSink } from "./transport/source.ts";

export type { CopyResult } from "./transport/copy/copy-work.ts";

/** What every transfer of images is asked with. */
export interface TransferRequest {
  /** Root folder of the store, absolute; the store is opened only when something of it is needed. */
  readonly root: string;
  readonly limits: UnpackLimits;
  /** Unpack layers on their way to see that they are what the config says; undefined: those that come from files. */
  readonly checkLayers: boolean | undefined;
  /** What a name that is not in the store stands for; undefined: what docker makes of it. */
  readonly expandName?: ExpandName | undefined;
  /** How often the whole is begun anew when a registry or a daemon fails. */
  readonly retries: number;
  /** How long to wait before each of these attempts; undefined: a second, then twice as long each time. */
  readonly retryPauseMs?: number | undefined;
  readonly events: EventSink;
  readonly now: () => number;
  /** The environment that proxies and temporary files are looked up in. */
  readonly environment: ReadonlyMap<string, string>;
}

export interface CopyRequest extends TransferRequest {
  readonly source: ImageLocation;
  readonly destination: ImageLocation;
  /** Further names at the destination: tags of a registry, references elsewhere. */
  readonly additionalNames: readonly string[];
  readonly sourceAccess: RegistryAccess;
  readonly destinationAccess: RegistryAccess;
  readonly which: CopyOptions["which"];
  readonly platform: Platform;
  readonly family: CopyOptions["family"];
  readonly compression: CopyOptions["compression"];
  readonly preserveDigests: boolean;
  readonly layersAtOnce?: CopyOptions["layersAtOnce"];
}

/** What a build was asked with, as far as images are moved on its behalf. */
export function transferOf(request: BuildRequest): TransferRequest {
  const { root, limits = DEFAULT_LIMITS, expandName, events, now, environment } = request;
  return { root, limits, checkLayers: undefined, expandName, retries: 0, events, now, environment };
}

/** Copies an image. Throws what its source and its destination throw; then no name leads to anything new. */
export async function copy(request: CopyRequest, signal: AbortSignal): Promise<CopyResult> {
  const { source: from, destination: to } = request;
  const name = `copy ${formatLocation(from)} to ${formatLocation(to)}`;
  return await toldTransfer(request, name, (onStatus) =>
    retried(request, signal, () => copyOnce(request, onStatus, signal)),
  );
}

export interface CopyToAllRequest extends Omit<CopyRequest, "source" | "destination" | "additionalNames"> {
  readonly copies: readonly { readonly source: ImageLocation; readonly destination: Reference }[];
  /** A tag that the registry does not let anybody change stays as it is, and that is no failure. */
  readonly keepImmutableTags: boolean;
}

/**
 * Copies images to names in registries: what one refuses, the others still get. A tag that stays what it is has no result.
 * Throws `PUSH` with what failed.
 */
export async function copyToAll(request: CopyToAllRequest, signal: AbortSignal): Promise<readonly CopyResult[]> {
  const { copies, keepImmutableTags, events } = request;
  const failures: unknown[] = [];
  const results: CopyResult[] = [];
  for (const { source, destination: reference } of copies) {
    try {
      const destination = { transport: "docker", reference } as const;
      results.push(await copy({ ...request, source, destination, additionalNames: [] }, signal));
    } catch (error) {
      signal.throwIfAborted();
      const { isImmutableTag } = await import("./transport/registry/http/failure.ts");
      if (!keepImmutableTags || !isImmutableTag(error)) failures.push(error);
      else
        events({
          kind: "warning",
          message: `${formatReference(reference)}: the tag is there already and cannot be changed`,
        });
    }
  }
  if (failures.length === 0) return results;
  const { pushError } = await import("./exporter/push-error.ts");
  throw pushError(failures);
}

async function copyOnce(request: CopyRequest, onStatus: StatusSink, signal: AbortSignal): Promise<CopyResult> {
  const { source: from, destination: to, which, platform, family, compression, preserveDigests } = request;
  await using source = await openSource(from, accessFor(request, request.sourceAccess, signal));
  // Before anything is made at the destination: is there such an image at all?
  await source.top(signal);
  const access = accessFor(request, request.destinationAccess, signal);
  const opened = await openSink(to, request.additionalNames, access);
  await using sink = opened.sink;
  const { layersAtOnce } = request;
  const options = { which, platform, family, compression, preserveDigests, layersAtOnce, names: opened.names };
  const result = await copyImage(source, sink, {
    ...options,
    // Uploads that an interrupted push of the store's has left are taken up.
    ...(from.transport === "store" ? { notes: (await access.store()).notes } : {}),
    ...transferOptions(request, from),
    signal,
    onStatus,
  });
  await sink.finish?.(signal);
  return result;
}

/** How places are reached for a request. */
export function accessFor(request: TransferRequest, registry: RegistryAccess, signal: AbortSignal): LocationAccess {
  return {
    registry: registryOptions(registry),
    daemon: () => daemonOf(registry),
    store: () => openStore(request.root),
    temporaryDirectory: () => temporaryFolder(request.environment),
    limits: request.limits,
    expandName: request.expandName,
    signal,
  };
}

/** The part of a copy's options that follows from the request and where the image comes from. */
export function transferOptions(
  request: TransferRequest,
  from: Pick<ImageLocation, "transport">,
): Pick<CopyOptions, "checkLayers" | "limits" | "temporaryDirectory"> {
  // What a registry or the store gives is unpacked soon enough, and checked then.
  const isFile = from.transport !== "docker" && from.transport !== "store";
  return {
    checkLayers: request.checkLayers ?? isFile,
    limits: request.limits,
    temporaryDirectory: () => temporaryFolder(request.environment),
  };
}

const FIRST_PAUSE_MS = 1000;

/** Begins a transfer anew, with longer and longer pauses, as long as it is a registry or a daemon that fails. */
export async function retried<T>(
  { retries, retryPauseMs, events }: TransferRequest,
  signal: AbortSignal,
  body: () => Promise<T>,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await body();
    } catch (error) {
      if (signal.aborted || attempt >= retries || !(error instanceof BuildError) || error.code !== "REGISTRY")
        throw error;
      events({ kind: "warning", message: `${error.message}: trying again (${attempt + 1} of ${retries})` });
      const { setTimeout: sleep } = await import("node:timers/promises");
      await sleep(retryPauseMs ?? FIRST_PAUSE_MS * 2 ** attempt, undefined, { signal });
    }
  }
}
