// An image that a daemon built for us and sent as an archive: `--load` puts it where a build on this machine would.

import { rm } from "node:fs/promises";
import { copy, transferOf } from "./copy.ts";
import { parseReference } from "./core/image/reference.ts";
import { hostPlatform } from "./core/image/platform.ts";
import { temporaryFolder } from "./engine/temporary-folder.ts";
import { load } from "./load.ts";
import type { BuildRequest } from "./request.ts";
import { temporaryPath } from "./store/temporary.ts";

/** A place for such an archive, which goes with `held`. Throws `OUTPUT`. */
export async function loadFile({ environment }: BuildRequest, held: AsyncDisposableStack): Promise<string> {
  const path = temporaryPath(await temporaryFolder(environment), "load");
  held.defer(() => rm(path, { force: true }));
  return path;
}

/** Into the local store, and into the docker daemon where there is one. Throws what these throw. */
export async function loadBuilt(archivePath: string, request: BuildRequest, signal: AbortSignal): Promise<void> {
  const transfer = transferOf(request);
  const input = { kind: "path", path: archivePath } as const;
  const images = await load({ ...transfer, input, names: [], platform: undefined }, signal);
  const daemon = await request.session.dockerDaemon?.();
  if (daemon?.isThere !== true) {
    const message = "there is no docker daemon here: the image is in the local store (tsbuild images)";
    request.events({ kind: "warning", message });
    return;
  }
  for (const { names } of images) {
    const [first, ...others] = names;
    if (first === undefined) {
      request.events({ kind: "warning", message: "the image has no name: it is in the local store alone" });
      continue;
    }
    const wishes = {
      source: { transport: "store", image: first },
      destination: { transport: "docker-daemon", image: parseReference(first) },
      additionalNames: others,
      sourceAccess: request,
      destinationAccess: request,
      which: "one",
      platform: request.platforms[0] ?? hostPlatform(),
      family: undefined,
      compression: undefined,
      preserveDigests: false,
    } as const;
    await copy({ ...transfer, ...wishes }, signal);
  }
}
