// The builds that ended lately, on disk: what came of each and its log, so that they can be asked for when the daemon was
// started again. Of values of build arguments it has what its provenance has, without what looks like a secret. Nothing depends on it: what cannot be written or read is not
// kept.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import * as v from "valibot";
import type { Digest } from "../../../builder/core/digest.ts";
import { digestOf, hexOf, isDigest } from "../../../builder/core/digest.ts";
import { attachmentsOf, logAttachment } from "./attachments.ts";
import type { EndedJob } from "./jobs.ts";
import { StatusLog } from "./status-log.ts";

const RECORD = ".json";
const LOG = ".log";

const Kept = v.object({
  ref: v.string(),
  isPinned: v.boolean(),
  frontend: v.string(),
  attrs: v.array(v.tuple([v.string(), v.string()])),
  exporters: v.optional(v.array(v.object({ type: v.string(), attrs: v.array(v.tuple([v.string(), v.string()])) })), []),
  createdMs: v.number(),
  completedMs: v.number(),
  error: v.optional(v.object({ code: v.number(), message: v.string() })),
  image: v.optional(v.object({ mediaType: v.string(), digest: v.custom<Digest>(isDigestText), size: v.number() })),
  warnings: v.optional(v.number(), 0),
  attachments: v.optional(
    v.array(
      v.object({
        kind: v.picklist(["log", "provenance", "trace", "failure"]),
        digest: v.custom<Digest>(isDigestText),
        size: v.number(),
        platform: v.optional(v.string()),
      }),
    ),
    [],
  ),
  response: v.array(v.tuple([v.string(), v.string()])),
  steps: v.array(v.tuple([v.custom<Digest>(isDigestText), v.picklist(["known", "completed", "cached"])])),
});

function isDigestText(value: unknown): boolean {
  return typeof value === "string" && isDigest(value);
}

export class KeptBuilds {
  readonly #directory: string;
  /** What is being written: one after the other. */
  #writing: Promise<void> = Promise.resolve();

  /** `directory` is made when something is kept. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Those that are there, in the order in which they ended. What is damaged goes. */
  load(): readonly EndedJob[] {
    const found: EndedJob[] = [];
    for (const name of this.#names()) {
      if (!name.endsWith(RECORD)) continue;
      const base = join(this.#directory, name.slice(0, -RECORD.length));
      try {
        found.push(read(base));
      } catch {
        this.#clear(base);
      }
    }
    return found.toSorted((a, b) => (a.outcome.completedMs ?? 0) - (b.outcome.completedMs ?? 0));
  }

  /** Keeps a build that ended; `settled` waits for it. */
  keep(job: EndedJob): void {
    this.#later(async () => {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      const base = this.#base(job.ref);
      await job.log.copyTo(`${base}.new`);
      renameSync(`${base}.new`, `${base}${LOG}`);
      const beside = attachmentsOf(job);
      for (const [{ digest }, bytes] of beside) writeFileSync(`${base}.${hexOf(digest)}`, bytes, { mode: 0o600 });
      job.outcome.attachments = [await logAttachment(`${base}${LOG}`), ...beside.map(([attachment]) => attachment)];
      job.outcome.provenance = new Map();
      this.#write(job);
    });
  }

  /** Writes down that a build is pinned, or no longer. */
  update(job: EndedJob): void {
    this.#later(() => this.#write(job));
  }

  remove(ref: string): void {
    this.#later(() => this.#clear(this.#base(ref)));
  }

  /** Where something lies that is kept beside a record. */
  pathOf({ ref, outcome }: EndedJob, digest: Digest): string {
    const isLog = outcome.attachments.some((one) => one.kind === "log" && one.digest === digest);
    return `${this.#base(ref)}${isLog ? LOG : `.${hexOf(digest)}`}`;
  }

  /** Waits until all of it is on disk. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  #later(work: () => Promise<void> | void): void {
    // A disk that is full costs the history, and no build.
    this.#writing = this.#writing.then(work).catch(() => undefined);
  }

  /** The record comes last: what has one is whole. */
  #write({ ref, isPinned, outcome }: EndedJob): void {
    const { frontend, attrs, exporters, createdMs, completedMs = createdMs, error, response, steps } = outcome;
    const { image, warnings, attachments } = outcome;
    const record: v.InferInput<typeof Kept> = {
      ref,
      isPinned,
      frontend,
      attrs: [...attrs].filter(([key]) => !key.startsWith("build-arg:")),
      exporters: exporters.map(({ type, attrs: of }) => ({ type, attrs: [...of] })),
      createdMs,
      completedMs,
      ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
      ...(image === undefined ? {} : { image: { mediaType: image.mediaType, digest: image.digest, size: image.size } }),
      warnings,
      attachments: [...attachments],
      response: [...response],
      steps: [...steps],
    };
    const base = this.#base(ref);
    writeFileSync(`${base}.new`, JSON.stringify(record), { mode: 0o600 });
    renameSync(`${base}.new`, `${base}${RECORD}`);
  }

  #clear(base: string): void {
    const prefix = `${basename(base)}.`;
    for (const name of this.#names()) if (name.startsWith(prefix)) rmSync(join(this.#directory, name), { force: true });
  }

  #base(ref: string): string {
    return join(this.#directory, hexOf(digestOf(ref)));
  }

  #names(): readonly string[] {
    try {
      return readdirSync(this.#directory);
    } catch {
      return []; // nothing was ever kept
    }
  }
}

function read(base: string): EndedJob {
  const kept = v.parse(Kept, JSON.parse(readFileSync(`${base}${RECORD}`, "utf8")));
  const { ref, isPinned, frontend, attrs, exporters, createdMs, completedMs, error, response, steps } = kept;
  const { image, warnings, attachments } = kept;
  return {
    ref,
    isPinned,
    log: StatusLog.kept(`${base}${LOG}`),
    outcome: {
      attrs: new Map(attrs),
      frontend,
      exporters: exporters.map(({ type, attrs: of }) => ({ type, attrs: new Map(of) })),
      isBuild: true,
      createdMs,
      completedMs,
      error: error && { ...error, details: [] },
      response: new Map(response),
      provenance: new Map(),
      image,
      warnings,
      attachments,
      cacheManifest: undefined,
      steps: new Map(steps),
    },
  };
}
