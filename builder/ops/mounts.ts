// RUN --mount: each kind to a mount of the executor, and what must be undone afterwards.

import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { displayPath } from "../core/bytes/byte-path.ts";
import { BuildError } from "../core/errors.ts";
import type { MountSpec } from "../executor/executor.ts";
import type { ExecMount, ExecOp } from "../graph/op.ts";
import { resolvePath } from "../layer/tree/resolve-path.ts";
import { cleaned } from "./keys.ts";
import type { CacheMountRequest } from "./cache-mounts.ts";
import type { Prepared } from "../snapshot/snapshotter.ts";
import type { OpResult } from "./result.ts";
import { secretDirectory } from "./secret-files.ts";
import { proxyAgent } from "./ssh-proxy.ts";
import type { StepContext } from "./step.ts";

/** The mounts of one step; disposing them takes away secrets, sockets and locks. */
export interface PreparedMounts extends AsyncDisposable {
  readonly specs: readonly MountSpec[];
  /** Variables that carry secrets (`--mount=type=secret,env=…`) and agent sockets. */
  readonly env: readonly string[];
  /** What is mounted where changes are a result, by the mount's number. */
  readonly outputs: ReadonlyMap<number, Prepared>;
}

type CacheMount = Extract<ExecMount, { type: "cache" }>;

interface Made {
  readonly spec?: MountSpec | undefined;
  readonly env?: string;
  readonly output?: Prepared | undefined;
}

/** Prepares the mounts; what they are is in the order they are written. */
export async function prepareMounts(
  context: StepContext,
  op: ExecOp,
  inputs: readonly (OpResult | undefined)[],
  scratch: string,
  signal: AbortSignal,
): Promise<PreparedMounts> {
  await using undo = new AsyncDisposableStack();
  const specs: MountSpec[] = [];
  const env: string[] = [];
  const outputs = new Map<number, Prepared>();
  const caches = await cacheMounts(context, op, inputs, undo, signal);
  for (const [number, mount] of op.mounts.entries()) {
    const made: Made =
      mount.type === "cache"
        ? { spec: caches.get(mount) }
        : await prepare(context, mount, inputs, join(scratch, `mount-${number}`), undo, signal);
    if (made.spec) specs.push(made.spec);
    if (made.env !== undefined) env.push(made.env);
    if (made.output !== undefined) outputs.set(number, made.output);
  }
  const held = undo.move();
  return { specs, env, outputs, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

async function prepare(
  context: StepContext,
  mount: Exclude<ExecMount, CacheMount>,
  inputs: readonly (OpResult | undefined)[],
  scratch: string,
  undo: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Made> {
  switch (mount.type) {
    case "bind":
      return await bindMount(context, mount, inputs, scratch, undo, signal);
    case "tmpfs":
      return {
        spec: {
          kind: "tmpfs",
          target: mount.target,
          ...(mount.sizeBytes === undefined ? {} : { sizeBytes: mount.sizeBytes }),
        },
      };
    case "secret":
      return await secretMount(context, mount, undo);
    case "ssh":
      return await sshMount(context, mount, scratch, undo);
  }
}

async function bindMount(
  context: StepContext,
  mount: Extract<ExecMount, { type: "bind" }>,
  inputs: readonly (OpResult | undefined)[],
  scratch: string,
  undo: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Made> {
  const input = inputs[mount.input];
  const { target, readonly } = mount;
  if (input === undefined && mount.isOutput !== true) {
    mkdirSync(scratch, { recursive: true, mode: 0o755 });
    return { spec: { kind: "bind", source: scratch, target, readonly, isStepsOwn: true } };
  }
  const { layers } = input === undefined ? { layers: [] } : await input.ref(signal);
  const prepared = undo.use(await (await context.snapshotter()).prepare(layers, !readonly, signal));
  const output = mount.isOutput === true ? { output: prepared } : {};
  const subPath = cleaned(mount.selector);
  const { root } = prepared;
  if (root.kind === "overlay")
    return { spec: { kind: "overlay", stack: root.stack, subPath, target, readonly }, ...output };
  const path = input === undefined ? "" : resolvePath(await input.tree(signal), subPath, { followLast: true }).path;
  const source = join(root.path, Buffer.from(path, "latin1").toString("utf8"));
  return { spec: { kind: "bind", source, target, readonly, isStepsOwn: true }, ...output };
}

/** All cache mounts of a step are taken at once: how they are waited for is one thing. */
async function cacheMounts(
  context: StepContext,
  op: ExecOp,
  inputs: readonly (OpResult | undefined)[],
  undo: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<ReadonlyMap<ExecMount, MountSpec>> {
  const mounts = op.mounts.filter((mount) => mount.type === "cache");
  if (mounts.length === 0) return new Map();
  const requests: CacheMountRequest[] = [];
  for (const mount of mounts) requests.push({ ...mount, from: await seedOf(mount, inputs[mount.input], signal) });
  const { paths } = undo.use(await context.cacheMounts.acquire(requests, signal));
  const specs = new Map<ExecMount, MountSpec>();
  for (const [number, mount] of mounts.entries()) {
    const { target, readonly } = mount;
    specs.set(mount, { kind: "bind", source: paths[number] ?? "", target, readonly });
  }
  return specs;
}

/**
 * What a cache mount begins with: a folder of its input, to which links lead as in the input's own root. Throws
 * `INPUT_MISSING` when nothing is there, `UNSUPPORTED` for a file.
 */
export async function seedOf(
  mount: CacheMount,
  input: OpResult | undefined,
  signal: AbortSignal,
): Promise<CacheMountRequest["from"]> {
  if (input === undefined) return undefined;
  const ref = await input.ref(signal);
  const wanted = cleaned(mount.selector);
  if (wanted === "") return { ref, selector: wanted };
  const { path, entry } = resolvePath(await input.tree(signal), wanted, { followLast: true });
  const source = `the source "/${displayPath(wanted)}" of the cache mount on "${mount.target}"`;
  if (entry === undefined) throw new BuildError("INPUT_MISSING", `${source} is not there`);
  if (entry.type !== "dir") throw new BuildError("UNSUPPORTED", `${source} is no folder; a cache is one`);
  return { ref, selector: path };
}

async function secretMount(
  context: StepContext,
  mount: Extract<ExecMount, { type: "secret" }>,
  undo: AsyncDisposableStack,
): Promise<Made> {
  const bytes = await context.session.secret(mount.id);
  if (bytes === undefined) {
    if (!mount.required) return mount.env === undefined ? {} : { env: `${mount.env}=` };
    throw new BuildError("INPUT_MISSING", `secret ${mount.id}: not found`, {
      hint: `give it with --secret id=${mount.id},src=FILE`,
    });
  }
  if (mount.env !== undefined && bytes.includes(0)) {
    throw new BuildError("INPUT_MISSING", `secret ${mount.id} has a byte 0, which no environment variable can have`, {
      hint: "mount it as a file",
    });
  }
  const env = mount.env === undefined ? {} : { env: `${mount.env}=${Buffer.from(bytes).toString("utf8")}` };
  if (mount.target === undefined) return env;
  const directory = undo.use(secretDirectory());
  const file = join(directory.path, "secret");
  writeFileSync(file, bytes, { mode: 0o600 });
  own(context, file, mount);
  return { ...env, spec: { kind: "bind", source: file, target: mount.target, readonly: true } };
}

async function sshMount(
  context: StepContext,
  mount: Extract<ExecMount, { type: "ssh" }>,
  scratch: string,
  undo: AsyncDisposableStack,
): Promise<Made> {
  const agent = await context.session.sshAgent(mount.id);
  if (agent === undefined) {
    if (!mount.required) return {};
    throw new BuildError("INPUT_MISSING", `unset ssh forward key ${mount.id}`, {
      hint: mount.id === "default" ? "give it with --ssh default" : `give it with --ssh ${mount.id}=SOCKET`,
    });
  }
  mkdirSync(scratch, { recursive: true, mode: 0o755 });
  const proxy = undo.use(await proxyAgent(agent, scratch));
  own(context, proxy.socket, mount);
  return { spec: { kind: "bind", source: proxy.socket, target: mount.target, readonly: true } };
}

/** Mode and owner of what is mounted; another owner than ourselves only where we may give files away. */
function own(
  context: StepContext,
  path: string,
  mount: { readonly mode: number; readonly uid: number; readonly gid: number },
): void {
  if (context.layers.place.privileged) chownSync(path, mount.uid, mount.gid);
  chmodSync(path, mount.mode);
}
