// The program once more, as root of a user namespace: what a door does when the engine
// says `NamespaceNeeded`.

import { BuildError } from "./core/errors.ts";
import { isPrivileged, NAMESPACE_VARIABLE } from "./executor/rights.ts";

/**
 * Runs `argv` (script and arguments) inside the best user namespace there is, where `notes` will be warnings; its exit
 * code. Throws `SANDBOX` when there is none.
 */
export async function runInNamespace(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  notes: readonly string[] = [],
): Promise<number> {
  const { enterUserNamespace, planUserNamespace } = await import("./executor/user-namespace.ts");
  const plan = await planUserNamespace(env);
  if (plan.kind === "direct") {
    throw new BuildError("SANDBOX", "this process may make namespaces, but not change the owners of files", {
      hint: "run tsbuild as an ordinary user, or as root with its usual capabilities",
    });
  }
  return await enterUserNamespace(argv, env, { ...plan, notes: [...notes, ...plan.notes] });
}

/** Whether a request may end in `NamespaceNeeded` here, so that it has to be one that can be made twice. */
export function mayNeedNamespace(): boolean {
  return !isPrivileged();
}

/** Whether this program was started once more in a namespace: what was said before was said by the one before. */
export function isInsideNamespace(environment: Readonly<Record<string, string | undefined>>): boolean {
  return environment[NAMESPACE_VARIABLE] !== undefined;
}
