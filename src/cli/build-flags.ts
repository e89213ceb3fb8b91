// The flags of `docker buildx build`, each of which works, is ignored for a reason, or is refused by name.

import type { Flag } from "./flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";

const ATTEST = "no attestations are made yet; --provenance=false and --sbom=false are accepted";
const OFF = /^(false|0|f|F|FALSE|False|disabled=true)$/;
const LIMITS = "limit the whole build with a cgroup or a systemd scope instead";
const CACHE = "the local build cache is always used; share it with --root";

// prettier-ignore
export const BUILD_FLAGS: readonly Flag[] = [
  { name: "add-host", kind: "list", value: "HOST:IP", state: "works", help: "Add a line to /etc/hosts of RUN (IP or host-gateway)" },
  { name: "allow", kind: "list", value: "ENTITLEMENT", state: "works", help: "Permit network.host, security.insecure or buildx.local.delete" },
  { name: "annotation", kind: "list", value: "[TYPE:]K=V", state: "works", help: "Add an annotation to the image" },
  { name: "attest", kind: "list", state: "later", help: "Attestation parameters", note: ATTEST, harmless: /(^|,)disabled=true(,|$)/ },
  { name: "build-arg", kind: "list", value: "K[=V]", state: "works", help: "Set a build argument; without a value, from the environment" },
  { name: "build-context", kind: "list", value: "NAME=VALUE", state: "works", help: "Named context: a folder, docker-image://, oci-layout:// or a URL" },
  { name: "builder", kind: "string", state: "later", help: "Override the configured builder instance", note: "tsbuild is its own builder", harmless: /^(default)?$/ },
  { name: "cache-from", kind: "list", state: "later", help: "External cache sources", note: CACHE },
  { name: "cache-to", kind: "list", state: "later", help: "Cache export destinations", note: CACHE },
  { name: "call", kind: "string", value: "METHOD", state: "works", help: "Ask instead of building: check, outline, targets or subrequests.describe[,format=json]" },
  { name: "cgroup-parent", kind: "string", value: "PATH", state: "works", help: "Parent cgroup of RUN" },
  { name: "check", kind: "boolean", state: "works", help: "Shorthand for --call=check" },
  { name: "file", short: "f", kind: "string", value: "FILE", state: "works", help: "The Dockerfile: a path, a URL, or - for stdin (default PATH/Dockerfile)" },
  { name: "iidfile", kind: "string", value: "FILE", state: "works", help: "Write the image id to a file" },
  { name: "insecure-registry", kind: "list", value: "HOST", state: "works", help: "Reach a registry by plain HTTP or without checking its certificate" },
  { name: "jobs", kind: "string", value: "N", state: "works", help: "RUN steps at a time (default: one a processor)" },
  { name: "label", kind: "list", value: "K=V", state: "works", help: "Set a label of the image" },
  { name: "load", kind: "boolean", state: "works", help: "Keep the image in the local store (the default without --output and --push)" },
  { name: "metadata-file", kind: "string", value: "FILE", state: "works", help: "Write digests and names as JSON to a file" },
  { name: "network", kind: "string", value: "MODE", state: "works", help: "Network of RUN: default, host or none" },
  { name: "no-cache", kind: "boolean", state: "works", help: "Run every step again" },
  { name: "no-cache-filter", kind: "list", value: "STAGE", state: "works", help: "Run every step of these stages again" },
  { name: "output", short: "o", kind: "list", value: "SPEC", state: "works", help: "Where the result goes: PATH, - or type=T,dest=PATH,..." },
  { name: "platform", kind: "list", value: "OS/ARCH", state: "works", help: "Platforms to build for (default: this machine's)" },
  { name: "policy", kind: "list", state: "later", help: "Source policy" },
  { name: "progress", kind: "string", value: "MODE", state: "works", help: "auto, tty, plain, rawjson, quiet or none" },
  { name: "provenance", kind: "string", state: "later", help: "Shorthand for --attest=type=provenance", note: ATTEST, harmless: OFF },
  { name: "pull", kind: "boolean", state: "works", help: "Ask the registry for newer base images" },
  { name: "push", kind: "boolean", state: "works", help: "Push the image to the registries of its tags" },
  { name: "quiet", short: "q", kind: "boolean", state: "works", help: "Print the image id and nothing else" },
  { name: "reproducible", kind: "boolean", state: "works", help: "Same input, same bytes: times are SOURCE_DATE_EPOCH's, or 0" },
  { name: "require-sandbox", kind: "string", value: "DRIVER", state: "works", help: "Fail unless RUN is isolated by launcher, crun, runc or unshare" },
  { name: "resource", kind: "list", state: "later", help: "Resource limits", note: LIMITS },
  { name: "sbom", kind: "string", state: "later", help: "Shorthand for --attest=type=sbom", note: ATTEST, harmless: OFF },
  { name: "secret", kind: "list", value: "SPEC", state: "works", help: "Secret for RUN --mount=type=secret: id=X[,src=FILE][,env=VAR]" },
  { name: "shm-size", kind: "string", value: "SIZE", state: "works", help: "Size of /dev/shm of RUN (default 64m)" },
  { name: "snapshotter", kind: "string", value: "NAME", state: "works", help: "How the files of RUN are layered: auto, overlay or copy (slower, works everywhere)" },
  { name: "ssh", kind: "list", value: "SPEC", state: "works", help: "SSH agent for RUN --mount=type=ssh: default or id=SOCKET" },
  { name: "tag", short: "t", kind: "list", value: "NAME", state: "works", help: "Name of the image" },
  { name: "target", kind: "string", value: "STAGE", state: "works", help: "Stage to build (default: the last)" },
  { name: "ulimit", kind: "list", value: "TYPE=SOFT[:HARD]", state: "works", help: "Resource limit of processes in RUN" },

  // The classic builder's.
  { name: "compress", kind: "boolean", state: "ignored", help: "Compress the build context" },
  { name: "cpu-period", kind: "string", state: "later", help: "CPU limit", note: LIMITS },
  { name: "cpu-quota", kind: "string", state: "later", help: "CPU limit", note: LIMITS },
  { name: "cpu-shares", short: "c", kind: "string", state: "later", help: "CPU limit", note: LIMITS },
  { name: "cpuset-cpus", kind: "string", state: "later", help: "CPU limit", note: LIMITS },
  { name: "cpuset-mems", kind: "string", state: "later", help: "CPU limit", note: LIMITS },
  { name: "disable-content-trust", kind: "boolean", state: "ignored", help: "Skip image verification" },
  { name: "force-rm", kind: "boolean", state: "ignored", help: "Always remove intermediate containers" },
  { name: "isolation", kind: "string", state: "ignored", help: "Isolation technology", note: "ignored, RUN has one kind of isolation here (see --require-sandbox)" },
  { name: "memory", short: "m", kind: "string", state: "later", help: "Memory limit", note: LIMITS },
  { name: "memory-swap", kind: "string", state: "later", help: "Memory limit", note: LIMITS },
  { name: "print", kind: "string", value: "METHOD", state: "works", help: "Old spelling of --call" },
  { name: "rm", kind: "boolean", state: "ignored", help: "Remove intermediate containers" },
  { name: "security-opt", kind: "list", state: "ignored", help: "Security options", note: "ignored, as buildx does" },
  { name: "squash", kind: "boolean", state: "ignored", help: "Squash layers", note: "ignored, it was removed from docker build" },
  ...GLOBAL_FLAGS,
];
