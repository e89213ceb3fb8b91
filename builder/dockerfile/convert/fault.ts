// Errors of the Dockerfile.

import { BuildError } from "../../core/errors.ts";

/** A fault of the Dockerfile; the place is added by who knows it. */
export function fault(message: string, hint?: string): BuildError {
  return new BuildError("DOCKERFILE", message, { hint });
}
