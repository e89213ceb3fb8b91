// A cache in GitHub's cache service: entries can be written once, so that the document of a scope is the newest one of
// those with numbers behind its key.

import { setTimeout as sleep } from "node:timers/promises";
import type { Digest } from "../../core/digest.ts";
import { digestOf } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { ActionsAccess, ActionsEntry } from "../../transport/cloud/actions-cache.ts";
import { ActionsCache } from "../../transport/cloud/actions-cache.ts";
import { listActionsKeys } from "../../transport/cloud/actions-keys.ts";
import type { ActionsRepository } from "../../transport/cloud/actions-keys.ts";
import type { HttpClient } from "../../transport/registry/http/http.ts";
import type { CacheBucket } from "./bucket.ts";
import { DOCUMENT_BYTES } from "./bucket.ts";

export interface ActionsCacheOptions extends ActionsAccess {
  /** What sets caches of one repository apart. */
  readonly scope: string;
  /** Whose entries may be listed at once; absent: each blob is asked for. */
  readonly repository?: ActionsRepository;
}

/** While another job writes the same document, for so long it is waited for; it may have died. */
const BLOCKED_MS = 15_000;
const PAUSE_MS = 2000;
const BLOB_PREFIX = "buildkit-blob-1-";

/** Throws `CONFIG` for a token that is none, and outside of a job. */
export function openActionsCache(options: ActionsCacheOptions, http: HttpClient): CacheBucket {
  if (options.url === "" || options.token === "")
    throw new BuildError("CONFIG", "this is no job of GitHub Actions: nothing names its cache service and a token", {
      hint: "set ACTIONS_RESULTS_URL and ACTIONS_RUNTIME_TOKEN (crazy-max/ghaction-github-runtime does), or url= and token=",
    });
  const cache = new ActionsCache(options, http);
  const name = `the cache of GitHub Actions (scope ${options.scope})`;
  const keyOf = (digest: Digest): string => BLOB_PREFIX + digest;
  /** An entry of exactly this key: the service looks for those that begin with it. */
  const find = async (key: string, signal: AbortSignal): Promise<ActionsEntry | undefined> => {
    const found = await cache.find(key, signal);
    return found?.key === key ? found : undefined;
  };
  let listed: Promise<ReadonlySet<string> | undefined> | undefined;
  const known = (signal: AbortSignal): Promise<ReadonlySet<string> | undefined> =>
    (listed ??= listKeys(options, cache, http, signal));
  // Asked for right before it is read: the URL of an entry holds for a while only.
  const open = async function* (digest: Digest, from: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const entry = await find(keyOf(digest), signal);
    if (entry === undefined) throw new BuildError("INPUT_MISSING", `there is no ${digest} in ${name}`);
    yield* cache.open(entry, from, signal);
  };
  return {
    name,
    documents: async (signal) => {
      // The job's own branch first.
      const scopes = cache.scopes.toSorted((a, b) => Number(b.canWrite) - Number(a.canWrite));
      const read = scopes.map(async (scope) => {
        const entry = await cache.find(indexKey(options.scope, scope.name), signal);
        return entry === undefined ? undefined : await cache.read(entry, DOCUMENT_BYTES, signal);
      });
      return (await Promise.all(read)).filter((bytes) => bytes !== undefined);
    },
    blob: (descriptor, signal) => open(descriptor.digest, 0, signal),
    blobFrom: (descriptor, from, signal) => open(descriptor.digest, from, signal),
    has: async ({ digest }, signal) => {
      const keys = await known(signal);
      return keys?.has(keyOf(digest)) ?? (await find(keyOf(digest), signal)) !== undefined;
    },
    putBlob: async (descriptor, openBlob, signal) => {
      await cache.save(keyOf(descriptor.digest), { sizeBytes: descriptor.size, open: openBlob }, signal);
    },
    putDocument: async (bytes, signal) => {
      const scope = cache.scopes.findLast(({ canWrite }) => canWrite)?.name ?? "";
      await saveNumbered(cache, indexKey(options.scope, scope), bytes, signal);
    },
    [Symbol.asyncDispose]: async () => http.close(),
  };
}

function indexKey(scope: string, branch: string): string {
  return `index-${scope}-1-${digestOf(branch).slice("sha256:".length).slice(0, 8)}`;
}

/** Undefined where they cannot be listed: then each one is asked for. */
async function listKeys(
  { repository }: ActionsCacheOptions,
  { scopes }: ActionsCache,
  http: HttpClient,
  signal: AbortSignal,
): Promise<ReadonlySet<string> | undefined> {
  if (repository === undefined) return undefined;
  try {
    const lists = scopes.map(({ name }) => listActionsKeys(repository, BLOB_PREFIX, name, http, signal));
    return new Set((await Promise.all(lists)).flat());
  } catch (error) {
    if (signal.aborted) throw error;
    return undefined;
  }
}

/** Writes "key#N" with the number after the newest one; a number that another job has taken and not written is left out. */
async function saveNumbered(cache: ActionsCache, key: string, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  const whole = { sizeBytes: bytes.length, open: () => once(bytes) };
  let taken = 0;
  for (let waitedMs = 0; ;) {
    const newest = await cache.find(`${key}#`, signal);
    const number = Number(/#(\d+)$/.exec(newest?.key ?? "#0")?.[1] ?? 0);
    const next = Math.max(number, taken) + 1;
    if (await cache.save(`${key}#${next}`, whole, signal)) return;
    if (waitedMs >= BLOCKED_MS) {
      taken = next;
      continue;
    }
    await sleep(PAUSE_MS, undefined, { signal });
    waitedMs += PAUSE_MS;
  }
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
