// The flags of `docker buildx bake`.

import type { Flag } from "../flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { HOST_FLAGS } from "./host-flags.ts";

// prettier-ignore
export const BAKE_FLAGS: readonly Flag[] = [
  { name: "allow", kind: "list", value: "ENTITLEMENT", state: "works", help: "Permit network.host, security.insecure, or fs[.read|.write]=PATH outside the working directory" },
  { name: "builder", kind: "string", state: "later", help: "Override the configured builder instance", note: "tsbuild is its own builder", harmless: /^(default)?$/ },
  { name: "call", kind: "string", value: "METHOD", state: "works", help: "Ask instead of building: check, outline or targets[,format=json]" },
  { name: "check", kind: "boolean", state: "works", help: "Shorthand for --call=check" },
  { name: "file", short: "f", kind: "list", value: "FILE", state: "works", help: "Definition: docker-bake.hcl, .json or a compose file; - for stdin; several are merged" },
  { name: "list", kind: "string", value: "TYPE", state: "works", help: "List targets or variables: type=targets|variables[,format=table|json]" },
  { name: "load", kind: "boolean", state: "works", help: "Load images into the docker daemon too" },
  { name: "metadata-file", kind: "string", value: "FILE", state: "works", help: "Write digests and names of all targets as JSON to a file" },
  { name: "no-cache", kind: "boolean", state: "works", help: "Run every step again" },
  { name: "policy", kind: "list", state: "later", help: "Source policy" },
  { name: "print", kind: "boolean", state: "works", help: "Print the targets without building" },
  { name: "progress", kind: "string", value: "MODE", state: "works", help: "auto, tty, plain, rawjson, quiet or none" },
  { name: "provenance", kind: "string", value: "SPEC", state: "works", help: 'Shorthand for --set=*.attest=type=provenance' },
  { name: "pull", kind: "boolean", state: "works", help: "Ask the registry for newer base images" },
  { name: "push", kind: "boolean", state: "works", help: "Push images to the registries of their tags" },
  { name: "sbom", kind: "string", value: "BOOL", state: "works", help: "Shorthand for --set=*.attest=type=sbom" },
  { name: "set", kind: "list", value: "T.KEY=VALUE", state: "works", help: "Replace what a target says (*.platform=linux/arm64), or add to it (+=)" },
  { name: "var", kind: "list", value: "NAME=VALUE", state: "works", help: "Set a variable" },
  ...HOST_FLAGS,
  ...GLOBAL_FLAGS,
];
