// Graphs in BuildKit's low-level form as a client makes them: ops as bytes, named by their digests.

import { digestOf } from "../../builder/core/digest.ts";
import type { LlbAction, LlbExec, LlbMount, LlbOp } from "../../builder/llb/definition.ts";
import type { Definition } from "../../src/api/proto/llb.ts";
import { OpMessage } from "../../src/api/proto/llb.ts";
import type { Of } from "../../src/api/proto/message.ts";

/** An output of an op. */
export interface Edge {
  readonly digest: string;
  readonly index: number;
}

type Metadata = Of<typeof Definition>["metadata"];
type Body = Partial<Of<typeof OpMessage>>;

/** A definition that grows. */
export class Graph {
  readonly ops: Uint8Array[] = [];
  readonly metadata = new Map<string, NonNullable<ReturnType<Metadata["get"]>>>();

  /** Adds an op; what is returned is its output 0. */
  add(body: Body, inputs: readonly Edge[] = [], caps: readonly string[] = []): Edge {
    const bytes = OpMessage.encode({ ...body, inputs });
    const digest = digestOf(bytes);
    this.ops.push(bytes);
    const known = new Map(caps.map((name) => [name, true]));
    this.metadata.set(digest, { ignoreCache: false, description: new Map(), caps: known, resources: undefined });
    return { digest, index: 0 };
  }

  source(identifier: string, attrs: Readonly<Record<string, string>> = {}): Edge {
    return this.add({ source: { identifier, attrs: new Map(Object.entries(attrs)) } });
  }

  /** Actions one after the other; the last one is the result. Inputs of actions that say none are the action before. */
  file(actions: readonly Partial<LlbAction>[], inputs: readonly Edge[] = [], base = -1): Edge {
    const last = actions.length - 1;
    const whole = actions.map((action, at): LlbAction => ({
      ...NO_ACTION,
      input: at === 0 ? base : inputs.length + at - 1,
      output: at === last ? 0 : -1,
      ...action,
    }));
    return this.add({ file: { actions: whole } }, inputs);
  }

  exec(
    args: readonly string[],
    mounts: readonly LlbMount[],
    inputs: readonly Edge[],
    more: Partial<LlbExec> = {},
  ): Edge {
    const meta = { ...NO_META, ...more.meta, args };
    return this.add({ exec: { mounts, network: 0, security: 0, secretEnv: [], devices: [], ...more, meta } }, inputs);
  }

  /** The whole of it, with what it stands for. */
  closed(result: Edge, source?: Of<typeof Definition>["source"]): Of<typeof Definition> {
    return { ops: [...this.ops, OpMessage.encode({ inputs: [result] })], metadata: this.metadata, source };
  }
}

/** A mount that says nothing but where it is. */
export function mount(target: string, more: Partial<LlbMount>): LlbMount {
  return { ...NO_MOUNT, target, ...more };
}

/** What is made now, by nobody. */
const MADE = { owner: undefined, timestamp: -1n } as const;

const COPY = {
  ...MADE,
  mode: -1,
  modeText: "",
  followSymlink: false,
  dirContentsOnly: false,
  unpack: false,
  createDestination: false,
  allowWildcard: false,
  allowEmptyWildcard: false,
  includes: [],
  excludes: [],
  alwaysReplace: false,
  required: [],
} as const;

const NO_MOUNT: LlbMount = {
  input: -1,
  selector: "",
  target: "/",
  output: -1,
  readonly: false,
  type: 0,
  tmpfs: undefined,
  cache: undefined,
  secret: undefined,
  ssh: undefined,
};

const NO_ACTION: LlbAction = {
  input: -1,
  secondaryInput: -1,
  output: -1,
  copy: undefined,
  mkfile: undefined,
  mkdir: undefined,
  rm: undefined,
  symlink: undefined,
};

export const NO_META: NonNullable<LlbExec["meta"]> = {
  args: [],
  env: [],
  cwd: "/",
  user: "",
  proxy: undefined,
  extraHosts: [],
  hostname: "",
  ulimits: [],
  cgroupParent: "",
  validExitCodes: [],
};

/** A file with a text. */
export function mkfile(path: string, text: string | Uint8Array, mode = 0o644): Partial<LlbAction> {
  return { mkfile: { ...MADE, path, mode, data: typeof text === "string" ? Buffer.from(text) : text } };
}

export function mkdir(path: string, makeParents = true): Partial<LlbAction> {
  return { mkdir: { ...MADE, path, mode: 0o755, makeParents } };
}

export function rm(path: string): Partial<LlbAction> {
  return { rm: { path, allowNotFound: false, allowWildcard: false } };
}

/** A copy from an input, or from an action of the same op. */
export function copy(
  source: string,
  destination: string,
  secondaryInput: number,
  more: Partial<NonNullable<LlbAction["copy"]>> = {},
): Partial<LlbAction> {
  return { secondaryInput, copy: { ...COPY, source, destination, ...more } };
}

/** Every op of a definition, by its digest, as the daemon hands it to the engine. */
export function opsOf({ ops }: Of<typeof Definition>): ReadonlyMap<`sha256:${string}`, LlbOp> {
  return new Map(ops.map((bytes) => [digestOf(bytes), OpMessage.decode(bytes)]));
}
