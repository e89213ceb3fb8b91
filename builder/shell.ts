// `tsbuild shell`: a look at a step of a build that has ended, as long as what it made is kept.

import { BuildError } from "./core/errors.ts";
import { NamespaceNeeded } from "./core/system/namespace.ts";
import type { Session } from "./core/session.ts";
import { openEngine } from "./engine.ts";
import type { ExecMount } from "./graph/op.ts";
import { runShell } from "./ops/shell.ts";
import type { BuildRecord } from "./records/build-record.ts";
import { enterableSteps } from "./records/build-record.ts";
import type { BuildRecords } from "./records/build-records.ts";
import { buildRecordsOf } from "./records/build-records.ts";
import type { RunResult } from "./run-request.ts";
import type { ListedBuild, ShellRequest } from "./shell-request.ts";
import type { StepState } from "./engine/recording/step-states.ts";
import { StepStates } from "./engine/recording/step-states.ts";

/** Opens the shell on this process's own terminal; its exit code. Throws `INPUT_MISSING` when the step's state is not kept. */
export async function openShell(request: ShellRequest, signal: AbortSignal): Promise<RunResult> {
  await using engine = await openEngine({
    root: request.root,
    requireSandbox: request.requireSandbox,
    snapshotter: request.snapshotter,
  });
  const records = buildRecordsOf(request.root);
  const record = request.build === undefined ? lastBuild(records) : records.find(request.build);
  using kept = records.holdKept(record.id);
  const state = new StepStates(record, kept, engine.records, engine.layers).find(request.step);
  if (!engine.privileged) throw new NamespaceNeeded("opening a shell");
  const { mounts, notes } = await availableMounts(state, request.session);
  const variables = hiddenVariables(record.steps[state.place]?.hiddenEnv ?? [], request.environment);
  return await runShell(
    {
      layers: engine.layers,
      snapshotter: () => engine.snapshotter(),
      cacheMounts: engine.cacheMounts,
      session: request.session,
    },
    {
      op: { ...state.op, mounts },
      inputs: state.inputs,
      below: state.rootfs,
      hiddenEnv: variables.set,
      id: `shell-${process.pid}`,
    },
    {
      executor: await engine.executor(),
      terminal: request.terminal,
      ready: async () =>
        request.ready({
          build: record.id,
          step: record.steps[state.place]?.name ?? "",
          failed: state.failed,
          notes: [...state.notes, ...notes, ...variables.notes],
        }),
    },
    signal,
  );
}

/** The builds that are remembered, or the one that is named, the newest first. Throws `USAGE`. */
export function listBuilds(root: string, build: string | undefined): ListedBuild[] {
  const records = buildRecordsOf(root);
  const found = build === undefined ? records.list() : [records.find(build)];
  return found.map((record) => ({
    id: record.id,
    what: record.what,
    endedMs: record.endedMs,
    failure: record.failure?.message,
    kept: records.isKept(record.id),
    steps: enterableSteps(record).map((place, at) => ({
      number: at + 1,
      name: record.steps[place]?.name ?? "",
      failed: place === record.failure?.step,
    })),
  }));
}

function lastBuild(records: BuildRecords): BuildRecord {
  // One that failed before there was a graph has nothing to look at.
  const last = records.list().find(({ steps }) => steps.length > 0);
  if (last !== undefined) return last;
  throw new BuildError("INPUT_MISSING", "no build is remembered in this store", {
    hint: "tsbuild run -it IMAGE sh   looks into an image",
  });
}

/** Variables of which only the names are remembered, as this environment has them. That a proxy is not there need not be said. */
function hiddenVariables(
  names: readonly string[],
  environment: ReadonlyMap<string, string>,
): { readonly set: readonly string[]; readonly notes: readonly string[] } {
  const isSet = (name: string): boolean => environment.has(name);
  return {
    set: names.filter(isSet).map((name) => `${name}=${environment.get(name)}`),
    notes: names
      .filter((name) => !isSet(name) && !/_proxy$/i.test(name))
      .map((name) => `${name} was not written down, as it looks like a secret: set it in the environment`),
  };
}

/** Secrets and agents that were not given are left out, and what is left of a context is an empty folder: a look should not fail for them. */
async function availableMounts(
  { op, inputs }: StepState,
  session: Session,
): Promise<{ readonly mounts: readonly ExecMount[]; readonly notes: readonly string[] }> {
  const notes: string[] = [];
  const mounts: ExecMount[] = [];
  for (const mount of op.mounts) {
    if (mount.type === "secret" && (await session.secret(mount.id)) === undefined) {
      notes.push(`the secret "${mount.id}" is not there: give it with --secret id=${mount.id},src=FILE`);
      mounts.push({ ...mount, required: false });
    } else if (mount.type === "ssh" && (await session.sshAgent(mount.id)) === undefined) {
      notes.push(`the SSH agent "${mount.id}" is not there: give it with --ssh ${mount.id}`);
      mounts.push({ ...mount, required: false });
    } else {
      if (mount.type === "bind" && mount.input >= 0 && inputs[mount.input] === undefined)
        notes.push(`${mount.target} is empty: what the step had mounted there is not kept`);
      mounts.push(mount);
    }
  }
  return { mounts, notes };
}
