// Exec ops: a program, what is mounted for it, and which of its mounts are results.

import { BuildError } from "../core/errors.ts";
import type { Platform } from "../core/image/platform.ts";
import type { ExecMount, ExecOp } from "../graph/op.ts";
import type { VertexOptions } from "../graph/vertex.ts";
import { vertex } from "../graph/vertex.ts";
import type { LlbExec, LlbMount } from "./definition.ts";
import { invalid, unsupported } from "./order.ts";
import type { OpInputs, Output, Outputs } from "./outputs.ts";
import { VertexInputs } from "./outputs.ts";

const DEFAULT_SHM_BYTES = 64 << 20;
const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const TYPE = { bind: 0, secret: 1, ssh: 2, cache: 3, tmpfs: 4 } as const;
const SHARING = ["shared", "private", "locked"] as const;
const NETWORKS = ["default", "host", "none"] as const;
const SECURITY = ["sandbox", "insecure"] as const;

/** What exec ops are read with. */
export interface ExecWorld {
  readonly platform: Platform;
  /** Entitlements that were granted. */
  readonly allow: readonly string[];
}

/** The outputs of an exec op: its rootfs and the mounts that say so. */
export function execOutputs(exec: LlbExec, inputs: OpInputs, options: VertexOptions, world: ExecWorld): Outputs {
  const { meta } = exec;
  if (meta === undefined || meta.args.length === 0) throw invalid("an exec op has no program");
  if (exec.devices.length > 0) throw unsupported("CDI devices");
  const roots = exec.mounts.filter(isRoot);
  const [root] = roots;
  if (root === undefined || roots.length > 1) throw invalid(`an exec op has ${roots.length} root file systems`);
  if (root.type !== TYPE.bind) throw invalid("the root file system of an exec op is no bind mount");
  if (root.selector !== "" && root.selector !== "/") throw unsupported("a root file system that is part of another");
  const all = new VertexInputs();
  const rootInput = all.add(inputs.at(root.input));
  const mounts = new Mounts(all, inputs);
  // One may lie in another.
  const inOrder = exec.mounts.toSorted((a, b) => (a.target < b.target ? -1 : a.target > b.target ? 1 : 0));
  for (const mount of inOrder) if (mount !== root) mounts.add(mount);
  for (const { id, name, optional } of exec.secretEnv)
    mounts.list.push({ type: "secret", id, env: name, required: !optional, mode: 0o400, uid: 0, gid: 0 });
  const { validExitCodes } = meta;
  const program: ExecOp = {
    kind: "exec",
    rootInput,
    ...(root.readonly ? { isRootReadonly: true } : {}),
    args: meta.args,
    env: meta.env.some((variable) => variable.startsWith("PATH=")) ? meta.env : [...meta.env, DEFAULT_PATH],
    cwd: meta.cwd || "/",
    user: meta.user,
    mounts: mounts.list,
    network: granted(NETWORKS, exec.network, "network", { host: "network.host" }, world),
    security: granted(SECURITY, exec.security, "security", { insecure: "security.insecure" }, world),
    hostname: meta.hostname,
    extraHosts: meta.extraHosts.map(({ host, ip }) => ({ host, ip })),
    ulimits: meta.ulimits.map(({ name, soft, hard }) => ({ name, soft, hard })),
    shmSizeBytes: mounts.shmBytes ?? DEFAULT_SHM_BYTES,
    cgroupParent: meta.cgroupParent,
    ...(validExitCodes.length === 0 ? {} : { validExitCodes: [...new Set(validExitCodes)].toSorted((a, b) => a - b) }),
    platform: world.platform,
  };
  const hiddenEnv = proxyVariables(meta.proxy);
  const made = { ...options, ...(hiddenEnv.length === 0 ? {} : { hiddenEnv }) };
  const outputs = new Map<number, Output>();
  const give = (output: number, result: number | undefined): void => {
    if (outputs.has(output)) throw invalid(`an exec op has its output ${output} twice`);
    outputs.set(output, vertex({ ...program, ...(result === undefined ? {} : { result }) }, all.list, made));
  };
  if (root.output >= 0 && !root.readonly) give(root.output, undefined);
  for (const [output, number] of mounts.outputs) give(output, number);
  return outputs;
}

function isRoot({ target }: LlbMount): boolean {
  return target === "/";
}

class Mounts {
  readonly list: ExecMount[] = [];
  /** The numbers of mounts in the list, by that of the output. */
  readonly outputs: [number, number][] = [];
  shmBytes: number | undefined;
  readonly #all: VertexInputs;
  readonly #inputs: OpInputs;

  constructor(all: VertexInputs, inputs: OpInputs) {
    this.#all = all;
    this.#inputs = inputs;
  }

  add(mount: LlbMount): void {
    const { target, readonly } = mount;
    if (!target.startsWith("/")) throw invalid(`a mount is at "${target.slice(0, 100)}", which is no absolute path`);
    const selector = mount.selector || "/";
    switch (mount.type) {
      case TYPE.bind: {
        const input = this.#all.add(this.#inputs.at(mount.input));
        const isOutput = mount.output >= 0 && !readonly;
        if (isOutput) this.outputs.push([mount.output, this.list.length]);
        this.list.push({ type: "bind", input, selector, target, readonly, ...(isOutput ? { isOutput } : {}) });
        return;
      }
      case TYPE.cache: {
        if (mount.cache === undefined) throw invalid("a cache mount does not say which");
        const sharing = SHARING[mount.cache.sharing];
        if (sharing === undefined) throw unsupported("a way to share a cache mount that is not known");
        const input = this.#all.add(this.#inputs.at(mount.input));
        const id = mount.cache.id || target;
        this.list.push({ type: "cache", input, selector, target, id, sharing, readonly, mode: 0o755, uid: 0, gid: 0 });
        return;
      }
      case TYPE.tmpfs: {
        const size = mount.tmpfs?.size ?? 0;
        if (size < 0) throw invalid(`a tmpfs has ${size} bytes`);
        if (target === "/dev/shm") this.shmBytes = size === 0 ? undefined : size;
        else this.list.push({ type: "tmpfs", target, ...(size === 0 ? {} : { sizeBytes: size }) });
        return;
      }
      case TYPE.secret: {
        if (mount.secret === undefined) throw invalid("a mount of a secret does not say which");
        const { id, optional, ...owner } = mount.secret;
        this.list.push({ type: "secret", id, target, required: !optional, ...owner, mode: owner.mode & 0o777 });
        return;
      }
      case TYPE.ssh: {
        if (mount.ssh === undefined) throw invalid("a mount of an SSH agent does not say which");
        const { id, optional, ...owner } = mount.ssh;
        const grant = { id: id || "default", required: !optional, ...owner, mode: owner.mode & 0o777 };
        this.list.push({ type: "ssh", target, ...grant });
        return;
      }
      default:
        throw unsupported(`mounts of type ${mount.type}`);
    }
  }
}

/** What a number stands for; what needs an entitlement must have it. */
function granted<Word extends string>(
  words: readonly Word[],
  number: number,
  what: string,
  needs: Partial<Record<Word, string>>,
  { allow }: ExecWorld,
): Word {
  const word = words[number];
  if (word === undefined) throw unsupported(`the ${what} mode ${number}`);
  const entitlement = needs[word];
  if (entitlement !== undefined && !allow.includes(entitlement))
    throw new BuildError("USAGE", `${entitlement} is not allowed`, { hint: `allow it with --allow ${entitlement}` });
  return word;
}

/** In both spellings, as programs want them. */
function proxyVariables(proxy: NonNullable<LlbExec["meta"]>["proxy"]): readonly string[] {
  return Object.entries(proxy ?? {})
    .filter(([, value]) => value !== "")
    .flatMap(([name, value]) => [`${name.toUpperCase()}_PROXY=${value}`, `${name}_proxy=${value}`]);
}
