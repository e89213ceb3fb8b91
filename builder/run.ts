// `tsbuild run`: a process in the rootfs of an image, in the same sandbox as RUN. What
// it writes is thrown away.

import { BaseImages } from "./base-images.ts";
import { imageCommand } from "./bundle/command.ts";
import { openEngine } from "./engine.ts";
import { NamespaceNeeded } from "./core/namespace.ts";
import { homeVariable, resolveUser } from "./ops/passwd.ts";
import { viewOf } from "./ops/result.ts";
import { registryOptions } from "./registry-options.ts";
import type { RunRequest, RunResult } from "./run-request.ts";

/** Shared memory of a run, as docker gives it: 64 MiB. */
const SHM_BYTES = 64 * 1024 * 1024;

/** Runs the image's command, or the request's; `ready` is told when the program is about to have the terminal. */
export async function runImage(request: RunRequest, ready: () => void, signal: AbortSignal): Promise<RunResult> {
  await using engine = await openEngine({
    root: request.root,
    requireSandbox: request.requireSandbox,
    snapshotter: request.snapshotter,
  });
  if (!engine.privileged) throw new NamespaceNeeded("running an image");
  await using images = new BaseImages({
    engine,
    pull: false,
    registry: registryOptions(request),
    expandName: request.expandName,
  });
  const image = await images.byName(request.image, request.platform, signal);
  const ref = images.ref(image.id);
  const command = imageCommand(image.config, request);
  const view = await viewOf(ref, signal);
  const user = await resolveUser(view, request.user ?? image.config.User ?? "", signal);
  const env = [...command.env, ...(await homeVariable(view, user.uid, command.env, signal))];
  const executor = await engine.executor();
  await using scratch = engine.layers.scratch();
  await using root = await (await engine.snapshotter()).prepare(ref.layers, true, signal);
  ready();
  return await executor.run(
    {
      id: `run-${process.pid}`,
      root: root.root,
      mounts: [],
      process: {
        args: command.args,
        env,
        cwd: command.cwd,
        uid: user.uid,
        gid: user.gid,
        additionalGids: user.additionalGids,
        security: "sandbox",
        ulimits: [],
      },
      network: request.network,
      hostname: "tsbuild",
      extraHosts: request.extraHosts,
      shmSizeBytes: SHM_BYTES,
      scratch: scratch.path,
      input: request.tty ? "terminal" : request.interactive ? "stdin" : "none",
      output: "inherit",
    },
    signal,
  );
}
