// Where builds are remembered: in this machine's store, or by the daemon that --host names.

import type { BuildRecord, ListedBuild } from "../../../builder/builds.ts";
import type { BuildEvent } from "../../../builder/core/events.ts";
import type { Arguments } from "../../cli/flags.ts";
import type { Host } from "../../client/host.ts";
import { hostOf } from "../build/builder-at.ts";
import type { CommandContext } from "../command.ts";
import { rootOf } from "../command.ts";

/** Builds that are remembered. */
export interface History {
  /** The newest first. */
  list(): Promise<readonly ListedBuild[]>;
  /** A build by its id, the beginning of it, or `^N`; undefined: the last one. Throws `USAGE`, `INPUT_MISSING`. */
  find(name: string | undefined): Promise<ListedBuild>;
  /** Throws `USAGE` for a build under way. */
  record(build: ListedBuild): Promise<BuildRecord>;
  /** What was told of it, with all output that is kept. */
  events(build: ListedBuild): Promise<Iterable<BuildEvent> | AsyncIterable<BuildEvent>>;
  /** Its page (HTML). */
  page(build: ListedBuild): Promise<string>;
  /** The ids of those that are forgotten then. */
  forget(names: readonly string[] | "all"): Promise<readonly string[]>;
}

/** The one that the flags and TSBUILD_HOST say. Throws `USAGE`. */
export async function historyAt(context: CommandContext, args: Arguments): Promise<History> {
  const host = await hostOf(args, context.environment);
  return host === undefined ? await historyHere(rootOf(context, args)) : await historyThere(host, context.signal);
}

async function historyHere(root: string): Promise<History> {
  const engine = await import("../../../builder/builds.ts");
  const record = async ({ id }: ListedBuild): Promise<BuildRecord> => engine.rememberedBuild(root, id);
  return {
    list: async () => engine.rememberedBuilds(root).map(engine.listedBuild),
    find: async (name) => engine.listedBuild(engine.rememberedBuild(root, name)),
    record,
    events: async (build) => engine.eventsOfBuild(root, await record(build)),
    page: async (build) => (await import("../build/report.ts")).buildPage(root, await record(build)),
    forget: (names) => engine.forgetBuilds(root, names),
  };
}

async function historyThere(host: Host, signal: AbortSignal): Promise<History> {
  const client = await import("../../client/history.ts");
  const all = await client.remoteBuilds(host, signal);
  const named = (name: string | undefined) => client.remoteBuild(all, name, host);
  const record = (build: ListedBuild): Promise<BuildRecord> => client.remoteRecord(host, named(build.id), signal);
  const events = async (build: ListedBuild): Promise<AsyncIterable<BuildEvent>> =>
    client.remoteEvents(host, build.id, signal);
  return {
    list: async () => all,
    find: async (name) => named(name),
    record,
    events,
    page: async (build) => {
      const { pageOf } = await import("../build/report.ts");
      // Why its steps ran, and what its layers hold, is known where the store is.
      return await pageOf(
        { record: await record(build), reasons: new Map(), layerBytes: new Map() },
        await events(build),
      );
    },
    forget: async (names) => {
      const ended = all.filter(({ status }) => status !== "running");
      const ids = (names === "all" ? ended : names.map(named)).map(({ id }) => id);
      await client.forgetRemote(host, ids, signal);
      return ids;
    },
  };
}
