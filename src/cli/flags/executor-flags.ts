// The flags of kaniko's executor, and those of its continuation. What has no meaning here is taken where that cannot
// change the image; everything else works.

import type { Flag } from "../flags.ts";

const READS_CHANGES = "files are compared as they are: there is nothing to choose";

/** How registries are reached; the warmer's too. */
// prettier-ignore
export const REGISTRY_FLAGS: readonly Flag[] = [
  { name: "credential-helpers", kind: "list", value: "NAME", state: "works", help: "Where logins are looked for beside the files: env, google, ecr, acr, gitlab (default all; empty: nowhere)" },
  { name: "insecure-pull", kind: "boolean", state: "works", help: "Pull by plain HTTP where there is no HTTPS" },
  { name: "insecure-registry", kind: "list", value: "HOST", state: "works", help: "Reach this registry by plain HTTP where it has no HTTPS" },
  { name: "registry-certificate", kind: "list", value: "HOST=FILE", state: "works", help: "Certificate authority of a registry" },
  { name: "registry-client-cert", kind: "list", value: "HOST=CERT,KEY", state: "works", help: "Client certificate for a registry" },
  { name: "registry-map", kind: "list", value: "A=B[;C=D]", state: "works", help: "Pull from B what is in registry A, before A itself (KANIKO_REGISTRY_MAP)" },
  { name: "registry-mirror", kind: "list", value: "HOST", state: "works", help: "Pull from this mirror what is in Docker Hub, before it (KANIKO_REGISTRY_MIRROR)" },
  { name: "skip-default-registry-fallback", kind: "boolean", state: "works", help: "Pull from mirrors and mapped registries only" },
  { name: "skip-tls-verify-pull", kind: "boolean", state: "works", help: "Pull without checking certificates" },
  { name: "skip-tls-verify-registry", kind: "list", value: "HOST", state: "works", help: "Do not check this registry's certificate" },
];

/** The log's; the warmer's too. */
// prettier-ignore
export const LOG_FLAGS: readonly Flag[] = [
  { name: "help", short: "h", kind: "boolean", state: "works", help: "Show this help" },
  { name: "log-format", kind: "string", value: "FORMAT", state: "works", help: "text, color or json (default color)" },
  { name: "log-timestamp", kind: "boolean", state: "works", help: "Begin each line with the time" },
  { name: "verbosity", short: "v", kind: "string", value: "LEVEL", state: "works", help: "panic, fatal, error, warn, info, debug or trace (default info)" },
];

// prettier-ignore
export const EXECUTOR_FLAGS: readonly Flag[] = [
  { name: "annotation", kind: "list", value: "K=V", state: "works", help: "Add an annotation to the manifest" },
  { name: "bucket", short: "b", kind: "string", value: "NAME", state: "works", help: "Bucket of the build context, if --context has none: gs://NAME, or a whole URL" },
  { name: "build-arg", kind: "list", value: "K[=V]", state: "works", help: "Set a build argument; without a value, from the environment" },
  { name: "cache", kind: "boolean", state: "works", help: "Take layers from a repository of cached ones, and put new ones there" },
  { name: "cache-copy-layers", kind: "boolean", state: "ignored", help: "Also cache layers of COPY", note: "all layers are cached alike" },
  { name: "cache-dir", kind: "string", value: "DIR", state: "works", help: "Folder of base images that the warmer filled (default /cache)" },
  { name: "cache-repo", kind: "string", value: "NAME", state: "works", help: "Repository of cached layers, or oci:FOLDER (default: the first destination with /cache)" },
  { name: "cache-run-layers", kind: "boolean", state: "works", help: "Take results of RUN from caches (default true)" },
  { name: "cache-ttl", kind: "string", value: "DURATION", state: "works", help: "How long cached layers and warmed images count (default 336h)" },
  { name: "cleanup", kind: "boolean", state: "ignored", help: "Clean the filesystem at the end" },
  { name: "compressed-caching", kind: "boolean", state: "ignored", help: "Compress the cached layers in memory" },
  { name: "compression", kind: "string", value: "KIND", state: "works", help: "gzip (default) or zstd" },
  { name: "compression-level", kind: "string", value: "N", state: "works", help: "How hard to compress" },
  { name: "context", short: "c", kind: "string", value: "URL", state: "works", help: "Build context: a folder, dir://, tar://, git://, https://, s3:// or gs:// (default /workspace/)" },
  { name: "context-sub-path", kind: "string", value: "PATH", state: "works", help: "Folder inside the context" },
  { name: "custom-platform", aliases: ["customPlatform"], kind: "string", value: "OS/ARCH", state: "works", help: "Platform to build for (default: this machine's)" },
  { name: "destination", short: "d", kind: "list", value: "NAME", state: "works", help: "Push the image there (may be repeated)" },
  { name: "digest-file", kind: "string", value: "FILE", state: "works", help: "Write the image's digest to a file, or PUT it to a URL" },
  { name: "dryrun", kind: "boolean", state: "works", help: "Only say which steps would run, and why" },
  { name: "dockerfile", short: "f", kind: "string", value: "FILE", state: "works", help: "The Dockerfile: a path or a URL (default Dockerfile)" },
  { name: "force", kind: "boolean", state: "ignored", help: "Run outside of a container" },
  { name: "force-build-metadata", kind: "boolean", state: "ignored", help: "Layers for metadata", note: "ignored: metadata makes no layers, and changes no file" },
  { name: "git", kind: "list", value: "K=V", state: "works", help: "Of a git context: branch=NAME, recurse-submodules=BOOL, insecure-skip-tls=BOOL, single-branch=BOOL, depth=N" },
  { name: "ignore-path", kind: "list", value: "PATH", state: "works", help: "What a RUN does there reaches no layer" },
  { name: "ignore-var-run", aliases: ["whitelist-var-run"], kind: "boolean", state: "works", help: "What a RUN does in /var/run reaches no layer (default true)" },
  { name: "image-download-retry", kind: "string", value: "N", state: "works", help: "Further attempts to pull (at least 4)" },
  { name: "image-format", kind: "string", value: "FORMAT", state: "works", help: "Media types: oci (default) or docker" },
  { name: "image-fs-extract-retry", kind: "string", value: "N", state: "works", help: "Further attempts to pull (at least 4)" },
  { name: "image-name-tag-with-digest-file", kind: "string", value: "FILE", state: "works", help: "Write NAME:TAG@DIGEST of each destination to a file" },
  { name: "image-name-with-digest-file", kind: "string", value: "FILE", state: "works", help: "Write NAME@DIGEST of each destination to a file" },
  { name: "insecure", kind: "boolean", state: "works", help: "Push by plain HTTP where there is no HTTPS" },
  { name: "kaniko-dir", kind: "string", value: "DIR", state: "works", help: "Folder of all that is kept (KANIKO_DIR)" },
  { name: "label", kind: "list", value: "K=V", state: "works", help: "Set a label of the image" },
  { name: "materialize", kind: "boolean", state: "ignored", help: "Leave the files of the image in place" },
  { name: "no-push-cache", kind: "boolean", state: "works", help: "Put no layers into the cache" },
  { name: "no-push", kind: "boolean", state: "works", help: "Push nothing (KANIKO_NO_PUSH)" },
  { name: "oci-layout-path", kind: "string", value: "DIR", state: "works", help: "Write the image as an OCI layout" },
  { name: "pre-cleanup", kind: "boolean", state: "ignored", help: "Clean the filesystem at the beginning" },
  { name: "preserve-context", kind: "boolean", state: "ignored", help: "Keep the build context" },
  { name: "push-ignore-immutable-tag-errors", kind: "boolean", state: "works", help: "A tag that is there and cannot be changed is no failure" },
  { name: "push-retry", kind: "string", value: "N", state: "works", help: "Further attempts to push (at least 4)" },
  { name: "reproducible", kind: "boolean", state: "works", help: "Same input, same bytes: times are SOURCE_DATE_EPOCH's, or 0" },
  { name: "require-sandbox", kind: "string", value: "WHAT", state: "works", help: "Fail at once unless RUN has it: namespaces, or a driver (launcher, crun, runc, unshare, chroot)" },
  { name: "secret", kind: "list", value: "SPEC", state: "works", help: "Secret for RUN --mount=type=secret: id=X[,src=FILE][,env=VAR]" },
  { name: "single-snapshot", kind: "boolean", state: "works", help: "One layer of all that the build adds" },
  { name: "skip-push-permission-check", kind: "boolean", state: "works", help: "Do not ask the registry before the build" },
  { name: "skip-tls-verify", kind: "boolean", state: "works", help: "Push without checking certificates" },
  { name: "skip-unused-stages", kind: "boolean", state: "ignored", help: "Build only the stages that are needed" },
  { name: "snapshot-mode", aliases: ["snapshotMode"], kind: "string", state: "ignored", help: "How changes are found", note: READS_CHANGES },
  { name: "tar-path", aliases: ["tarPath"], kind: "string", value: "FILE", state: "works", help: "Write the image as an archive for docker load" },
  { name: "target", kind: "list", value: "STAGE", state: "works", help: "Stage to build (default: the last); of several, the first one is the image" },
  { name: "use-new-run", kind: "boolean", state: "ignored", help: "How changes are found", note: READS_CHANGES },
  ...REGISTRY_FLAGS,
  ...LOG_FLAGS,
];

const PUSH_FLAG_NAMES = new Set([
  "destination",
  "digest-file",
  "image-name-tag-with-digest-file",
  "image-name-with-digest-file",
  "insecure",
  "kaniko-dir",
  "push-ignore-immutable-tag-errors",
  "push-retry",
  "skip-push-permission-check",
  "skip-tls-verify",
]);

/** `executor push`: those of a job that are about its destinations. */
// prettier-ignore
export const EXECUTOR_PUSH_FLAGS: readonly Flag[] = [
  { name: "resume", kind: "boolean", state: "works", help: "Push what a job built and could not push: NAME is its --destination" },
  ...EXECUTOR_FLAGS.filter(({ name }) => PUSH_FLAG_NAMES.has(name)),
  ...REGISTRY_FLAGS,
  ...LOG_FLAGS,
];
