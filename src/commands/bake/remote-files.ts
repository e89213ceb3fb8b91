// Definitions that lie elsewhere, brought here by whoever builds: a build whose result are these files. So a repository or
// a URL is reached as a context is, with the same logins, and from the same machine.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { BuildError } from "../../../builder/core/errors.ts";
import { DEFAULT_NAMES, readFilesIn } from "../../bake/files.ts";
import type { SourceFile } from "../../bake/hcl/source.ts";
import type { GitLogin, RemoteInput } from "../../bake/remote.ts";
import { folderOfRepository, gitLogin, isRepository } from "../../bake/remote.ts";
import type { Target } from "../../bake/target.ts";
import type { Arguments } from "../../cli/flags.ts";
import { builderAt } from "../build/builder-at.ts";
import type { CommandContext } from "../command.ts";
import { showBefore } from "../shown-events.ts";
import { progressMode } from "../build/build.ts";
import { readBuilds } from "./request.ts";

/** The files of a definition, and where it lies, until that is disposed of. */
export interface FoundDefinition extends Disposable {
  readonly files: readonly SourceFile[];
  /** Undefined when its paths are this machine's: it lies here, or at a URL by itself. */
  readonly input: RemoteInput | undefined;
}

/** Fetches the files of these names, else the usual ones. Throws `INPUT_MISSING`, and what a build throws. */
export async function fetchDefinition(
  context: CommandContext,
  args: Arguments,
  { url, names }: { readonly url: string; readonly names: readonly string[] },
): Promise<FoundDefinition> {
  using held = new DisposableStack();
  const folder = held.adopt(mkdtempSync(join(tmpdir(), "tsbuild-bake-")), (path) =>
    rmSync(path, { recursive: true, force: true }),
  );
  const fetching = { context, args, url, folder };
  const found = isRepository(url) ? await repositoryFiles(fetching, names) : await urlFiles(fetching, names);
  const kept = held.move();
  return { ...found, [Symbol.dispose]: () => kept.dispose() };
}

type Found = Omit<FoundDefinition, typeof Symbol.dispose>;

/** Where to fetch from, and a folder for what comes. */
interface Fetching {
  readonly context: CommandContext;
  readonly args: Arguments;
  readonly url: string;
  readonly folder: string;
}

async function repositoryFiles(fetching: Fetching, names: readonly string[]): Promise<Found> {
  const login = gitLogin(fetching.url, fetching.context.environment);
  const to = join(fetching.folder, "files");
  await bring(fetching, to, copying(names), login);
  const at = (path: string): string => folderOfRepository(fetching.url, path);
  return { files: await readFilesIn(to, names), input: { at, shownAt: at, login } };
}

async function urlFiles(fetching: Fetching, names: readonly string[]): Promise<Found> {
  const to = join(fetching.folder, "file");
  await bring(fetching, to, [copyLine(["context"], "/")]);
  const { isArchive } = await import("../../../builder/archive.ts");
  if (!isArchive(join(to, "context"))) {
    const [file] = await readFilesIn(to, ["context"]);
    return { files: file === undefined ? [] : [{ ...file, name: fetching.url }], input: undefined };
  }
  const folder = join(fetching.folder, "tree");
  await bring(fetching, folder, ["COPY . /"]);
  const input = { at: (path: string) => join(folder, path), shownAt: () => "", folder };
  return { files: await readFilesIn(folder, names), input };
}

/** Has the files written to a folder. What is asked for by name may be missing: whoever reads says so. */
async function bring(
  { context, args, url, folder }: Fetching,
  to: string,
  lines: readonly string[],
  login?: GitLogin,
): Promise<void> {
  const takesAll = lines.includes("COPY . /");
  const target: Target = {
    context: takesAll ? url : mkdtempSync(join(folder, "empty-")),
    "dockerfile-inline": ["FROM scratch", ...lines, ""].join("\n"),
    output: [new Map(Object.entries({ dest: to, type: "local" }))],
    attest: [],
    ...(takesAll ? {} : { contexts: new Map([[DEFINITION, url]]) }),
    ...(login === undefined ? {} : { secret: [...login.secrets].map(([id, env]) => ({ id, src: "", env })) }),
    ...(login?.usesSsh === true ? { ssh: [{ id: "default", paths: login.sshPaths }] } : {}),
  };
  const builder = await builderAt(args, context.environment);
  await showBefore(context, progressMode(args, context.environment), async (events) => {
    const selection = { groups: new Map(), targets: new Map([[DEFINITION, target]]), linked: new Set<string>() };
    const builds = await readBuilds({ context, args, selection, linkPath: (name) => name, events });
    for (const { request } of builds) await builder.build({ ...request, isInternal: true }, context.signal);
  });
}

const DEFINITION = "definition";

/** A pattern that matches nothing copies nothing, so that what is not there is no failure of the build. */
function copying(names: readonly string[]): readonly string[] {
  if (names.length === 0) return [copyLine(DEFAULT_NAMES.map(patternOf), "/")];
  return names.map((name) => {
    if (/[\r\n]/.test(name)) throw new BuildError("USAGE", "the name of a definition in a repository is one line");
    return copyLine([patternOf(name)], posix.join("/", posix.dirname(name), "/"));
  });
}

/** Matches that name alone. */
function patternOf(name: string): string {
  const [last = ""] = [...name].slice(-1);
  return `${name.slice(0, name.length - last.length).replaceAll(/[[\]*?\\]/g, (each) => `\\${each}`)}[${last}]`;
}

function copyLine(from: readonly string[], to: string): string {
  const words = [...from, to].map((word) => word.replaceAll(/[$\\]/g, (each) => `\\${each}`));
  return `COPY --from=${DEFINITION} ${JSON.stringify(words)}`;
}
