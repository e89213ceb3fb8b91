// The builds that are under way and those that ended lately, by the name that the client gave them. Calls about a build
// may come before the build itself: they wait for it a little.

import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { TimelineFold } from "../../../builder/builds.ts";
import type { Descriptor } from "../../../builder/core/image/descriptor.ts";
import type { Digest } from "../../../builder/core/digest.ts";
import { EarlierParts } from "../../../builder/request.ts";
import type { ResolvedRef } from "../../../builder/request.ts";
import type { SourcePolicy } from "../../../builder/source-policy.ts";
import type { ServerCall } from "../../api/grpc/server.ts";
import type { Status } from "../../api/grpc/status.ts";
import { CODE, RpcError } from "../../api/grpc/status.ts";
import type { Exporter } from "../../api/proto/control.ts";
import type { ClientSession } from "../session/client-session.ts";
import type { ObservedBuild } from "../watch/observer.ts";
import type { Attachment } from "./attachments.ts";
import { Gateway } from "./gateway.ts";
import { KeptBuilds } from "./kept-builds.ts";
import { StatusLog } from "./status-log.ts";

/** How long a call waits for its build, in ms (BuildKit's solver/jobs.go, `Get`). */
const PATIENCE_MS = 6000;
/** Ended builds whose log can still be read. */
const MOST_ENDED = 32;
/** How long the log of what is not kept can be read, in ms: a slow client first asks when all is over (`Discard` there). */
const LINGER_MS = 10_000;
const MOST_LINGERING = 256;

/** What came of a build until now; filled in while it goes on. */
export interface JobOutcome {
  attrs: ReadonlyMap<string, string>;
  /** Whose attributes they are; "" for a graph that the client sent. */
  frontend: string;
  exporters: readonly Exporter[];
  /** A build, and not a question about what the daemon can do. */
  isBuild: boolean;
  readonly createdMs: number;
  completedMs: number | undefined;
  error: Status | undefined;
  response: ReadonlyMap<string, string>;
  /** How it came to be, by platform, until that is on disk. */
  provenance: ReadonlyMap<string, object>;
  /** The image that it made. */
  image: Descriptor | undefined;
  /** Of those that were told. */
  warnings: number;
  /** What is kept beside its record. */
  attachments: readonly Attachment[];
  /** Of a cache that the client keeps. */
  cacheManifest: Descriptor | undefined;
  /** How far each step has come. */
  readonly steps: Map<Digest, "known" | "completed" | "cached">;
}

/** A build that ended. */
export interface EndedJob {
  readonly ref: string;
  readonly log: StatusLog;
  readonly outcome: JobOutcome;
  /** Stays whatever else ends. */
  readonly isPinned: boolean;
  /** Who is told of it, once it is known to be a build; not after it was read from disk. */
  observed?: ObservedBuild | undefined;
  /** Its steps until now, while it is under way and there are pages that show them. */
  readonly timeline?: TimelineFold;
}

/** One build. */
export interface Job extends EndedJob {
  /** Whose it is, among those whose steps wait for their turn. */
  readonly client: string;
  readonly gateway: Gateway;
  /** The client's session, once it is there; undefined for a client without one. */
  readonly session: Promise<ClientSession | undefined>;
  /** What git refs named when the client first asked: what it looks at and what it gets come from the same commits. */
  readonly gitRefs: Map<Digest, ResolvedRef>;
  /** Rules about sources, which hold for all of its results. */
  policies: readonly SourcePolicy[];
  /** What was told of its results before the client handed one back. */
  readonly earlier: EarlierParts;
  /** Aborted when the build is to stop, or is over. */
  readonly signal: AbortSignal;
}

export interface JobsOptions {
  /** How long a build that is not there is waited for. */
  readonly patienceMs?: number | undefined;
  /** How many of those that ended are remembered. */
  readonly mostEnded?: number | undefined;
  /** Whether somebody may look at the steps of those under way. */
  readonly hasPages?: boolean;
}

export class Jobs {
  readonly #directory: string;
  readonly #running = new Map<string, Job>();
  readonly #ended = new Map<string, EndedJob>();
  readonly #kept: KeptBuilds;
  readonly #lingering = new Map<string, Job>();
  readonly #waiting = new Map<string, Set<() => void>>();

  readonly #patienceMs: number;
  readonly #mostEnded: number;
  readonly #hasPages: boolean;

  /** `root` is the store's. */
  constructor(root: string, { patienceMs = PATIENCE_MS, mostEnded = MOST_ENDED, hasPages = false }: JobsOptions = {}) {
    this.#patienceMs = patienceMs;
    this.#mostEnded = mostEnded;
    this.#hasPages = hasPages;
    this.#directory = join(root, "tsbuild/work");
    this.#kept = new KeptBuilds(join(root, "tsbuild/history"));
    for (const job of this.#kept.load()) this.#ended.set(job.ref, job);
  }

  /** Number of builds under way. */
  get running(): number {
    return this.#running.size;
  }

  /** Begins a build. Throws `RpcError` when one of that name is under way or has been. */
  begin(ref: string, client: string, session: Promise<ClientSession | undefined>, signal: AbortSignal): Job {
    if (ref === "") throw new RpcError(CODE.invalidArgument, "the build has no ref");
    if (this.#running.has(ref) || this.#over(ref) !== undefined)
      throw new RpcError(CODE.alreadyExists, `job ID ${ref} exists`);
    const log = StatusLog.begin(join(this.#directory, `status-${randomUUID()}`));
    const outcome: JobOutcome = {
      attrs: new Map(),
      frontend: "",
      exporters: [],
      isBuild: false,
      createdMs: Date.now(),
      completedMs: undefined,
      error: undefined,
      response: new Map(),
      provenance: new Map(),
      image: undefined,
      warnings: 0,
      attachments: [],
      cacheManifest: undefined,
      steps: new Map(),
    };
    const job: Job = {
      ref,
      isPinned: false,
      client,
      log,
      gateway: new Gateway(),
      gitRefs: new Map(),
      policies: [],
      earlier: new EarlierParts(),
      ...(this.#hasPages ? { timeline: new TimelineFold() } : {}),
      session,
      signal,
      outcome,
      observed: undefined,
    };
    this.#running.set(ref, job);
    for (const wake of this.#waiting.get(ref) ?? []) wake();
    return job;
  }

  /** The build is over; `isKept` when its log may be asked for later. */
  end(job: Job, isKept: boolean): void {
    job.log.end();
    job.outcome.completedMs = Date.now();
    this.#running.delete(job.ref);
    if (!isKept) {
      this.#linger(job);
      return;
    }
    const { ref, log, outcome, isPinned, observed } = job;
    const ended: EndedJob = { ref, log, outcome, isPinned, observed };
    this.#ended.set(ref, ended);
    this.#kept.keep(ended);
    const others = [...this.#ended.values()].filter((one) => !one.isPinned);
    for (const old of others.slice(0, Math.max(0, others.length - this.#mostEnded))) this.forget(old.ref);
  }

  /** A build by its name, waited for; `isRunning` leaves out those that have ended. Throws `RpcError` when there is none. */
  async find(ref: string, isRunning: true, signal: AbortSignal): Promise<Job>;
  async find(ref: string, isRunning: false, signal: AbortSignal): Promise<EndedJob>;
  async find(ref: string, isRunning: boolean, signal: AbortSignal): Promise<EndedJob> {
    const find = (): EndedJob | undefined => this.#running.get(ref) ?? (isRunning ? undefined : this.#over(ref));
    const found = find();
    if (found !== undefined) return found;
    const waiting = this.#waiting.get(ref) ?? new Set();
    this.#waiting.set(ref, waiting);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#patienceMs);
    signal.addEventListener("abort", () => resolve(), { once: true });
    waiting.add(resolve);
    await promise;
    clearTimeout(timer);
    waiting.delete(resolve);
    if (waiting.size === 0) this.#waiting.delete(ref);
    const job = find();
    if (job === undefined) throw new RpcError(CODE.notFound, `no such job ${ref}`);
    return job;
  }

  /** Waits until whoever asked over the same connection has read what happened in a build that ended. */
  async wasRead(ref: string, { connection, signal }: Pick<ServerCall, "connection" | "signal">): Promise<void> {
    await this.#over(ref)?.log.wasRead(connection, signal);
  }

  /** The build under way that has a result of this name. Throws `RpcError` when there is none. */
  owning(result: string): Job {
    const job = [...this.#running.values()].find(({ gateway }) => gateway.has(result));
    if (job === undefined) throw new RpcError(CODE.notFound, `no build under way has the result ${result}`);
    return job;
  }

  /** Builds, not questions: those that ended, then those under way, each in the order in which they did. */
  builds(): readonly EndedJob[] {
    return [...this.#ended.values(), ...this.#running.values()].filter(({ outcome }) => outcome.isBuild);
  }

  /** Waits until what is kept of builds that ended is on disk. */
  async settled(): Promise<void> {
    await this.#kept.settled();
  }

  /** The digests of what is kept beside records. */
  async attachments(): Promise<readonly Digest[]> {
    await this.#kept.settled();
    return [...this.#ended.values()].flatMap(({ outcome }) => outcome.attachments.map(({ digest }) => digest));
  }

  /** The file of what is kept under a digest beside a record. */
  async attachment(digest: Digest): Promise<string | undefined> {
    await this.#kept.settled();
    const job = [...this.#ended.values()].find(({ outcome }) =>
      outcome.attachments.some((one) => one.digest === digest),
    );
    return job && this.#kept.pathOf(job, digest);
  }

  /** Forgets a build that ended. Throws `RpcError` when there is none of that name. */
  forget(ref: string): void {
    const { log } = this.#endedOf(ref);
    this.#ended.delete(ref);
    log.forget();
    this.#kept.remove(ref);
  }

  /** Whether a build that ended stays whatever else ends. Throws `RpcError` when there is none of that name. */
  pin(ref: string, isPinned: boolean): void {
    const pinned = { ...this.#endedOf(ref), isPinned };
    // In its place, as the order is that in which builds ended.
    this.#ended.set(ref, pinned);
    this.#kept.update(pinned);
  }

  /** Closes what is open of builds that ended, when what is kept of them is on disk. */
  async close(): Promise<void> {
    await this.#kept.settled();
    for (const { log } of this.#ended.values()) log.forget();
    this.#ended.clear();
    for (const job of this.#lingering.values()) this.#letGo(job);
  }

  #endedOf(ref: string): EndedJob {
    const job = this.#ended.get(ref);
    if (job === undefined) throw new RpcError(CODE.notFound, `no such build ${ref} that has ended`);
    return job;
  }

  #over(ref: string): EndedJob | undefined {
    return this.#ended.get(ref) ?? this.#lingering.get(ref);
  }

  #linger(job: Job): void {
    this.#lingering.set(job.ref, job);
    setTimeout(() => this.#letGo(job), LINGER_MS).unref();
    const [oldest] = this.#lingering.values();
    if (this.#lingering.size > MOST_LINGERING && oldest !== undefined) this.#letGo(oldest);
  }

  #letGo(job: Job): void {
    if (this.#lingering.get(job.ref) !== job) return;
    this.#lingering.delete(job.ref);
    job.log.forget();
  }
}
