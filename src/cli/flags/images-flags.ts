// The flags of `tsbuild images` and `tsbuild rmi`: docker's.

import type { Flag } from "../flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";

// prettier-ignore
export const IMAGES_FLAGS: readonly Flag[] = [
  { name: "all", short: "a", kind: "boolean", state: "ignored", help: "Show intermediate images" },
  { name: "digests", kind: "boolean", state: "works", help: "Show digests" },
  { name: "filter", short: "f", kind: "list", value: "KEY=VALUE", state: "works", help: "Only some: dangling=BOOL, label=KEY[=VALUE], reference=PATTERN, before=IMAGE, since=IMAGE" },
  { name: "format", kind: "string", value: "TEMPLATE", state: "works", help: "json, table …, or a template of fields: {{.Repository}}:{{.Tag}}" },
  { name: "json", kind: "boolean", state: "works", help: "One JSON object a line, with everything that is known" },
  { name: "no-trunc", kind: "boolean", state: "works", help: "Do not shorten ids" },
  { name: "quiet", short: "q", kind: "boolean", state: "works", help: "Only image ids" },
  { name: "tree", kind: "boolean", state: "later", help: "Show platforms as a tree", note: "each platform has a row" },
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const RMI_FLAGS: readonly Flag[] = [
  { name: "force", short: "f", kind: "boolean", state: "works", help: "Take all names of an id away" },
  { name: "platform", kind: "list", state: "later", help: "Take away the images of some platforms only", note: "tsbuild index create NAME NAME --platform OS/ARCH keeps the others only" },
  { name: "no-prune", kind: "boolean", state: "ignored", help: "Do not delete untagged parents" },
  ...GLOBAL_FLAGS,
];
