// `tsbuild doctor`: what this machine can do for RUN, found out by trying, and what to do about what it cannot.

import { NamespaceNeeded } from "../../builder/core/namespace.ts";
import { GLOBAL_FLAGS } from "../cli/global-flags.ts";
import type { Command } from "./command.ts";
import { exactly, readArguments, rootOf } from "./command.ts";

const WAYS = {
  direct: "rights: this process may mount and make namespaces",
  subordinate: "rights: a user namespace with subordinate ids",
  single: "rights: a user namespace with a single id",
  chroot: "rights: a container's root, which may neither mount nor make namespaces",
  impossible: "rights: none, RUN will not work here",
} as const;

/** Exit code 1 when no RUN can work. The drivers are examined where they will run: inside the namespace. */
export const doctor: Command = async (context) => {
  const args = await readArguments(
    context,
    GLOBAL_FLAGS,
    "Usage:  tsbuild doctor\n\nSays what this machine can do for RUN.",
  );
  if (args === undefined) return 0;
  exactly(args, 0, "doctor", "none");
  const root = rootOf(context, args);
  const { examineDrivers, examineNamespace, examineOverlay } = await import("../../builder/doctor.ts");
  const { namespace, notes } = await examineNamespace(process.env);
  // Inside it, the process before this one has said the rest.
  if (namespace !== "inside") {
    await context.print(`store: ${root}\n${WAYS[namespace]}\n${indent(notes)}`);
    if (namespace === "impossible") return 1;
    if (namespace !== "direct" && namespace !== "chroot") throw new NamespaceNeeded("probing the sandbox drivers");
  }
  const drivers = await examineDrivers();
  const chosen = drivers.find(({ usable }) => usable)?.driver;
  for (const { driver, usable, notes } of drivers) {
    const word = driver === chosen ? "usable, and the one that is used" : usable ? "usable" : "not usable";
    await context.print(`sandbox ${driver}: ${word}\n${indent(notes)}`);
  }
  if (chosen === undefined) return 1;
  const why = await examineOverlay(root);
  await context.print(
    why === undefined
      ? "files of RUN: overlay\n"
      : `files of RUN: copied for each step, which is slow, because overlay does not work here\n${indent([why])}`,
  );
  return 0;
};

function indent(notes: readonly string[]): string {
  return notes.map((note) => `  ${note}\n`).join("");
}
