// File ops: the actions between an input and an output are one of ours. What an action copies from may be what other
// actions of the same op made.

import type { FileAction, FileOp, ModeSpec, OwnerSpec } from "../graph/op.ts";
import type { Vertex, VertexOptions } from "../graph/vertex.ts";
import { vertex } from "../graph/vertex.ts";
import type { LlbAction, LlbCopy, LlbFile, LlbOwner, LlbUser } from "./definition.ts";
import { invalid, unsupported } from "./order.ts";
import type { OpInputs, Output, Outputs } from "./outputs.ts";
import { VertexInputs } from "./outputs.ts";

/** Of all chains of one op together: chains that begin alike are carried out each for itself. */
const MOST_ACTIONS = 100_000;

/** The outputs of a file op. */
export function fileOutputs(file: LlbFile, inputs: OpInputs, options: VertexOptions): Outputs {
  if (file.actions.length === 0) throw invalid("a file op has no actions");
  const chains = new Chains(file.actions, inputs, options);
  const outputs = new Map<number, Output>();
  for (const [at, { output }] of file.actions.entries()) {
    if (output < 0) continue;
    if (outputs.has(output)) throw invalid(`a file op has its output ${output} twice`);
    outputs.set(output, chains.resultOf(at));
  }
  return outputs;
}

class Chains {
  readonly #actions: readonly LlbAction[];
  readonly #inputs: OpInputs;
  readonly #options: VertexOptions;
  /** What each action leaves, where that was asked for. */
  readonly #results = new Map<number, Vertex>();
  #carried = 0;

  constructor(actions: readonly LlbAction[], inputs: OpInputs, options: VertexOptions) {
    this.#actions = actions;
    this.#inputs = inputs;
    this.#options = options;
  }

  /** What is there after an action and all that it stands on. */
  resultOf(last: number): Vertex {
    // Those that are copied from are wanted first: no call is as deep as they are many.
    const stack = [last];
    for (let at = stack.at(-1); at !== undefined; at = stack.at(-1)) {
      const missing = this.#results.has(at) ? [] : this.#sourcesOf(at).filter((source) => !this.#results.has(source));
      if (missing.length > 0) {
        stack.push(...missing);
        continue;
      }
      if (!this.#results.has(at)) this.#results.set(at, this.#make(at));
      stack.pop();
    }
    const result = this.#results.get(last);
    if (result === undefined) throw invalid("a file op has no result");
    return result;
  }

  /** The actions from an input on, in the order in which they are carried out. */
  #chain(last: number): readonly number[] {
    const chain: number[] = [];
    for (let at: number | undefined = last; at !== undefined; at = this.#before(at, this.#action(at).input)) {
      chain.push(at);
      if ((this.#carried += 1) > MOST_ACTIONS) throw invalid(`a file op has more than ${MOST_ACTIONS} actions to do`);
    }
    return chain.reverse();
  }

  /** The action that a number means, seen from another one; undefined for an input of the op. */
  #before(from: number, number: number): number | undefined {
    const action = number - this.#inputs.count;
    if (action < 0) return undefined;
    if (action >= from) throw invalid(`action ${from} of a file op works on action ${action}, which comes later`);
    return action;
  }

  #sourcesOf(last: number): readonly number[] {
    return this.#chain(last).flatMap((at) => {
      const action = this.#action(at);
      return action.copy === undefined ? [] : (this.#before(at, action.secondaryInput) ?? []);
    });
  }

  #action(at: number): LlbAction {
    const action = this.#actions[at];
    if (action === undefined) throw invalid(`a file op has no action ${at}`);
    return action;
  }

  #make(last: number): Vertex {
    const all = new VertexInputs();
    const chain = this.#chain(last);
    const base = this.#action(chain[0] ?? last).input;
    const destination = all.add(this.#inputs.at(base));
    const actions = chain.map((at): FileAction => {
      const action = this.#action(at);
      return readAction(action, base, () => {
        const made = this.#before(at, action.secondaryInput);
        const source = made === undefined ? this.#inputs.at(action.secondaryInput) : this.#results.get(made);
        return all.add(source ?? EMPTY);
      });
    });
    const op: FileOp = { kind: "file", destination, actions };
    return vertex(op, all.list, this.#options);
  }
}

/** An empty directory as something to copy from. */
const EMPTY = vertex({ kind: "merge" }, [], { name: "scratch" });

function readAction(action: LlbAction, base: number, source: () => number): FileAction {
  const { copy, mkfile, mkdir, rm, symlink } = action;
  const bodies = [copy, mkfile, mkdir, rm, symlink].filter((body) => body !== undefined);
  if (bodies.length > 1) throw invalid("an action of a file op is of several kinds at once");
  if (copy !== undefined) return readCopy(copy, base, source());
  if (mkfile !== undefined) {
    const { path, mode, data } = mkfile;
    const text = Buffer.from(data).toString("utf8");
    const isText = Buffer.from(text, "utf8").equals(data);
    const content = isText
      ? { data: text }
      : { data: Buffer.from(data).toString("base64"), encoding: "base64" as const };
    return { action: "mkfile", path, mode: mode & 0o777, ...content, ...made(mkfile, base) };
  }
  if (mkdir !== undefined) {
    const { path, mode, makeParents } = mkdir;
    return { action: "mkdir", path, mode: mode & 0o777, makeParents, ...made(mkdir, base) };
  }
  if (symlink !== undefined) {
    const { oldPath, newPath } = symlink;
    return { action: "symlink", oldPath, newPath, ...made(symlink, base) };
  }
  if (rm !== undefined) {
    const { path, allowNotFound, allowWildcard } = rm;
    return { action: "rm", path, allowNotFound, allowWildcard };
  }
  throw unsupported("an action of a file op that is not known");
}

function readCopy(copy: LlbCopy, base: number, from: number): FileAction {
  const { source, destination, mode, modeText, includes, excludes, required, alwaysReplace, unpack } = copy;
  return {
    action: "copy",
    from,
    source: absolute(source),
    destination: absolute(destination),
    ...made(copy, base),
    ...(modeText !== "" ? { mode: modeOf(modeText) } : mode < 0 ? {} : { mode: { octal: mode & 0o7777 } }),
    allowWildcard: copy.allowWildcard,
    allowEmptyWildcard: copy.allowEmptyWildcard,
    followSymlinks: copy.followSymlink,
    dirContentsOnly: copy.dirContentsOnly,
    unpack,
    parents: false,
    ...(includes.length === 0 ? {} : { includes }),
    excludes,
    ...(required.length === 0 ? {} : { required }),
    createDestinationPath: copy.createDestination,
    alwaysReplace,
    resetOwner: false,
  };
}

/** A mode as chmod(1) reads it: octal, too. */
function modeOf(text: string): ModeSpec {
  return /^[0-7]{1,4}$/.test(text) ? { octal: Number.parseInt(text, 8) } : { symbolic: text };
}

/** Clean and absolute; a slash at the end stays, since it says "a directory". */
function absolute(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}

function made(
  { owner, timestamp }: { readonly owner: LlbOwner | undefined; readonly timestamp: bigint },
  base: number,
): { readonly owner?: OwnerSpec; readonly timeNs?: string } {
  const spec = owner === undefined ? undefined : readOwner(owner, base);
  return {
    ...(spec === undefined ? {} : { owner: spec }),
    ...(timestamp === -1n ? {} : { timeNs: String(timestamp) }),
  };
}

/** Names are looked up in what the actions begin with, as clients have it. */
function readOwner({ user, group }: LlbOwner, base: number): OwnerSpec | undefined {
  const read = (account: LlbUser | undefined): string | number | undefined => {
    if (account?.byName === undefined) return account?.byId;
    if (account.byName.input === -1)
      throw invalid(`"${account.byName.name}" is looked up nowhere: invalid user index: -1`);
    if (account.byName.input !== base) throw unsupported("an owner whose name is looked up in another file system");
    return account.byName.name;
  };
  const [ofUser, ofGroup] = [read(user), read(group)];
  if (ofUser === undefined && ofGroup === undefined) return undefined;
  return { user: ofUser ?? 0, ...(ofGroup === undefined ? {} : { group: ofGroup }) };
}
