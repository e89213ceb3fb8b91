// `--require-sandbox`, which every command has that may run steps.

import { BuildError } from "../../builder/core/errors.ts";
import type { RequiredSandbox } from "../../builder/request.ts";

const SANDBOXES: readonly RequiredSandbox[] = ["namespaces", "launcher", "crun", "runc", "unshare", "chroot"];

/** What is asked of RUN. Throws `USAGE`. */
export function sandbox(text: string | undefined): RequiredSandbox | undefined {
  if (text === undefined || text === "") return undefined;
  const found = SANDBOXES.find((name) => name === text);
  if (found === undefined)
    throw new BuildError("USAGE", `--require-sandbox: "${text}" is none of ${SANDBOXES.join(", ")}`);
  return found;
}
