// What is said when registries did not take an image.

import { BuildError } from "../core/errors.ts";

/** `PUSH` with all that registries answered: the image is there, and the exit code says so. Another first failure as it is. */
export function pushError([first, ...others]: readonly unknown[]): unknown {
  if (!(first instanceof BuildError) || first.code !== "REGISTRY") return first;
  const more = others.map((error) => `; ${error instanceof Error ? error.message : String(error)}`).join("");
  return new BuildError("PUSH", `${first.message}${more}`, { cause: first, hint: first.hint });
}
