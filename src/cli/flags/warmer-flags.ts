// The flags of kaniko's warmer.

import { LOG_FLAGS, REGISTRY_FLAGS } from "./executor-flags.ts";
import type { Flag } from "../flags.ts";

// prettier-ignore
export const WARMER_FLAGS: readonly Flag[] = [
  { name: "build-arg", kind: "list", value: "K[=V]", state: "works", help: "Build argument of the Dockerfile; without a value, from the environment" },
  { name: "cache-dir", short: "c", kind: "string", value: "DIR", state: "works", help: "Folder to fill (default /cache)" },
  { name: "cache-ttl", kind: "string", value: "DURATION", state: "works", help: "An image that was warmed longer ago comes anew (default 336h)" },
  { name: "custom-platform", aliases: ["customPlatform"], kind: "string", value: "OS/ARCH", state: "works", help: "Platform of the images (default: this machine's)" },
  { name: "dockerfile", short: "d", kind: "string", value: "FILE", state: "works", help: "Warm what the stages of a Dockerfile (a path or a URL) begin with, and copy from" },
  { name: "force", short: "f", kind: "boolean", state: "works", help: "Also images that are there come anew" },
  { name: "image", short: "i", kind: "list", value: "NAME", state: "works", help: "Image to warm (may be repeated)" },
  ...REGISTRY_FLAGS,
  ...LOG_FLAGS,
];
