// `tsbuild doctor`: what this machine can do for RUN, found out by trying, and what to do about what it cannot.

import type { Diagnosis } from "../../builder/doctor.ts";
import { BuildError } from "../../builder/core/errors.ts";
import { NamespaceNeeded } from "../../builder/core/system/namespace.ts";
import type { Arguments, Flag } from "../cli/flags.ts";
import { isOn, textOf } from "../cli/flags.ts";
import { GLOBAL_FLAGS } from "../cli/flags/global-flags.ts";
import type { Command } from "./command.ts";
import { exactly, readArguments, rootOf } from "./command.ts";
import { sandbox } from "./sandbox.ts";

// prettier-ignore
const DOCTOR_FLAGS: readonly Flag[] = [
  { name: "format", kind: "string", value: "FORMAT", state: "works", help: "text or json (default text)" },
  { name: "json", kind: "boolean", state: "works", help: "The same as --format json" },
  { name: "require-sandbox", kind: "string", value: "WHAT", state: "works", help: "Fail (77) unless RUN has it: namespaces, or a driver (launcher, crun, runc, unshare, chroot)" },
  ...GLOBAL_FLAGS,
];

const USAGE = `Usage:  tsbuild doctor [OPTIONS]

Says what this machine can do for RUN, and what the smallest change is that allows more.`;

const WAYS = {
  direct: "rights: this process may mount and make namespaces",
  own: "rights: a user namespace with all ids of this container",
  subordinate: "rights: a user namespace with subordinate ids",
  single: "rights: a user namespace with a single id",
  chroot: "rights: a container's root, which may neither mount nor make namespaces",
  impossible: "rights: none, RUN will not work here",
} as const;
const RUNGS = {
  namespaces: "RUN: has namespaces and mounts of its own",
  chroot: "RUN: has another root, and neither mounts nor namespaces",
  none: "RUN: does not work here; builds without one do",
} as const;
const NOTHING_RUNS = 1;

/** Exit code 1 when no RUN can work. The drivers are examined where they will run: inside the namespace. */
export const doctor: Command = async (context) => {
  const args = await readArguments(context, DOCTOR_FLAGS, USAGE);
  if (args === undefined) return 0;
  exactly(args, 0, "doctor", "none");
  const isJson = readFormat(args) === "json";
  const required = sandbox(textOf(args, "require-sandbox"));
  const { diagnose } = await import("../../builder/doctor.ts");
  const found = await diagnose(process.env, rootOf(context, args));
  if (found === undefined) throw new NamespaceNeeded("probing the sandbox drivers");
  await context.print(isJson ? `${JSON.stringify(found, undefined, 2)}\n` : diagnosisText(found));
  if (required !== undefined && found.rung !== required && found.sandbox !== required)
    throw new BuildError("SANDBOX", `RUN has ${found.sandbox ?? "no sandbox"} here, not ${required}`, {
      hint: found.missing.find(({ gives }) => gives === "namespaces")?.change,
    });
  return found.rung === "none" ? NOTHING_RUNS : 0;
};

function readFormat(args: Arguments): "text" | "json" {
  const text = textOf(args, "format") || (isOn(args, "json") ? "json" : "text");
  if (text !== "text" && text !== "json") throw new BuildError("USAGE", `--format: "${text}" is neither text nor json`);
  return text;
}

function diagnosisText({ store, rights, notes, drivers, sandbox, files, rung, missing }: Diagnosis): string {
  const driverText = drivers.map((probe) => {
    const word = probe.driver === sandbox ? "usable, and the one that is used" : probe.usable ? "usable" : "not usable";
    return `sandbox ${probe.driver}: ${word}\n${indent(probe.notes)}`;
  });
  const filesText = {
    overlay: "files of RUN: overlay\n",
    copy: "files of RUN: copied for each step, which is slow\n",
  };
  return [
    `store: ${store}\n${WAYS[rights]}\n${indent(notes)}`,
    ...driverText,
    files === undefined ? "" : filesText[files],
    `${RUNGS[rung]}\n`,
    ...missing.map(({ what, change, gives }) => `missing for ${gives}: ${what}\n  ${change}\n`),
  ].join("");
}

function indent(notes: readonly string[]): string {
  return notes.map((note) => `  ${note}\n`).join("");
}
