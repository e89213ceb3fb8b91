// `tsbuild warmer`: base images into a folder, where builds find them without their registry.

import { stat, utimes } from "node:fs/promises";
import type { TransferRequest } from "./copy.ts";
import { retried, transferOptions } from "./copy.ts";
import type { Digest } from "./core/digest.ts";
import { isErrno } from "./core/errors.ts";
import type { Platform } from "./core/image/platform.ts";
import { hostPlatform } from "./core/image/platform.ts";
import { formatReference, parseReference } from "./core/image/reference.ts";
import { baseNames } from "./dockerfile/convert/stages/base-names.ts";
import { readDockerfile } from "./dockerfile/instructions.ts";
import { blobPath, openWarmed } from "./engine/images/warmed-images.ts";
import { toldTransfer } from "./engine/internal-steps.ts";
import type { RegistryAccess } from "./registry-options.ts";
import { registryOptions } from "./registry-options.ts";
import { copyImage } from "./transport/copy/copy-image.ts";
import { openOciLayoutSink } from "./transport/oci-layout.ts";
import { openRegistry } from "./transport/registry/source.ts";

export interface WarmRequest extends Omit<TransferRequest, "root"> {
  /** The folder, absolute; made when it is not there. */
  readonly folder: string;
  readonly images: readonly string[];
  /** Its stages' bases and what they copy from are warmed as well. */
  readonly dockerfile?: {
    readonly bytes: Uint8Array;
    readonly name: string;
    readonly buildArgs: ReadonlyMap<string, string>;
  };
  readonly platform: Platform;
  /** Also what is there and not too old comes anew. */
  readonly force: boolean;
  readonly maxAgeMs: number;
  readonly access: RegistryAccess;
}

/** An image that is in the folder now. */
export interface WarmedImage {
  readonly name: string;
  readonly digest: Digest;
  /** It was there before. */
  readonly wasThere: boolean;
}

/** Warms one image after the other; throws what the first one fails with, when the others were tried. */
export async function warm(request: WarmRequest, signal: AbortSignal): Promise<readonly WarmedImage[]> {
  const { images, platform } = request;
  const wanted = [...images.map((name) => ({ name, platform })), ...(await dockerfileImages(request, signal))];
  const byKey = new Map(wanted.map((one) => [JSON.stringify([fullName(one.name), one.platform]), one]));
  const warmed: WarmedImage[] = [];
  const failures: unknown[] = [];
  for (const one of byKey.values()) {
    signal.throwIfAborted();
    try {
      warmed.push(await warmOne(request, fullName(one.name), one.platform, signal));
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return warmed;
}

function fullName(name: string): string {
  return formatReference(parseReference(name));
}

async function dockerfileImages(
  { dockerfile, platform }: WarmRequest,
  signal: AbortSignal,
): Promise<readonly { readonly name: string; readonly platform: Platform }[]> {
  if (dockerfile === undefined) return [];
  const options = {
    target: undefined,
    targetPlatform: platform,
    buildPlatform: hostPlatform(),
    multiPlatform: false,
    buildArgs: dockerfile.buildArgs,
    labels: new Map<string, string>(),
    noCache: false,
    network: "default",
    hostname: undefined,
    extraHosts: [],
    ulimits: [],
    shmSizeBytes: 0,
    cgroupParent: "",
    allow: [],
    epochSeconds: undefined,
    check: "skip=all",
  } as const;
  return await baseNames(readDockerfile(dockerfile.bytes, dockerfile.name, { check: "skip=all" }), options, signal);
}

async function warmOne(
  request: WarmRequest,
  name: string,
  platform: Platform,
  signal: AbortSignal,
): Promise<WarmedImage> {
  const { folder, maxAgeMs, now } = request;
  return await toldTransfer(request, `warm ${name}`, (onStatus) =>
    retried({ ...request, root: folder }, signal, async () => {
      await using source = await openRegistry(parseReference(name), registryOptions(request.access));
      const top = await source.top(signal);
      const { digest } = top.descriptor;
      const lookup = { folder: { path: folder, maxAgeMs }, platform, now, signal };
      await using there = request.force ? undefined : await openWarmed({ digest }, lookup);
      const wasThere = there !== undefined;
      await using sink = await openOciLayoutSink(folder);
      // Also when it is there: the name may be another one, or have led to another image.
      await copyImage(there ?? source, sink, {
        which: "sparse",
        platform,
        family: undefined,
        compression: undefined,
        preserveDigests: true,
        names: [name],
        ...transferOptions({ ...request, root: folder }, { transport: "docker" }),
        signal,
        onStatus,
      });
      await sink.finish?.(signal);
      if (!wasThere) await touch(blobPath(folder, digest), now());
      return { name, digest, wasThere };
    }),
  );
}

/** Its age is counted from now on. */
async function touch(path: string, nowMs: number): Promise<void> {
  try {
    await utimes(path, nowMs / 1000, nowMs / 1000);
  } catch (error) {
    // Another warmer's file, which is as new.
    if (!isErrno(error, "EPERM") || nowMs - (await stat(path)).mtimeMs > FRESH_MS) throw error;
  }
}

const FRESH_MS = 60_000;
