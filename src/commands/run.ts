// `tsbuild run`: a look into an image. Its exit code is the program's.

import { asBuildError, BuildError } from "../../builder/core/errors.ts";
import { NamespaceNeeded } from "../../builder/core/namespace.ts";
import { hostPlatform, parsePlatform } from "../../builder/core/platform.ts";
import { excerpt } from "../cli/error-text.ts";
import { parseExtraHosts } from "../cli/extra-host-spec.ts";
import { isOn, listOf, textOf } from "../cli/flags.ts";
import { parseAssignments } from "../cli/key-value.ts";
import { RUN_FLAGS } from "../cli/run-flags.ts";
import { localRegistries } from "../config/registries.ts";
import { localSession } from "../config/session.ts";
import { openDisplay } from "../progress/display.ts";
import { definedOnly, driver, networkMode, snapshotter } from "./build-request.ts";
import type { Command } from "./command.ts";
import { readArguments, rootOf } from "./command.ts";

const USAGE = `Usage:  tsbuild run [OPTIONS] IMAGE [COMMAND] [ARG...]

Runs a program in an image, in the same sandbox as RUN. What it writes is gone when it ends.`;

/** The command. Flags end at the image: what follows is the program's. */
export const run: Command = async (context) => {
  const { environment, outcome } = context;
  const args = await readArguments(context, RUN_FLAGS, USAGE, { interspersed: false });
  if (args === undefined) return 0;
  const [image, ...command] = args.positionals;
  if (image === undefined) {
    throw new BuildError("USAGE", '"tsbuild run" requires at least 1 argument (IMAGE)', {
      hint: "See 'tsbuild run --help'.",
    });
  }
  const tty = isOn(args, "tty");
  if (tty && !process.stdin.isTTY) throw new BuildError("USAGE", "-t: standard input is not a terminal");

  const display = await openDisplay({
    mode: "auto",
    stream: process.stderr,
    colours: !environment["NO_COLOR"],
    debug: outcome.debug,
    now: Date.now,
    excerpt,
  });
  const entrypoint = textOf(args, "entrypoint");
  const { router, credentials, expandName } = localRegistries(environment, listOf(args, "insecure-registry"));
  try {
    const { runImage } = await import("../../builder/run.ts");
    const result = await runImage(
      {
        root: rootOf(context, args),
        image,
        platform: textOf(args, "platform") ? parsePlatform(textOf(args, "platform") ?? "") : hostPlatform(),
        command: command.length === 0 ? undefined : command,
        entrypoint: entrypoint === undefined ? undefined : entrypoint === "" ? [] : [entrypoint],
        env: parseAssignments(listOf(args, "env"), "--env", environment),
        user: textOf(args, "user") || undefined,
        workdir: textOf(args, "workdir") || undefined,
        network: networkMode(textOf(args, "network")),
        extraHosts: listOf(args, "add-host").flatMap(parseExtraHosts),
        interactive: isOn(args, "interactive"),
        tty,
        requireSandbox: driver(textOf(args, "require-sandbox")),
        snapshotter: snapshotter(textOf(args, "snapshotter")),
        session: await localSession({ secrets: [], ssh: [], environment, credentials }),
        router,
        expandName,
        events: display.sink,
        now: Date.now,
        environment: definedOnly(environment),
      },
      // The program is about to have the terminal for itself.
      () => display.close(),
      context.signal,
    );
    return result.exitCode;
  } catch (error) {
    if (!(error instanceof NamespaceNeeded)) display.close(asBuildError(error));
    throw error;
  }
};
