// `tsbuild registry explain`: what configuration makes of a name, and which file decided it.

import { BuildError } from "../../../builder/core/errors.ts";
import { parseReference } from "../../../builder/core/image/reference.ts";
import { isOn, listOf } from "../../cli/flags.ts";
import { EXPLAIN_FLAGS } from "../../cli/flags/registry-flags.ts";
import { followsRegistriesConf, openRegistries } from "../../config/registries.ts";
import { reportRegistry } from "../../config/registries/registry-report.ts";
import { canonicalHost } from "../../config/registries/registry-settings.ts";
import { reportShortName } from "../../config/registries/short-names.ts";
import type { Command } from "../command.ts";
import { exactly, readArguments } from "../command.ts";
import { reportText } from "./registry-text.ts";

const USAGE = `Usage:  tsbuild registry explain [OPTIONS] IMAGE | HOST

Says how a registry is reached and which file decided it: mirrors, protocol, certificates, headers, login, proxy.
A HOST has a dot or a port in it, or a slash behind it.`;

/** The command. Exit code 0 when the name can be used, else that of what keeps it from being used. */
export const registry: Command = async (context) => {
  const [word, ...rest] = context.args;
  if (word !== "explain" && word !== "--help" && word !== "-h") {
    throw new BuildError("USAGE", `"tsbuild registry" has no command "${word ?? ""}"`, {
      hint: "See 'tsbuild registry --help': it has explain.",
    });
  }
  const args = await readArguments({ ...context, args: word === "explain" ? rest : [word] }, EXPLAIN_FLAGS, USAGE);
  if (args === undefined) return 0;
  const [text = ""] = exactly(args, 1, "registry explain", "IMAGE or HOST");
  const details = await openRegistries(context.environment, listOf(args, "insecure-registry"));
  const shortName = isHost(text)
    ? undefined
    : await reportShortName(text, details.configuration, followsRegistriesConf(context.environment));
  const report = {
    ...(await reportRegistry(nameOf(shortName?.name ?? text), details, context.environment)),
    shortName,
  };
  await context.print(isOn(args, "json") ? `${JSON.stringify(report, null, 2)}\n` : reportText(report));
  const [error] = report.errors;
  if (error === undefined) return 0;
  // The report has told it.
  context.outcome.told = true;
  throw new BuildError(error.code, error.message);
};

/** Without a slash only what cannot be an image's name is a host: "busybox:1" is an image, "quay.io" is none. */
function isHost(text: string): boolean {
  return text.endsWith("/") || (!text.includes("/") && /^(?:localhost|[^:@]*\.[^@]*|\[.*\])(?::\d+)?$/.test(text));
}

function nameOf(text: string): Parameters<typeof reportRegistry>[0] {
  if (isHost(text)) return { registry: canonicalHost(text.replace(/\/+$/, "")), repository: "" };
  const reference = parseReference(text);
  return reference.digest === undefined ? { tag: "latest", ...reference } : reference;
}
