// `tsbuild run`: a look into an image. Its exit code is the program's.

import { readFile } from "node:fs/promises";
import { statSync } from "node:fs";
import { isIP } from "node:net";
import { asBuildError, BuildError } from "../../../builder/core/errors.ts";
import { NamespaceNeeded } from "../../../builder/core/system/namespace.ts";
import type { RunRequest } from "../../../builder/run-request.ts";
import { parseEnvFile } from "../../cli/values/env-file.ts";
import { excerpt } from "../../cli/error-text.ts";
import { parseExtraHosts } from "../../cli/values/extra-host-spec.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import { parseSettings } from "../../cli/values/key-value.ts";
import { IMAGE_NAMES } from "../../cli/flags/image-flags.ts";
import type { MountSpec } from "../../cli/values/mount-spec.ts";
import { parseMount, parseTmpfs, parseVolume } from "../../cli/values/mount-spec.ts";
import { RUN_FLAGS } from "../../cli/flags/run-flags.ts";
import { parseSize } from "../../cli/values/sizes.ts";
import { parseUlimit } from "../../cli/values/ulimit-spec.ts";
import type { Environment } from "../../config/environment.ts";
import { coloursAsked, openDisplay } from "../../progress/display.ts";
import { networkMode, snapshotter } from "../build/request.ts";
import type { Command } from "../command.ts";
import { readArguments } from "../command.ts";
import { imageRequest, pullPolicy } from "../images/image-request.ts";
import { sandbox } from "../sandbox.ts";

const USAGE = `Usage:  tsbuild run [OPTIONS] IMAGE [COMMAND] [ARG...]

Runs a program in an image, in the same sandbox as RUN. What it writes is gone when it ends.
${IMAGE_NAMES}
A name that is not in the local store is pulled.`;

const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;
/** docker run's code for whatever fails before the program runs. */
const NOT_THE_PROGRAM = 125;

/** The command. Flags end at the image: what follows is the program's. */
export const run: Command = async (context) => {
  const { environment, outcome } = context;
  outcome.ownFailure = NOT_THE_PROGRAM;
  const args = await readArguments(context, RUN_FLAGS, USAGE, { interspersed: false });
  if (args === undefined) return 0;
  const [image, ...command] = args.positionals;
  if (image === undefined) {
    throw new BuildError("USAGE", '"tsbuild run" requires at least 1 argument (IMAGE)', {
      hint: "See 'tsbuild run --help'.",
    });
  }
  checkKept(args);
  const display = await openDisplay({
    mode: isOn(args, "quiet") ? "none" : "auto",
    stream: process.stderr,
    colours: coloursAsked(environment),
    debug: outcome.debug,
    now: Date.now,
    excerpt,
  });
  try {
    const request: RunRequest = {
      ...(await imageRequest(context, args, image, pullPolicy(textOf(args, "pull")), display.sink)),
      ...processOf(args, command, await environmentOf(args, environment)),
      ...sandboxOf(args),
      interactive: isOn(args, "interactive"),
      terminal: terminalOf(args, environment),
      signals: context.signals,
    };
    const { runImage } = await import("../../../builder/run.ts");
    // The program is about to have the terminal for itself.
    const result = await runImage(request, () => display.close(), context.signal);
    return result.exitCode;
  } catch (error) {
    if (!(error instanceof NamespaceNeeded)) display.close(asBuildError(error));
    throw error;
  }
};

type ProcessWishes = Pick<
  RunRequest,
  "command" | "entrypoint" | "env" | "user" | "groups" | "workdir" | "capAdd" | "capDrop" | "privileged" | "ulimits"
>;

function processOf(args: Arguments, command: readonly string[], env: RunRequest["env"]): ProcessWishes {
  const entrypoint = textOf(args, "entrypoint");
  const workdir = textOf(args, "workdir") || undefined;
  if (workdir !== undefined && !workdir.startsWith("/"))
    throw new BuildError("USAGE", `--workdir "${workdir}": the working directory must be an absolute path`);
  return {
    command: command.length === 0 ? undefined : command,
    entrypoint: entrypoint === undefined ? undefined : entrypoint === "" ? [] : [entrypoint],
    env,
    user: textOf(args, "user") || undefined,
    groups: listOf(args, "group-add"),
    workdir,
    capAdd: listOf(args, "cap-add"),
    capDrop: listOf(args, "cap-drop"),
    privileged: isOn(args, "privileged"),
    ulimits: listOf(args, "ulimit").map(parseUlimit),
  };
}

type SandboxWishes = Pick<
  RunRequest,
  | "mounts"
  | "readOnly"
  | "shmSizeBytes"
  | "cgroupParent"
  | "network"
  | "hostname"
  | "extraHosts"
  | "dns"
  | "requireSandbox"
  | "snapshotter"
>;

function sandboxOf(args: Arguments): SandboxWishes {
  return {
    mounts: mountsOf(args),
    readOnly: isOn(args, "read-only"),
    shmSizeBytes: parseSize(textOf(args, "shm-size") || String(DEFAULT_SHM_BYTES), "--shm-size"),
    cgroupParent: textOf(args, "cgroup-parent") ?? "",
    network: networkMode(textOf(args, "network") ?? textOf(args, "net")),
    hostname: hostnameOf(textOf(args, "hostname")),
    extraHosts: listOf(args, "add-host").flatMap(parseExtraHosts),
    dns: {
      servers: listOf(args, "dns").map(nameServer),
      options: listOf(args, "dns-option").filter((option) => option !== ""),
      search: listOf(args, "dns-search").filter((domain) => domain !== "."),
    },
    requireSandbox: sandbox(textOf(args, "require-sandbox")),
    snapshotter: snapshotter(textOf(args, "snapshotter")),
  };
}

function mountsOf(args: Arguments): readonly MountSpec[] {
  const binds = [...listOf(args, "volume").map(parseVolume), ...listOf(args, "mount").map(parseMount)];
  for (const mount of binds) {
    if (mount.kind === "bind" && statSync(mount.source, { throwIfNoEntry: false }) === undefined)
      throw new BuildError("USAGE", `cannot mount "${mount.source}" on "${mount.target}": it is not there`);
  }
  return [...listOf(args, "tmpfs").map(parseTmpfs), ...binds];
}

/** Files first, as docker has it: what stands in `-e` wins. */
async function environmentOf(args: Arguments, environment: Environment): Promise<Map<string, string | undefined>> {
  const lines: string[] = [];
  for (const path of listOf(args, "env-file")) {
    const text = await readFile(path, "utf8").catch((cause: unknown) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new BuildError("USAGE", `--env-file: cannot read "${path}"`, { cause, hint: why });
    });
    lines.push(...parseEnvFile(text, `--env-file "${path}"`));
  }
  return new Map([
    ...parseSettings(lines, "--env-file", environment),
    ...parseSettings(listOf(args, "env"), "--env", environment),
  ]);
}

/** The kind of terminal that the program gets: this one's, where there is one. */
function terminalOf(args: Arguments, environment: Environment): string | undefined {
  if (!isOn(args, "tty")) return undefined;
  if (isOn(args, "interactive") && !process.stdin.isTTY) {
    throw new BuildError("USAGE", "-it: standard input is not a terminal", {
      hint: "leave out -t to pass input on, or -i to give the program a terminal without input",
    });
  }
  return (process.stdout.isTTY && environment["TERM"]) || "xterm";
}

/** What asks for something to be kept, or not to be passed on. */
function checkKept(args: Arguments): void {
  if (textOf(args, "rm") === "false")
    throw new BuildError("UNSUPPORTED", "--rm=false: what a run writes is always thrown away", {
      hint: "mount a folder for what is to stay: -v ./out:/out",
    });
  if (textOf(args, "sig-proxy") === "false")
    throw new BuildError("UNSUPPORTED", "--sig-proxy=false: signals are always passed on to the program");
}

function hostnameOf(text: string | undefined): string {
  if (text === undefined || text === "") return "tsbuild";
  if (!/^(?=.{1,63}$)[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(text))
    throw new BuildError("USAGE", `--hostname: "${text}" is not a host name`);
  return text;
}

function nameServer(text: string): string {
  if (isIP(text) === 0) throw new BuildError("USAGE", `--dns: "${text}" is not an IP address`);
  return text;
}
