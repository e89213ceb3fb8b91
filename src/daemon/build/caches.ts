// Where results of steps come from and go to, as clients name it: with the build, and in the frontend's attributes.

import * as v from "valibot";
import { BuildError } from "../../../builder/core/errors.ts";
import type { CacheFrom, CacheTo } from "../../../builder/cache-request.ts";
import type { Descriptor } from "../../../builder/core/image/descriptor.ts";
import { parseDigest } from "../../../builder/core/digest.ts";
import type { ClientStore } from "../../../builder/core/session.ts";
import type { ClientSession } from "../session/client-session.ts";
import { clientStore } from "../session/client-store.ts";
import { BUILD_FLAGS } from "../../cli/flags/build-flags.ts";
import { parseArguments } from "../../cli/flags.ts";
import type { Caches } from "../../commands/build/caches.ts";
import { readCaches } from "../../commands/build/caches.ts";
import type { Environment } from "../../config/environment.ts";

/** A cache as the API has it. */
export interface CacheEntry {
  readonly type: string;
  readonly attrs: ReadonlyMap<string, string>;
}

/** What comes with a build beside its attributes. */
export interface AskedCaches {
  readonly imports: readonly CacheEntry[];
  readonly exports: readonly CacheEntry[];
}

const Imports = v.array(v.object({ Type: v.string(), Attrs: v.nullish(v.record(v.string(), v.string()), {}) }));

/** What caches are read with. */
export interface CacheWorld {
  readonly session: ClientSession | undefined;
  readonly signal: AbortSignal;
  readonly environment: Environment;
  /** Told of the manifest of a cache that the client keeps. */
  readonly onClientCache: (manifest: Descriptor) => void;
}

/**
 * The caches of a build, each once. Who this daemon is to AWS and Azure its own environment says, as BuildKit has it, where
 * a client names no keys; a job of GitHub Actions is the client's. Throws `USAGE`, `UNSUPPORTED`, `CONFIG`.
 */
export async function cachesOf(
  { imports, exports }: AskedCaches,
  attrs: ReadonlyMap<string, string>,
  buildArgs: ReadonlyMap<string, string>,
  world: CacheWorld,
): Promise<Caches> {
  const [ownFrom, from] = split([...imports, ...importsOf(attrs)]);
  const [ownTo, to] = split(exports.map(withoutMeaningless));
  const words = [...from.map((one) => wordOf("--cache-from", one)), ...to.map((one) => wordOf("--cache-to", one))];
  const own = Object.fromEntries(Object.entries(world.environment).filter(([name]) => !name.startsWith("ACTIONS_")));
  const others = await readCaches(parseArguments(BUILD_FLAGS, [...new Set(words)]), buildArgs, own);
  const clients = await Promise.all(ownTo.map((one) => clientCacheTo(one, world)));
  return {
    ...others,
    cacheFrom: [...others.cacheFrom, ...ownFrom.map((one) => clientCacheFrom(one, world))],
    cacheTo: [...others.cacheTo, ...clients],
  };
}

/** buildctl gives every cache a mode; what goes into the image itself has none. */
function withoutMeaningless({ type, attrs }: CacheEntry): CacheEntry {
  return { type, attrs: type === "inline" ? new Map([...attrs].filter(([key]) => key !== "mode")) : attrs };
}

/** Folders are the client's: one of this machine is not the client's to name. */
function split(entries: readonly CacheEntry[]): readonly [readonly CacheEntry[], readonly CacheEntry[]] {
  const isOwn = ({ type }: CacheEntry): boolean => type === "local";
  return [entries.filter(isOwn), entries.filter((one) => !isOwn(one))];
}

/** The client has looked the digest up in its folder. */
function clientCacheFrom({ attrs }: CacheEntry, world: CacheWorld): CacheFrom {
  const digest = attrs.get("digest");
  if (digest === undefined) throw new BuildError("USAGE", "--cache-from: type=local needs a digest");
  return { type: "client", store: storeOf(attrs.get("src"), world), digest: parseDigest(digest) };
}

async function clientCacheTo({ attrs }: CacheEntry, world: CacheWorld): Promise<CacheTo> {
  const entry = { type: "local", attrs: new Map([...attrs, ["dest", "/client"]]) };
  const { cacheTo } = await readCaches(parseArguments(BUILD_FLAGS, [wordOf("--cache-to", entry)]), new Map(), {});
  const look = cacheTo.find((one) => one.type === "local");
  if (look === undefined) throw new BuildError("INTERNAL", "a cache of a folder is none");
  if (look.mounts === "max")
    throw new BuildError("UNSUPPORTED", "--cache-to: mounts=max is not offered for a folder of a remote client", {
      hint: "use type=registry",
    });
  const { path: _path, tag: _tag, type: _type, ...rest } = look;
  return { ...rest, type: "client", store: storeOf(attrs.get("dest"), world), onWritten: world.onClientCache };
}

function storeOf(folder: string | undefined, { session, signal }: CacheWorld): ClientStore {
  if (folder === undefined || folder === "") throw new BuildError("USAGE", "a cache of type=local names no folder");
  if (session === undefined) throw new BuildError("USAGE", "a cache of type=local needs a session of the client");
  return clientStore(session, `local:${folder}`, signal);
}

function importsOf(attrs: ReadonlyMap<string, string>): readonly CacheEntry[] {
  const references = (attrs.get("cache-from") ?? "").split(",").filter((text) => text !== "");
  const old = references.map((ref) => ({ type: "registry", attrs: new Map([["ref", ref]]) }));
  const text = attrs.get("cache-imports") ?? "";
  if (text === "") return old;
  let written: unknown;
  try {
    written = JSON.parse(text);
  } catch (cause) {
    throw new BuildError("USAGE", "cache-imports is no JSON", { cause });
  }
  const entries = v.safeParse(Imports, written);
  if (!entries.success) throw new BuildError("USAGE", "cache-imports is not a list of caches");
  return [
    ...old,
    ...entries.output.map(({ Type, Attrs }) => ({ type: Type, attrs: new Map(Object.entries(Attrs ?? {})) })),
  ];
}

/** In the grammar of the command line. */
function wordOf(flag: string, { type, attrs }: CacheEntry): string {
  const fields = [`type=${type}`, ...[...attrs].map(([key, value]) => `${key}=${value}`)];
  return `${flag}=${fields.map((field) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(",")}`;
}
