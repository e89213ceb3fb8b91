// The flags of the commands that move images: copy with skopeo's names, pull, push, save, load and index with docker's
// and podman's.

import type { Flag } from "./flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { LIMIT_FLAGS } from "./unpack-limits.ts";

const SIGNING = "signatures are neither made nor copied";
const ENCRYPTION = "encrypted layers are not supported";

// prettier-ignore
const COMMON: readonly Flag[] = [
  { name: "insecure-registry", kind: "list", value: "HOST", state: "works", help: "Reach a registry by plain HTTP or without checking its certificate" },
  { name: "json", kind: "boolean", state: "works", help: "Print the result as JSON, one object an image" },
  { name: "progress", kind: "string", value: "MODE", state: "works", help: "auto, tty, plain, rawjson, quiet or none" },
  ...LIMIT_FLAGS,
  { name: "check-layers", kind: "boolean", state: "works", help: "Unpack layers on their way to see that they are what the image says (default for files)" },
];

// prettier-ignore
const LOGIN: readonly Flag[] = [
  { name: "authfile", kind: "string", value: "FILE", state: "works", help: "File with registry logins (default $REGISTRY_AUTH_FILE and docker's, podman's)" },
  { name: "creds", kind: "string", value: "USER:PASSWORD", state: "works", help: "Login at the registry" },
  { name: "tls-verify", kind: "boolean", state: "works", help: "Require HTTPS and check the registry's certificate (--tls-verify=false does not)" },
];

// prettier-ignore
const REGISTRY: readonly Flag[] = [
  { name: "retry-times", kind: "string", value: "N", state: "works", help: "Begin anew so often when a registry fails (default 0; requests are repeated anyway)" },
  ...LOGIN,
];

// prettier-ignore
const PLATFORM: readonly Flag[] = [
  { name: "platform", kind: "string", value: "OS/ARCH", state: "works", help: "Which image of a multi-platform one" },
];

// prettier-ignore
const QUIET: readonly Flag[] = [
  { name: "quiet", short: "q", kind: "boolean", state: "works", help: "No progress, and only what a script needs" },
];

// prettier-ignore
export const COPY_FLAGS: readonly Flag[] = [
  { name: "additional-tag", kind: "list", value: "NAME", state: "works", help: "One more name at the destination" },
  { name: "all", short: "a", kind: "boolean", state: "works", help: "Copy the images of all platforms, and the index over them" },
  { name: "authfile", kind: "string", value: "FILE", state: "works", help: "File with registry logins, for both sides" },
  { name: "dest-authfile", kind: "string", value: "FILE", state: "works", help: "File with registry logins, for the destination" },
  { name: "dest-cert-dir", kind: "string", state: "later", help: "Certificates for the destination", note: "put them into /etc/docker/certs.d/HOST" },
  { name: "dest-compress", kind: "boolean", state: "works", help: "Compress layers that are not compressed" },
  { name: "dest-compress-format", kind: "string", value: "FORMAT", state: "works", help: "Compress layers that are compressed otherwise, or not: gzip or zstd" },
  { name: "dest-compress-level", kind: "string", value: "N", state: "works", help: "How hard (gzip 0-9, zstd 0-22)" },
  { name: "dest-creds", kind: "string", value: "USER:PASSWORD", state: "works", help: "Login at the destination's registry" },
  { name: "dest-daemon-host", kind: "string", value: "HOST", state: "works", help: "Docker daemon of the destination (default $DOCKER_HOST)" },
  { name: "dest-decompress", kind: "boolean", state: "works", help: "Store layers uncompressed" },
  { name: "dest-force-compress-format", kind: "boolean", state: "works", help: "Compress also layers that have the format already" },
  { name: "dest-no-creds", kind: "boolean", state: "works", help: "Use no login at the destination" },
  { name: "dest-oci-accept-uncompressed-layers", kind: "boolean", state: "works", help: "Leave layers uncompressed that come so from an archive or a daemon" },
  { name: "dest-shared-blob-dir", kind: "string", state: "later", help: "Folder of blobs that layouts share" },
  { name: "dest-tls-verify", kind: "boolean", state: "works", help: "Require HTTPS and check the destination's certificate (default true)" },
  { name: "digestfile", kind: "string", value: "FILE", state: "works", help: "Write the digest of the copy to a file" },
  { name: "encrypt-layer", kind: "list", state: "later", help: "Encrypt layers", note: ENCRYPTION },
  { name: "encryption-key", kind: "list", state: "later", help: "Key for encryption", note: ENCRYPTION },
  { name: "decryption-key", kind: "list", state: "later", help: "Key for decryption", note: ENCRYPTION },
  { name: "format", short: "f", kind: "string", value: "FORMAT", state: "works", help: "Manifests of the copy: oci or v2s2 (default: as they are)" },
  { name: "image-parallel-copies", kind: "string", state: "ignored", help: "Layers at a time" },
  { name: "multi-arch", kind: "string", value: "WHICH", state: "works", help: "system (one platform), all, or index-only" },
  { name: "override-arch", kind: "string", value: "ARCH", state: "works", help: "Architecture, instead of this machine's" },
  { name: "override-os", kind: "string", value: "OS", state: "works", help: "Operating system, instead of this machine's" },
  { name: "override-variant", kind: "string", value: "VARIANT", state: "works", help: "Variant of the architecture" },
  { name: "preserve-digests", kind: "boolean", state: "works", help: "Fail rather than change a digest" },
  { name: "remove-signatures", kind: "boolean", state: "ignored", help: "Do not copy signatures" },
  { name: "retry-delay", kind: "string", state: "ignored", help: "Pause between attempts" },
  { name: "retry-times", kind: "string", value: "N", state: "works", help: "Begin anew so often when a registry or a daemon fails (default 0)" },
  { name: "sign-by", kind: "string", state: "later", help: "Sign the copy", note: SIGNING },
  { name: "sign-by-sigstore", kind: "string", state: "later", help: "Sign the copy", note: SIGNING },
  { name: "sign-by-sigstore-private-key", kind: "string", state: "later", help: "Sign the copy", note: SIGNING },
  { name: "sign-identity", kind: "string", state: "later", help: "Identity of the signature", note: SIGNING },
  { name: "src-authfile", kind: "string", value: "FILE", state: "works", help: "File with registry logins, for the source" },
  { name: "src-cert-dir", kind: "string", state: "later", help: "Certificates for the source", note: "put them into /etc/docker/certs.d/HOST" },
  { name: "src-creds", kind: "string", value: "USER:PASSWORD", state: "works", help: "Login at the source's registry" },
  { name: "src-daemon-host", kind: "string", value: "HOST", state: "works", help: "Docker daemon of the source (default $DOCKER_HOST)" },
  { name: "src-no-creds", kind: "boolean", state: "works", help: "Use no login at the source" },
  { name: "src-shared-blob-dir", kind: "string", state: "later", help: "Folder of blobs that layouts share" },
  { name: "src-tls-verify", kind: "boolean", state: "works", help: "Require HTTPS and check the source's certificate (default true)" },
  ...PLATFORM,
  ...QUIET,
  ...COMMON,
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const PULL_FLAGS: readonly Flag[] = [
  { name: "all-platforms", kind: "boolean", state: "works", help: "Pull the images of all platforms" },
  { name: "all-tags", short: "a", kind: "boolean", state: "works", help: "Pull every tag of the repository" },
  { name: "disable-content-trust", kind: "boolean", state: "ignored", help: "Skip image verification" },
  ...PLATFORM,
  ...QUIET,
  ...REGISTRY,
  ...COMMON,
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const PUSH_FLAGS: readonly Flag[] = [
  { name: "all-tags", short: "a", kind: "boolean", state: "works", help: "Push every tag that the store has of the repository" },
  { name: "compression-format", kind: "string", value: "FORMAT", state: "works", help: "Compress layers that are compressed otherwise, or not: gzip or zstd" },
  { name: "compression-level", kind: "string", value: "N", state: "works", help: "How hard (gzip 0-9, zstd 0-22)" },
  { name: "digestfile", kind: "string", value: "FILE", state: "works", help: "Write the digest of what was pushed to a file" },
  { name: "disable-content-trust", kind: "boolean", state: "ignored", help: "Skip image signing" },
  { name: "force-compression", kind: "boolean", state: "works", help: "Compress also layers that have the format already" },
  { name: "format", short: "f", kind: "string", value: "FORMAT", state: "works", help: "Manifests that are pushed: oci or v2s2 (default: as they are)" },
  { name: "remove-signatures", kind: "boolean", state: "ignored", help: "Do not copy signatures" },
  { name: "resume", kind: "boolean", state: "works", help: "Take up uploads that an interrupted push has left (default true)" },
  ...PLATFORM,
  ...QUIET,
  ...REGISTRY,
  ...COMMON,
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const SAVE_FLAGS: readonly Flag[] = [
  { name: "format", kind: "string", value: "FORMAT", state: "works", help: "oci-archive (the default; docker load reads it too), docker-archive, oci-dir or docker-dir" },
  { name: "output", short: "o", kind: "string", value: "FILE", state: "works", help: "File or folder (default: standard output)" },
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
  { name: "insecure-registry", kind: "list", value: "HOST", state: "works", help: "Reach a registry by plain HTTP or without checking its certificate" },
  { name: "json", kind: "boolean", state: "works", help: "Print them as JSON" },
  ...LOGIN,
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const RM_FLAGS: readonly Flag[] = [
  { name: "insecure-registry", kind: "list", value: "HOST", state: "works", help: "Reach a registry by plain HTTP or without checking its certificate" },
  { name: "tag-only", kind: "boolean", state: "works", help: "Take the tag away and leave the manifest and its other tags" },
  ...LOGIN,
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const INDEX_FLAGS: readonly Flag[] = [
  { name: "annotation", kind: "list", value: "[TYPE:]K=V", state: "works", help: "Annotate the index, a manifest-descriptor[OS/ARCH] or the index-descriptor" },
  { name: "dry-run", kind: "boolean", state: "works", help: "Print the index and make nothing" },
  { name: "push", kind: "boolean", state: "works", help: "Put it into the registry of its name, not into the store" },
  { name: "tag", short: "t", kind: "list", value: "NAME", state: "works", help: "One more name for the index" },
  ...QUIET,
  ...REGISTRY,
  ...COMMON,
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const INDEX_INSPECT_FLAGS: readonly Flag[] = [
  { name: "insecure-registry", kind: "list", value: "HOST", state: "works", help: "Reach a registry by plain HTTP or without checking its certificate" },
  { name: "json", kind: "boolean", state: "works", help: "Print the index as JSON" },
  { name: "raw", kind: "boolean", state: "works", help: "Print the index as it is, byte for byte" },
  ...LOGIN,
  ...GLOBAL_FLAGS,
];
