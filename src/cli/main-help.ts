// The first screen.

import { GLOBAL_FLAGS, VERSION_FLAG } from "./flags/global-flags.ts";
import { describeFlags } from "./help.ts";

/** `tsbuild --help`. */
export function mainHelp(commands: readonly { readonly name: string; readonly help: string }[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length)) + 2;
  const rows = commands.map(({ name, help }) => `  ${name.padEnd(width)}${help}\n`).join("");
  return `Usage:  tsbuild [build] [OPTIONS] PATH | URL | -
        tsbuild COMMAND [OPTIONS]

Builds OCI images from Dockerfiles, without a daemon and without root.

Commands:
${rows}
Options:
${describeFlags([...GLOBAL_FLAGS, VERSION_FLAG])}
Run 'tsbuild COMMAND --help' for the options of a command.
`;
}
