// The flags of `tsbuild registry explain`.

import type { Flag } from "../flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";

// prettier-ignore
export const EXPLAIN_FLAGS: readonly Flag[] = [
  { name: "insecure-registry", kind: "list", value: "HOST", state: "works", help: "As it would be with this flag" },
  { name: "json", kind: "boolean", state: "works", help: "One JSON object" },
  ...GLOBAL_FLAGS,
];
