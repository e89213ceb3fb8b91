// Where results of steps come from and go to, as clients name it: with the build, and in the frontend's attributes.

import * as v from "valibot";
import { BuildError } from "../../../builder/core/errors.ts";
import { BUILD_FLAGS } from "../../cli/build-flags.ts";
import { parseArguments } from "../../cli/flags.ts";
import type { Caches } from "../../commands/build-caches.ts";
import { readCaches } from "../../commands/build-caches.ts";
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

/**
 * The caches of a build, each once. Who this daemon is to AWS and Azure its own environment says, as BuildKit has it, where
 * a client names no keys; a job of GitHub Actions is the client's. Throws `USAGE`, `UNSUPPORTED`, `CONFIG`.
 */
export async function cachesOf(
  { imports, exports }: AskedCaches,
  attrs: ReadonlyMap<string, string>,
  buildArgs: ReadonlyMap<string, string>,
  environment: Environment,
): Promise<Caches> {
  const from = [...imports, ...importsOf(attrs)].map((entry) => wordOf("--cache-from", entry));
  const to = exports.map((entry) => wordOf("--cache-to", entry));
  const own = Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("ACTIONS_")));
  return await readCaches(parseArguments(BUILD_FLAGS, [...new Set([...from, ...to])]), buildArgs, own);
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

/** In the grammar of the command line. A folder would be one of this machine: that is not the client's to name. */
function wordOf(flag: string, { type, attrs }: CacheEntry): string {
  if (type === "local")
    throw new BuildError("UNSUPPORTED", `${flag}: type=local of a client is not offered by this daemon yet`, {
      hint: "use type=registry, or type=inline",
    });
  const fields = [`type=${type}`, ...[...attrs].map(([key, value]) => `${key}=${value}`)];
  return `${flag}=${fields.map((field) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(",")}`;
}
