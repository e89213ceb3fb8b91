// The flags of `tsbuild builds`, by subcommand.

import type { Flag } from "../flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { HOST_FLAGS } from "./host-flags.ts";

const JSON_FLAG: Flag = { name: "json", kind: "boolean", state: "works", help: "JSON" };

// prettier-ignore
export const BUILDS_LIST_FLAGS: readonly Flag[] = [
  { name: "filter", kind: "list", value: "FILTER", state: "works", help: "Only builds of which it holds: status=error, name~=app, startedAt>24h, duration>=1m; also ref, completedAt" },
  { name: "format", kind: "string", value: "FORMAT", state: "works", help: "table, json (a line a build), or a template: '{{.Ref}} {{.Name}} {{.Status}} {{.CreatedAt}} {{.Duration}}'" },
  { ...JSON_FLAG, help: "The same as --format=json" },
  { name: "local", kind: "boolean", state: "ignored", help: "Only builds of one builder (there are no others)" },
  { name: "no-trunc", kind: "boolean", state: "works", help: "Do not cut names" },
  { name: "quiet", short: "q", kind: "boolean", state: "works", help: "Only ids" },
  ...HOST_FLAGS,
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const BUILDS_SHOW_FLAGS: readonly Flag[] = [
  { name: "format", kind: "string", value: "FORMAT", state: "works", help: "pretty or json (the whole record)" },
  { ...JSON_FLAG, help: "The same as --format=json" },
  ...HOST_FLAGS,
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const BUILDS_LOGS_FLAGS: readonly Flag[] = [
  { name: "progress", kind: "string", value: "MODE", state: "works", help: "plain or rawjson" },
  ...HOST_FLAGS,
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const BUILDS_RM_FLAGS: readonly Flag[] = [
  { name: "all", kind: "boolean", state: "works", help: "All of them" },
  ...HOST_FLAGS,
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const BUILDS_EXPORT_FLAGS: readonly Flag[] = [
  { name: "all", kind: "boolean", state: "works", help: "All of them" },
  { name: "output", short: "o", kind: "string", value: "FILE", state: "works", help: "Where to (default: standard output)" },
  ...HOST_FLAGS,
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const BUILDS_REPORT_FLAGS: readonly Flag[] = [
  { name: "output", short: "o", kind: "string", value: "FILE", state: "works", help: "Where to (default: standard output)" },
  ...HOST_FLAGS,
  ...GLOBAL_FLAGS,
];
