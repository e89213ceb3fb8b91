// Flags of every command. They may stand before the command and after it.

import type { Flag } from "../flags.ts";

// prettier-ignore
export const GLOBAL_FLAGS: readonly Flag[] = [
  { name: "root", kind: "string", value: "DIR", state: "works", help: "Folder of images, layers and build cache" },
  { name: "debug", short: "D", kind: "boolean", state: "works", help: "Show stacks and causes of errors, and details of warnings" },
  { name: "help", short: "h", kind: "boolean", state: "works", help: "Show this help" },
];

/** Only before a command. */
export const VERSION_FLAG: Flag = {
  name: "version",
  short: "v",
  kind: "boolean",
  state: "works",
  help: "Show the version",
};
