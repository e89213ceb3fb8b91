// Builds the targets of a bake: all at once, each when those that it is built on are there, in one process and on one
// display.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BuildError } from "../../../builder/core/errors.ts";
import type { WarningEvent } from "../../../builder/core/events.ts";
import type { BuildResult } from "../../../builder/request.ts";
import { parseEntitlements, requireEntitled } from "../../bake/entitlements.ts";
import type { Selection } from "../../bake/resolve.ts";
import { linksOf } from "../../bake/words.ts";
import { readBoolean } from "../../cli/values/booleans.ts";
import type { Arguments } from "../../cli/flags.ts";
import { listOf, textOf } from "../../cli/flags.ts";
import { failureMetadata, imageIdOf, metadata, resultLines, writeWhole } from "../build/result.ts";
import type { BuilderAt } from "../build/builder-at.ts";
import { builderAt } from "../build/builder-at.ts";
import type { TargetBuild } from "./request.ts";
import { named, readBuilds } from "./request.ts";
import { progressMode } from "../build/build.ts";
import type { CommandContext } from "../command.ts";
import { closeFailed, closeShown, showEvents } from "../shown-events.ts";

/**
 * Builds, writes what is asked for and returns the exit code. `unpacked` is a folder that came with the definition.
 * Throws what the first target fails with.
 */
export async function buildTargets(
  context: CommandContext,
  args: Arguments,
  selection: Selection,
  unpacked?: string,
): Promise<number> {
  const mode = progressMode(args, context.environment);
  const own = unpacked === undefined ? [] : [unpacked];
  requireEntitled(selection.targets, parseEntitlements(listOf(args, "allow"), context.environment, own));
  const builder = await builderAt(args, context.environment);
  const warnings: WarningEvent[] = [];
  const shown = await showEvents(context, mode, (event) => {
    if (event.kind === "warning") warnings.push(event);
  });
  using links = new LinkFolder();
  try {
    const builds = await readBuilds({
      context,
      args,
      selection,
      linkPath: (name) => links.path(name),
      events: shown.events.sink,
    });
    if (builds.filter(({ usesStdout }) => usesStdout).length > 1)
      throw new BuildError("USAGE", "only one output of all targets can go to standard output");
    if (builds.some(({ target }) => target.call !== undefined && target.call !== "build")) {
      const { callTargets } = await import("./call.ts");
      return await callTargets({
        context,
        args,
        selection,
        builds,
        shown,
        builder,
      });
    }
    const results = await buildAll(builds, builder, context.signal);
    closeShown(shown);
    await report(context, args, results, { warnings, quiet: mode === "quiet" });
    return 0;
  } catch (error) {
    const failure = closeFailed(context, shown, error);
    const file = textOf(args, "metadata-file");
    if (file) await writeWhole(file, `${JSON.stringify(failureMetadata(failure), null, 2)}\n`).catch(() => undefined);
    throw failure;
  }
}

/** Where targets leave what others are built on. */
class LinkFolder implements Disposable {
  #folder: string | undefined;

  path(target: string): string {
    this.#folder ??= mkdtempSync(join(tmpdir(), "tsbuild-bake-"));
    return join(this.#folder, target);
  }

  [Symbol.dispose](): void {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Each begins when those below it have ended; the first failure ends all. */
async function buildAll(
  builds: readonly TargetBuild[],
  builder: BuilderAt,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, BuildResult>> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const running = new Map<string, Promise<BuildResult>>();
  const byName = new Map(builds.map((build) => [build.name, build]));
  const begin = (name: string): Promise<BuildResult> => {
    const known = running.get(name);
    if (known !== undefined) return known;
    const build = byName.get(name);
    if (build === undefined) throw new BuildError("INTERNAL", `target "${name}" is not among those to be built`);
    const work = (async () => {
      await Promise.all(linksOf(build.target).map(begin));
      either.throwIfAborted();
      return await named(builds.length > 1 ? name : undefined, () => builder.build(build.request, either));
    })();
    running.set(name, work);
    return work;
  };
  let first: { readonly error: unknown } | undefined;
  await Promise.all(
    builds.map(({ name }) =>
      begin(name).catch((error: unknown) => {
        first ??= { error };
        stop.abort(new BuildError("CANCELLED", "another target failed"));
      }),
    ),
  );
  if (first !== undefined) throw first.error;
  return new Map(await Promise.all([...running].map(async ([name, work]) => [name, await work] as const)));
}

async function report(
  context: CommandContext,
  args: Arguments,
  results: ReadonlyMap<string, BuildResult>,
  { warnings, quiet }: { readonly warnings: readonly WarningEvent[]; readonly quiet: boolean },
): Promise<void> {
  const sorted = [...results].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const file = textOf(args, "metadata-file");
  if (file) {
    const all: Record<string, unknown> = Object.fromEntries(
      sorted.map(([name, result]) => [name, metadata(result, [])]),
    );
    if (warnings.length > 0 && readBoolean(context.environment["BUILDX_METADATA_WARNINGS"] ?? "") === true) {
      const { vertexWarning } = await import("../../progress/rawjson.ts");
      all["buildx.build.warnings"] = warnings.map(vertexWarning);
    }
    await writeWhole(file, `${JSON.stringify(all, null, 2)}\n`);
  }
  for (const [name, result] of sorted) {
    const id = imageIdOf(result);
    const text = quiet ? (id === undefined ? "" : `${id}\n`) : resultLines(result);
    // Standard error, so that an output on standard output stays what it is.
    if (text !== "") process.stderr.write(sorted.length > 1 && !quiet ? `${name}\n${text}` : text);
  }
}
