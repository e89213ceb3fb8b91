// The flags of `tsbuild index`: those of docker buildx imagetools and of docker's and podman's manifest commands.

import { accessFlags, INSECURE_FLAG, RETRY_TIMES } from "./access-flags.ts";
import type { Flag } from "../flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { COMMON, QUIET, REGISTRY, SIGNATURES } from "./transfer-flags.ts";

const ADD = "tsbuild index add NAME IMAGE does it";
const OWN_PLATFORM = "an index says what the image's config says of its platform";
const AS_THEY_ARE = "manifests stay what they are; tsbuild copy changes them";

// prettier-ignore
export const INDEX_FLAGS: readonly Flag[] = [
  { name: "annotation", kind: "list", value: "[TYPE:]K=V", state: "works", help: "Annotate the index, a manifest-descriptor[OS/ARCH] or the index-descriptor" },
  { name: "all", short: "a", kind: "boolean", state: "ignored", help: "Take all images of a list (always so)" },
  { name: "amend", kind: "boolean", state: "later", help: "Add to an index that is there", note: ADD },
  { name: "append", kind: "boolean", state: "later", help: "Add to an index that is there", note: ADD },
  { name: "arch", kind: "string", state: "later", help: "Another architecture", note: OWN_PLATFORM },
  { name: "builder", kind: "string", state: "ignored", help: "Which builder's registry settings count" },
  { name: "compression-format", kind: "string", state: "later", help: "Compress layers", note: AS_THEY_ARE },
  { name: "digestfile", kind: "string", value: "FILE", state: "works", help: "Write the digest of the index to a file" },
  { name: "dry-run", kind: "boolean", state: "works", help: "Print the index and make nothing" },
  { name: "features", kind: "string", state: "later", help: "Features of the platform", note: OWN_PLATFORM },
  { name: "file", short: "f", kind: "list", state: "later", help: "Read descriptors from a file", note: "name the images: NAME@DIGEST" },
  { name: "format", kind: "string", state: "later", help: "Form of the manifests", note: AS_THEY_ARE },
  { name: "insecure", kind: "boolean", state: "later", help: "Reach the registry without a certificate", note: "write --tls-verify=false, or --insecure-registry HOST" },
  { name: "metadata-file", kind: "string", state: "later", help: "Write what was made to a file", note: "take --json or --digestfile" },
  { name: "os", kind: "string", state: "later", help: "Another operating system", note: OWN_PLATFORM },
  { name: "os-features", kind: "string", state: "later", help: "Features of the operating system", note: OWN_PLATFORM },
  { name: "os-version", kind: "string", state: "later", help: "Version of the operating system", note: OWN_PLATFORM },
  { name: "platform", short: "p", kind: "list", value: "OS/ARCH", state: "works", help: "Take only the images of these platforms" },
  { name: "prefer-index", kind: "string", bare: "true", state: "later", help: "An index also over a single image", harmless: /^(1|t|T|true|True|TRUE)$/, note: "tsbuild copy copies a single image as it is" },
  { name: "purge", kind: "boolean", state: "later", help: "Forget the index afterwards", note: "with --push the store has none; tsbuild rmi NAME takes one away" },
  { name: "push", kind: "boolean", state: "works", help: "Put it into the registry of its name, not into the store" },
  { name: "tag", short: "t", kind: "list", value: "NAME", state: "works", help: "One more name for the index" },
  { name: "rm", kind: "boolean", state: "later", help: "Forget the index afterwards", note: "with --push the store has none; tsbuild rmi NAME takes one away" },
  { name: "variant", kind: "string", state: "later", help: "Another variant of the architecture", note: OWN_PLATFORM },
  ...SIGNATURES,
  ...QUIET,
  ...REGISTRY,
  ...COMMON,
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const INDEX_INSPECT_FLAGS: readonly Flag[] = [
  { name: "builder", kind: "string", state: "ignored", help: "Which builder's registry settings count" },
  { name: "format", kind: "string", state: "later", help: "A template", note: "take --json, and jq" },
  INSECURE_FLAG,
  { name: "json", kind: "boolean", state: "works", help: "Print the index as JSON" },
  { name: "raw", kind: "boolean", state: "works", help: "Print the index as it is, byte for byte" },
  RETRY_TIMES,
  ...accessFlags(""),
  ...GLOBAL_FLAGS,
];
