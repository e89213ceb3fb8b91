// `tsbuild run`: a process in the rootfs of an image, in the same sandbox as RUN. What
// it writes is thrown away.

import { isatty } from "node:tty";
import { imageCommand } from "./bundle/command.ts";
import { openEngine } from "./engine.ts";
import { hostPlatform } from "./core/image/platform.ts";
import { NamespaceNeeded } from "./core/system/namespace.ts";
import type { StepSpec } from "./executor/executor.ts";
import { adjustedCapabilities } from "./executor/sandbox-policy.ts";
import { imageForUse } from "./engine/images/image-for-use.ts";
import { accountsOf } from "./ops/accounts.ts";
import { RefResult } from "./ops/result.ts";
import { homeVariable, resolveGroups, resolveUser } from "./ops/passwd.ts";
import type { RunRequest, RunResult } from "./run-request.ts";
import { volumeMounts } from "./engine/run-volumes.ts";

/** Runs the image's command, or the request's; `ready` is told when the program is about to have the terminal. */
export async function runImage(request: RunRequest, ready: () => void, signal: AbortSignal): Promise<RunResult> {
  await using engine = await openEngine({
    root: request.root,
    requireSandbox: request.requireSandbox,
    snapshotter: request.snapshotter,
    limits: request.limits,
  });
  if (!engine.privileged) throw new NamespaceNeeded("running an image");
  await using open = await imageForUse(engine, request, signal);
  const { ref } = open;
  const config = open.image.config.config ?? {};
  const command = imageCommand(config, { ...request, defaults: defaultVariables(request) });
  const executor = await engine.executor();
  const snapshotter = await engine.snapshotter();
  await using scratch = engine.layers.scratch();
  await using prepared = await open.use(() => snapshotter.prepare(ref.layers, true, signal));
  const accounts = await accountsOf(prepared.root, new RefResult(ref), engine.layers.place, signal);
  const user = await resolveUser(accounts, request.user ?? config.User ?? "", signal);
  const groups = [...user.additionalGids, ...(await resolveGroups(accounts, request.groups, signal))];
  const volumes = request.readOnly
    ? volumeMounts(Object.keys(config.Volumes ?? {}), { prepared, accounts, scratch: scratch.path })
    : [];
  const { args, env, cwd } = command;
  if (open.image.platform.architecture !== hostPlatform().architecture) {
    const { requireEmulation } = await import("./ops/foreign-program.ts");
    await requireEmulation(accounts, { args, env, cwd, platform: open.image.platform }, scratch.path, signal);
  }
  ready();
  return await executor.run(
    {
      id: `run-${process.pid}`,
      root: { ...prepared.root, readonly: request.readOnly },
      mounts: [...volumes, ...request.mounts],
      process: {
        args: command.args,
        env: [...command.env, ...(await homeVariable(accounts, user.uid, command.env, signal))],
        cwd: command.cwd,
        uid: user.uid,
        gid: user.gid,
        additionalGids: [...new Set(groups)],
        security: request.privileged ? "insecure" : "sandbox",
        capabilities: adjustedCapabilities(request.capAdd, request.capDrop),
        ulimits: request.ulimits,
      },
      network: request.network,
      hostname: request.hostname,
      extraHosts: request.extraHosts,
      dns: request.dns,
      shmSizeBytes: request.shmSizeBytes,
      ...(request.cgroupParent === "" ? {} : { cgroupParent: request.cgroupParent }),
      scratch: scratch.path,
      input: request.interactive ? "stdin" : "none",
      output: request.terminal === undefined ? ownOutput() : "terminal",
      signals: request.signals,
    },
    signal,
  );
}

/** What docker sets where the image says nothing else. */
function defaultVariables({ hostname, terminal }: RunRequest): Map<string, string> {
  return new Map([["HOSTNAME", hostname], ...(terminal === undefined ? [] : [["TERM", terminal] as const])]);
}

/** This process's own outputs; a terminal only by what is written to it, since a program that holds one can do more. */
function ownOutput(): StepSpec["output"] {
  if (!isatty(1) && !isatty(2)) return "inherit";
  return (stream, chunk) => void (stream === 1 ? process.stdout : process.stderr).write(chunk);
}
