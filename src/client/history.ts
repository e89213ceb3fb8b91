// Builds that a daemon remembers, ours or BuildKit's: listed, told again from their status, and forgotten.

import type { BuildRecord, ListedBuild } from "../../builder/builds.ts";
import { idsNamed, numberOfNewer, RECORD_FORMAT, TimelineFold } from "../../builder/builds.ts";
import { isDigest } from "../../builder/core/digest.ts";
import { BuildError } from "../../builder/core/errors.ts";
import type { BuildEvent } from "../../builder/core/events.ts";
import type { GrpcClient } from "../api/grpc/client.ts";
import { CODE } from "../api/grpc/status.ts";
import { Empty, StatusRequest, StatusResponse } from "../api/proto/control.ts";
import type { HistoryRecord } from "../api/proto/disk.ts";
import { HistoryEvent, HistoryRequest, UpdateHistoryRequest } from "../api/proto/disk.ts";
import type { Of } from "../api/proto/message.ts";
import { connectTo } from "./connect.ts";
import { namesIn } from "./exporter-response.ts";
import { explained } from "./failure.ts";
import type { Host } from "./host.ts";
import { eventsOf } from "./status.ts";

const CONTROL = "/moby.buildkit.v1.Control";
/** Of an event: the build was forgotten. */
const DELETED = 2;

type HistoryRecordMessage = Of<typeof HistoryRecord>;

/** A build that a daemon has remembered, or has under way. */
export interface RemoteBuild extends ListedBuild {
  readonly message: HistoryRecordMessage;
}

/** All of them, the newest first. Throws what reaching the daemon throws. */
export async function remoteBuilds(host: Host, signal: AbortSignal): Promise<readonly RemoteBuild[]> {
  const found = new Map<string, RemoteBuild>();
  await withDaemon(host, signal, async (client) => {
    await using call = client.call(`${CONTROL}/ListenBuildHistory`, {}, signal);
    await call.send(HistoryRequest.encode({ earlyExit: true }));
    call.end();
    for await (const bytes of call.messages) {
      const { type, record } = HistoryEvent.decode(bytes);
      if (record === undefined) continue;
      if (type === DELETED) found.delete(record.ref);
      else found.set(record.ref, listed(record));
    }
  });
  return [...found.values()].toSorted((a, b) => b.startedMs - a.startedMs);
}

/** The one of an id, or of the only id that begins so, or `^N`; undefined: the last one. Throws `USAGE`, `INPUT_MISSING`. */
export function remoteBuild(all: readonly RemoteBuild[], name: string | undefined, host: Host): RemoteBuild {
  const newer = name === undefined ? 0 : numberOfNewer(name);
  const counted = newer === undefined ? undefined : all[newer];
  if (counted !== undefined) return counted;
  if (name === undefined) throw new BuildError("INPUT_MISSING", `${host.name} remembers no build`);
  const found = idsNamed(
    name,
    all.map(({ id }) => id),
  );
  const one = found.length === 1 ? all.find(({ id }) => id === found[0]) : undefined;
  if (one !== undefined) return one;
  const why = found.length > 1 ? `several builds begin with "${name}"` : `${host.name} remembers no build "${name}"`;
  throw new BuildError("USAGE", why, { hint: "tsbuild builds ls lists the last ones" });
}

/** Everything that was told of a build; of one under way also what is still to be told. */
export async function* remoteEvents(host: Host, id: string, signal: AbortSignal): AsyncGenerator<BuildEvent> {
  using client = await connectTo(host, signal);
  try {
    await using call = client.call(`${CONTROL}/Status`, {}, signal);
    await call.send(StatusRequest.encode({ ref: id }));
    call.end();
    for await (const bytes of call.messages) yield* eventsOf(StatusResponse.decode(bytes));
  } catch (error) {
    throw explained(error, host.name);
  }
}

/** A build that has ended, as our own records have it; of its output only how much it is. Throws `USAGE` for one under way. */
export async function remoteRecord(host: Host, build: RemoteBuild, signal: AbortSignal): Promise<BuildRecord> {
  const { id, what, startedMs, endedMs, status, error, message } = build;
  if (endedMs === undefined || status === "running")
    throw new BuildError("USAGE", `the build ${id} is under way`, { hint: `tsbuild builds logs ${id} follows it` });
  const fold = new TimelineFold();
  for await (const event of remoteEvents(host, id, signal)) fold.take(event);
  const response = message.exporterResponse;
  const digest = response.get("containerimage.digest");
  return {
    format: RECORD_FORMAT,
    ...{ id, what, startedMs, endedMs, status },
    version: "unknown",
    request: requestOf(message),
    steps: [],
    timeline: fold.timeline((text) => text),
    result: { images: [], names: namesIn(response), ...(digest === undefined ? {} : { digest }) },
    ...(error === undefined ? {} : { failure: { message: error } }),
  };
}

/** Forgets builds. Throws `USAGE` where the daemon has none of that name. */
export async function forgetRemote(host: Host, ids: readonly string[], signal: AbortSignal): Promise<void> {
  await withDaemon(host, signal, async (client) => {
    for (const ref of ids)
      await client.unary(
        `${CONTROL}/UpdateBuildHistory`,
        [UpdateHistoryRequest, Empty],
        { ref, isDeleted: true },
        signal,
      );
  });
}

async function withDaemon(host: Host, signal: AbortSignal, work: (client: GrpcClient) => Promise<void>): Promise<void> {
  using client = await connectTo(host, signal);
  try {
    await work(client);
  } catch (error) {
    throw explained(error, host.name);
  }
}

function listed(message: HistoryRecordMessage): RemoteBuild {
  const { ref, error, createdAt = 0, completedAt, exporterResponse } = message;
  const { totalSteps, completedSteps, cachedSteps } = message;
  const digest = exporterResponse.get("containerimage.digest");
  const ended = error === undefined ? "completed" : error.code === CODE.cancelled ? "canceled" : "error";
  return {
    id: ref,
    what: whatOf(message),
    startedMs: createdAt,
    endedMs: completedAt,
    status: completedAt === undefined ? "running" : ended,
    steps: totalSteps,
    completed: completedSteps,
    cached: cachedSteps,
    error: error?.message,
    digest: digest !== undefined && isDigest(digest) ? digest : undefined,
    message,
  };
}

/** What is known of a context that lay on a client's disk is the name of its Dockerfile. */
function whatOf({ frontendAttrs: attrs }: HistoryRecordMessage): string {
  const context = attrs.get("vcs:source") ?? attrs.get("vcs:localdir:context") ?? attrs.get("context") ?? "";
  const file = attrs.get("filename") ?? "Dockerfile";
  const target = attrs.get("target") ?? "";
  const place = context === "" ? file : file === "Dockerfile" ? context : `${context} (${file})`;
  return target === "" ? place : `${place} --target ${target}`;
}

function requestOf({ frontendAttrs: attrs, exporters }: HistoryRecordMessage): BuildRecord["request"] {
  const target = attrs.get("target");
  const withPrefix = (prefix: string): Readonly<Record<string, string>> =>
    Object.fromEntries(
      [...attrs].flatMap(([key, value]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [])),
    );
  const noCache = attrs.get("no-cache");
  return {
    context: attrs.get("context") ?? attrs.get("vcs:localdir:context") ?? "the client's",
    dockerfile: attrs.get("filename") ?? "Dockerfile",
    namedContexts: withPrefix("context:"),
    ...(target === undefined ? {} : { target }),
    platforms: (attrs.get("platform") ?? "").split(",").filter((one) => one !== ""),
    buildArgs: withPrefix("build-arg:"),
    labels: withPrefix("label:"),
    noCache: noCache === undefined ? false : noCache === "" ? true : noCache.split(","),
    pull: attrs.get("image-resolve-mode") === "pull",
    network: attrs.get("force-network-mode") ?? "default",
    allow: [],
    secrets: [],
    outputs: exporters.map(({ type, attrs: of }) => ({
      type,
      names: (of.get("name") ?? "").split(",").filter((name) => name !== ""),
      push: of.get("push") === "true",
    })),
  };
}
