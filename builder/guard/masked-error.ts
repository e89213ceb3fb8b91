// Errors without secrets.

import { BuildError } from "../core/errors.ts";
import type { Masker } from "./masker.ts";

/** The error, and what caused it, as it may be shown. */
export function maskedError(error: BuildError, masker: Masker): BuildError {
  const { code, location, hint, exitCode, others } = error;
  const text = location?.text === undefined ? location : { ...location, text: masker.text(location.text) };
  const masked = new BuildError(code, masker.text(error.message), {
    cause: maskedCause(error.cause, masker),
    location: text,
    hint: hint === undefined ? undefined : masker.text(hint),
    exitCode,
    others: others.map((other) => maskedError(other, masker)),
  });
  if (error.stack !== undefined) masked.stack = masker.text(error.stack);
  return masked;
}

/** Causes are for the debug output: their text and stack are all that is kept. */
function maskedCause(cause: unknown, masker: Masker, depth = 0): unknown {
  if (typeof cause === "string") return masker.text(cause);
  if (!(cause instanceof Error) || depth === DEEPEST_CAUSE) return undefined;
  if (cause instanceof BuildError) return maskedError(cause, masker);
  const masked = new Error(masker.text(cause.message), { cause: maskedCause(cause.cause, masker, depth + 1) });
  masked.stack = masker.text(cause.stack ?? "");
  return masked;
}

/** Against causes that go round. */
const DEEPEST_CAUSE = 20;
