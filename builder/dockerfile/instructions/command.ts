// RUN, CMD, ENTRYPOINT, SHELL and HEALTHCHECK: instructions that hold a command.

import { csvFields } from "../convert/run/csv.ts";
import { quote } from "../convert/config/go-text.ts";
import { mountFrom } from "../convert/run/mounts.ts";
import { parseDuration } from "../durations.ts";
import { chompTabs } from "../heredoc.ts";
import type { Cmd, CommandLine, Entrypoint, Healthcheck, Run, Shell } from "../instruction.ts";
import type { RawNode } from "../parse.ts";
import { baseOf, requireArguments } from "./base.ts";
import { readFlags } from "./flags.ts";

const NETWORKS = ["default", "none", "host"];
const SECURITIES = ["insecure", "sandbox"];

export function readRun(node: RawNode): Run {
  const flags = readFlags(node.flags, { mount: "strings", device: "strings", network: "string", security: "string" });
  const { mount: mounts, device: devices, network, security } = flags;
  // What can be checked before expansion fails here, also in stages that are not built.
  for (const device of devices) csvFields(device);
  for (const mount of mounts) mountFrom(mount);
  if (network !== undefined && !NETWORKS.includes(network)) throw new Error(`invalid network mode ${quote(network)}`);
  if (security !== undefined && !SECURITIES.includes(security)) {
    throw new Error(`security ${quote(security)} is not valid`);
  }
  return { kind: "run", ...baseOf(node), command: commandOf(node), mounts, network, security, devices };
}

export function readCmd(node: RawNode): Cmd {
  readFlags(node.flags, {});
  return { kind: "cmd", ...baseOf(node), command: commandOf(node) };
}

export function readEntrypoint(node: RawNode): Entrypoint {
  readFlags(node.flags, {});
  return { kind: "entrypoint", ...baseOf(node), command: commandOf(node) };
}

export function readShell(node: RawNode): Shell {
  readFlags(node.flags, {});
  requireArguments(node.args, "SHELL");
  if (!node.json) throw new Error("SHELL requires the arguments to be in JSON form");
  return { kind: "shell", ...baseOf(node), shell: node.args };
}

export function readHealthcheck(node: RawNode): Healthcheck {
  requireArguments(node.args, "HEALTHCHECK");
  const [written = "", ...command] = node.args;
  const type = written.toUpperCase();
  if (type === "NONE") {
    if (command.length > 0) throw new Error("HEALTHCHECK NONE takes no arguments");
    return { kind: "healthcheck", ...baseOf(node), test: ["NONE"], ...NO_TIMES };
  }
  const flags = readFlags(node.flags, {
    interval: "string",
    timeout: "string",
    "start-period": "string",
    "start-interval": "string",
    retries: "string",
  });
  if (type !== "CMD") throw new Error(`Unknown type ${quote(type)} in HEALTHCHECK (try CMD)`);
  if (command.length === 0) throw new Error("Missing command after HEALTHCHECK CMD");
  return {
    kind: "healthcheck",
    ...baseOf(node),
    test: [node.json ? "CMD" : "CMD-SHELL", ...command],
    intervalNs: interval("interval", flags.interval),
    timeoutNs: interval("timeout", flags.timeout),
    startPeriodNs: interval("start-period", flags["start-period"]),
    startIntervalNs: interval("start-interval", flags["start-interval"]),
    retries: readRetries(flags.retries ?? ""),
  };
}

const NO_TIMES = { intervalNs: 0, timeoutNs: 0, startPeriodNs: 0, startIntervalNs: 0, retries: 0 };

/** Nanoseconds; 0 for an empty or zero value, else at least a millisecond. */
function interval(name: string, text: string | undefined): number {
  const ns = text === undefined || text === "" ? 0 : parseDuration(text);
  if (ns !== 0 && ns < 1_000_000) throw new Error(`Interval ${quote(name)} cannot be less than 1ms`);
  return ns;
}

/** A 32-bit number that is not negative. */
function readRetries(text: string): number {
  if (text === "") return 0;
  if (!/^[+-]?\d+$/.test(text)) throw new Error(`strconv.ParseInt: parsing ${quote(text)}: invalid syntax`);
  const retries = Number(text);
  if (retries > 2 ** 31 - 1 || retries < -(2 ** 31)) {
    throw new Error(`strconv.ParseInt: parsing ${quote(text)}: value out of range`);
  }
  if (retries < 0) throw new Error(`--retries cannot be negative (${retries})`);
  return Math.abs(retries);
}

function commandOf(node: RawNode): CommandLine {
  const heredocs = node.heredocs.map((heredoc) =>
    heredoc.chomp ? { ...heredoc, content: chompTabs(heredoc.content), raw: heredoc.content } : heredoc,
  );
  if (node.json) return { form: "exec", args: node.args, heredocs };
  return { form: "shell", args: node.args, heredocs };
}
