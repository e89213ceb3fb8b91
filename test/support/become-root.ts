// Tests that build in their own process go on as root of a user namespace when an ordinary user runs them.

import process from "node:process";

import { BuildError } from "../../builder/core/errors.ts";
import { mayNeedNamespace, runInNamespace } from "../../builder/namespace.ts";

/** Does not come back where the process had to be started again; the reason when that cannot be done here. */
export async function becomeRoot(): Promise<string | undefined> {
  if (!mayNeedNamespace()) return undefined;
  try {
    process.exit(await runInNamespace(process.argv.slice(1), process.env));
  } catch (error) {
    if (error instanceof BuildError && error.code === "SANDBOX") return error.message;
    throw error;
  }
}
