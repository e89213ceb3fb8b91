// The flags of the commands that move images: copy with skopeo's names, pull, push, save and load with docker's and
// podman's.

import { accessFlags, INSECURE_FLAG, RETRY_TIMES } from "./access-flags.ts";
import type { Flag } from "../flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { LIMIT_FLAGS } from "../values/unpack-limits.ts";

const SIGNING = "signatures are neither made nor copied";
const ENCRYPTION = "encrypted layers are not supported";
const POLICY = "signatures are not checked, so no policy says which";

// prettier-ignore
export const SIGNATURES: readonly Flag[] = [
  { name: "remove-signatures", kind: "boolean", state: "ignored", help: "Do not copy signatures" },
  { name: "sign-by", kind: "string", state: "later", help: "Sign the copy", note: SIGNING },
  { name: "sign-by-sigstore", kind: "string", state: "later", help: "Sign the copy", note: SIGNING },
  { name: "sign-by-sigstore-private-key", kind: "string", state: "later", help: "Sign the copy", note: SIGNING },
  { name: "sign-by-sq-fingerprint", kind: "string", state: "later", help: "Sign the copy", note: SIGNING },
  { name: "sign-identity", kind: "string", state: "later", help: "Identity of the signature", note: SIGNING },
  { name: "sign-passphrase-file", kind: "string", state: "later", help: "Passphrase for signing", note: SIGNING },
];

// prettier-ignore
const ENCRYPTIONS: readonly Flag[] = [
  { name: "decryption-key", kind: "list", state: "later", help: "Key for decryption", note: ENCRYPTION },
  { name: "encrypt-layer", kind: "list", state: "later", help: "Encrypt layers", note: ENCRYPTION },
  { name: "encryption-key", kind: "list", state: "later", help: "Key for encryption", note: ENCRYPTION },
];

// prettier-ignore
export const COMMON: readonly Flag[] = [
  INSECURE_FLAG,
  { name: "json", kind: "boolean", state: "works", help: "Print the result as JSON, one object an image" },
  { name: "progress", kind: "string", value: "MODE", state: "works", help: "auto, tty, plain, rawjson, quiet or none" },
  ...LIMIT_FLAGS,
  { name: "check-layers", kind: "boolean", state: "works", help: "Unpack layers on their way to see that they are what the image says (default for files)" },
];

// prettier-ignore
const RETRIES: readonly Flag[] = [
  { name: "retry-delay", kind: "string", value: "TIME", state: "works", help: "Pause before each new attempt (default: 1s, then twice as long each time)" },
  RETRY_TIMES,
];

/** Of the commands that speak to one registry. */
export const REGISTRY: readonly Flag[] = [...RETRIES, ...accessFlags("")];

// prettier-ignore
const PLATFORM: readonly Flag[] = [
  { name: "platform", kind: "string", value: "OS/ARCH", state: "works", help: "Which image of a multi-platform one" },
];

// prettier-ignore
export const QUIET: readonly Flag[] = [
  { name: "quiet", short: "q", kind: "boolean", state: "works", help: "No progress, and only what a script needs" },
];

// prettier-ignore
export const COPY_FLAGS: readonly Flag[] = [
  { name: "additional-tag", kind: "list", value: "NAME", state: "works", help: "One more name at the destination" },
  { name: "all", short: "a", kind: "boolean", state: "works", help: "Copy the images of all platforms, and the index over them" },
  { name: "authfile", kind: "string", value: "FILE", state: "works", help: "File with registry logins, for both sides" },
  { name: "command-timeout", kind: "string", state: "later", help: "Time after which to give up", note: "timeout 10m tsbuild copy … does it" },
  { name: "dest-compress", kind: "boolean", state: "works", help: "Compress layers that are not compressed" },
  { name: "dest-compress-format", kind: "string", value: "FORMAT", state: "works", help: "Compress layers that are compressed otherwise, or not: gzip or zstd" },
  { name: "dest-compress-level", kind: "string", value: "N", state: "works", help: "How hard (gzip 0-9, zstd 0-22)" },
  { name: "dest-daemon-host", kind: "string", value: "HOST", state: "works", help: "Docker daemon of the destination (default $DOCKER_HOST)" },
  { name: "dest-decompress", kind: "boolean", state: "works", help: "Store layers uncompressed" },
  { name: "dest-force-compress-format", kind: "boolean", state: "works", help: "Compress also layers that have the format already" },
  { name: "dest-oci-accept-uncompressed-layers", kind: "boolean", state: "works", help: "Leave layers uncompressed that come so from an archive or a daemon" },
  { name: "dest-precompute-digests", kind: "boolean", state: "ignored", help: "Make layers before asking whether they are there (always so)" },
  { name: "dest-shared-blob-dir", kind: "string", state: "later", help: "Folder of blobs that layouts share" },
  { name: "digestfile", kind: "string", value: "FILE", state: "works", help: "Write the digest of the copy to a file" },
  { name: "format", short: "f", kind: "string", value: "FORMAT", state: "works", help: "Manifests of the copy: oci or v2s2 (default: as they are)" },
  { name: "image-parallel-copies", kind: "string", value: "N", state: "works", help: "Layers at a time (default 4; 2 of those that are compressed anew)" },
  { name: "insecure-policy", kind: "boolean", state: "ignored", help: "Check no signatures (none are checked)" },
  { name: "multi-arch", kind: "string", value: "WHICH", state: "works", help: "system (one platform), all, or index-only" },
  { name: "override-arch", kind: "string", value: "ARCH", state: "works", help: "Architecture, instead of this machine's" },
  { name: "override-os", kind: "string", value: "OS", state: "works", help: "Operating system, instead of this machine's" },
  { name: "override-variant", kind: "string", value: "VARIANT", state: "works", help: "Variant of the architecture" },
  { name: "policy", kind: "string", state: "later", help: "Policy of signatures", note: POLICY },
  { name: "preserve-digests", kind: "boolean", state: "works", help: "Fail rather than change a digest" },
  { name: "registries.d", kind: "string", state: "later", help: "Where signatures lie", note: SIGNING },
  { name: "src-daemon-host", kind: "string", value: "HOST", state: "works", help: "Docker daemon of the source (default $DOCKER_HOST)" },
  { name: "src-shared-blob-dir", kind: "string", state: "later", help: "Folder of blobs that layouts share" },
  { name: "tmpdir", kind: "string", state: "later", help: "Folder for what is large and short-lived", note: "set TMPDIR" },
  ...accessFlags("src-"),
  ...accessFlags("dest-"),
  ...RETRIES,
  ...SIGNATURES,
  ...ENCRYPTIONS,
  ...PLATFORM,
  ...QUIET,
  ...COMMON,
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const PULL_FLAGS: readonly Flag[] = [
  { name: "all-platforms", kind: "boolean", state: "works", help: "Pull the images of all platforms" },
  { name: "all-tags", short: "a", kind: "boolean", state: "works", help: "Pull every tag of the repository" },
  { name: "arch", kind: "string", state: "later", help: "Architecture", note: "write --platform OS/ARCH" },
  { name: "decryption-key", kind: "list", state: "later", help: "Key for decryption", note: ENCRYPTION },
  { name: "disable-content-trust", kind: "boolean", state: "ignored", help: "Skip image verification" },
  { name: "os", kind: "string", state: "later", help: "Operating system", note: "write --platform OS/ARCH" },
  { name: "variant", kind: "string", state: "later", help: "Variant of the architecture", note: "write --platform OS/ARCH/VARIANT" },
  ...PLATFORM,
  ...QUIET,
  ...REGISTRY,
  ...COMMON,
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const PUSH_FLAGS: readonly Flag[] = [
  { name: "all-tags", short: "a", kind: "boolean", state: "works", help: "Push every tag that the store has of the repository" },
  { name: "compress", kind: "boolean", state: "later", help: "Compress the layers of a folder", note: "a folder is written by tsbuild copy, with --dest-compress" },
  { name: "compression-format", kind: "string", value: "FORMAT", state: "works", help: "Compress layers that are compressed otherwise, or not: gzip or zstd" },
  { name: "compression-level", kind: "string", value: "N", state: "works", help: "How hard (gzip 0-9, zstd 0-22)" },
  { name: "digestfile", kind: "string", value: "FILE", state: "works", help: "Write the digest of what was pushed to a file" },
  { name: "disable-content-trust", kind: "boolean", state: "ignored", help: "Skip image signing" },
  { name: "force-compression", kind: "boolean", state: "works", help: "Compress also layers that have the format already" },
  { name: "format", short: "f", kind: "string", value: "FORMAT", state: "works", help: "Manifests that are pushed: oci or v2s2 (default: as they are)" },
  { name: "resume", kind: "boolean", state: "works", help: "Take up uploads that an interrupted push has left (default true)" },
  ...SIGNATURES,
  ...ENCRYPTIONS,
  ...PLATFORM,
  ...QUIET,
  ...REGISTRY,
  ...COMMON,
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const SAVE_FLAGS: readonly Flag[] = [
  { name: "compress", kind: "boolean", state: "later", help: "Compress the layers of a folder", note: "tsbuild copy store:IMAGE dir:FOLDER --dest-compress does it" },
  { name: "format", kind: "string", value: "FORMAT", state: "works", help: "oci-archive (the default; docker load reads it too), docker-archive, oci-dir or docker-dir" },
  { name: "multi-image-archive", short: "m", kind: "boolean", state: "ignored", help: "Take several images (always so)" },
  { name: "output", short: "o", kind: "string", value: "FILE", state: "works", help: "File or folder (default: standard output)" },
  { name: "uncompressed", kind: "boolean", state: "later", help: "Leave layers uncompressed", note: "layers stay as they are; --format docker-archive has plain ones" },
  ...PLATFORM,
  ...QUIET,
  ...COMMON,
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const LOAD_FLAGS: readonly Flag[] = [
  { name: "input", short: "i", kind: "string", value: "FILE", state: "works", help: "Archive or folder (default: standard input)" },
  { name: "tag", short: "t", kind: "list", value: "NAME", state: "works", help: "One more name for the image" },
  ...PLATFORM,
  ...QUIET,
  ...COMMON,
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const TAGS_FLAGS: readonly Flag[] = [
  INSECURE_FLAG,
  { name: "json", kind: "boolean", state: "works", help: "Print them as JSON" },
  RETRY_TIMES,
  ...accessFlags(""),
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const RM_FLAGS: readonly Flag[] = [
  INSECURE_FLAG,
  { name: "tag-only", kind: "boolean", state: "works", help: "Take the tag away and leave the manifest and its other tags" },
  RETRY_TIMES,
  ...accessFlags(""),
  ...GLOBAL_FLAGS,
];
