// `tsbuild bake`: the targets of definition files, printed, listed or built all at once.

import { hostPlatform, formatPlatform } from "../../../builder/core/image/platform.ts";
import { parseVariables, readDefinition } from "../../bake/definition.ts";
import { parseEntitlements } from "../../bake/entitlements.ts";
import { definitionNames, namesBySide, readDefinitions } from "../../bake/files.ts";
import { readOverrides } from "../../bake/overrides.ts";
import { parseList, printed, targetList, variableList } from "../../bake/print.ts";
import type { BakeWords } from "../../bake/remote.ts";
import { atInput, bakeWords } from "../../bake/remote.ts";
import { select } from "../../bake/resolve.ts";
import type { Selection } from "../../bake/resolve.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import { mayNeedNamespace } from "../../../builder/namespace.ts";
import { BAKE_FLAGS } from "../../cli/flags/bake-flags.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import { progressMode } from "../build/build.ts";
import type { Command, CommandContext } from "../command.ts";
import { readArguments } from "../command.ts";
import type { FoundDefinition } from "./remote-files.ts";

const USAGE = `Usage:  tsbuild bake [OPTIONS] [URL [CONTEXT-URL]] [TARGET...]

Builds the targets of docker-bake.hcl, docker-bake.json or compose files, all at once.`;

/** The command. Nothing is begun before everything that is asked for is understood. */
export const bake: Command = async (context) => {
  const args = await readArguments(context, BAKE_FLAGS, USAGE);
  if (args === undefined) return 0;
  const list = textOf(args, "list");
  if (list !== undefined && isOn(args, "print"))
    throw new BuildError("USAGE", "--print and --list are mutually exclusive");
  const listed = list === undefined ? undefined : parseList(list);
  const words = bakeWords(args.positionals);
  using found = await findDefinition(context, args, words);
  const { input } = found;
  const read = await readDefinition(found.files, {
    environment: context.environment,
    variables: parseVariables(listOf(args, "var")),
    builtins: new Map([
      ["BAKE_CMD_CONTEXT", words.commandContext],
      ["BAKE_LOCAL_PLATFORM", formatPlatform(hostPlatform())],
    ]),
    now: Date.now,
  });
  for (const note of read.ignored) process.stderr.write(`WARNING: ${note}\n`);
  if (listed !== undefined) {
    const text =
      listed.type === "targets" ? targetList(read.definition, listed.format) : variableList(read.scope, listed.format);
    await context.print(text);
    return 0;
  }
  const asked = words.targets.length === 0 ? ["default"] : words.targets;
  const overrides = readOverrides(overridesOf(args), read.definition.targets.keys(), context.environment);
  const at = isOn(args, "print") ? input?.shownAt : input?.at;
  const selection = withEpoch(select(read.definition, asked, { overrides, at }), context);
  if (isOn(args, "print")) {
    const { checkTargets } = await import("./check.ts");
    parseEntitlements(listOf(args, "allow"), context.environment);
    progressMode(args, context.environment);
    await checkTargets(selection.targets, context.environment);
    await context.print(printed(selection));
    return 0;
  }
  const { buildTargets } = await import("./build.ts");
  return await buildTargets(context, args, input === undefined ? selection : atInput(selection, input), input?.folder);
};

/** The files of the definition: here, or where a URL says, with those that are said to be here. */
async function findDefinition(context: CommandContext, args: Arguments, { url }: BakeWords): Promise<FoundDefinition> {
  const { openStdin } = await import("../stdin.ts");
  const stdin = openStdin("the bake definition", mayNeedNamespace());
  const { environment } = context;
  const names = definitionNames(listOf(args, "file"), environment);
  if (url === undefined)
    return { files: await readDefinitions(names, stdin), input: undefined, [Symbol.dispose]: () => undefined };
  const { fetchDefinition } = await import("./remote-files.ts");
  const { there, here } = namesBySide(names);
  const remote = await fetchDefinition(context, args, { url, names: there });
  const files = here.length === 0 ? [] : await readDefinitions(here, stdin);
  return { ...remote, files: [...remote.files, ...files] };
}

/** Flags that are about every target are overrides of all. */
function overridesOf(args: Arguments): readonly string[] {
  const all = [...listOf(args, "set")];
  if (isOn(args, "push")) all.push("*.push=true");
  if (isOn(args, "load")) all.push("*.load=true");
  for (const name of ["no-cache", "pull"]) {
    const value = textOf(args, name);
    if (value !== undefined) all.push(`*.${name}=${value}`);
  }
  const call = isOn(args, "check") ? "check" : textOf(args, "call")?.split(",", 1)[0];
  if (call !== undefined && call !== "" && call !== "build") all.push(`*.call=${call === "check" ? "lint" : call}`);
  for (const type of ["sbom", "provenance"]) {
    const value = textOf(args, type);
    if (value) all.push(`*.attest=${attestOverride(type, value)}`);
  }
  return all;
}

function attestOverride(type: string, value: string): string {
  if (/^(1|t|true)$/i.test(value)) return `type=${type},disabled=false`;
  if (/^(0|f|false)$/i.test(value)) return `type=${type},disabled=true`;
  return `type=${type},${value}`;
}

/** SOURCE_DATE_EPOCH of the environment is an argument of each target that does not set one. */
function withEpoch(selection: Selection, { environment }: CommandContext): Selection {
  const epoch = environment["SOURCE_DATE_EPOCH"];
  if (!epoch) return selection;
  const targets = [...selection.targets].map(([name, target]) => {
    if (target.args?.has("SOURCE_DATE_EPOCH") === true) return [name, target] as const;
    return [name, { ...target, args: new Map([...(target.args ?? []), ["SOURCE_DATE_EPOCH", epoch]]) }] as const;
  });
  return { ...selection, targets: new Map(targets) };
}
