// Events of a build on standard error, as `--progress` says, for a command that may begin anew inside a user namespace.

import { asBuildError, type BuildError } from "../../builder/core/errors.ts";
import type { EventSink } from "../../builder/core/events.ts";
import { NamespaceNeeded } from "../../builder/core/system/namespace.ts";
import { excerpt } from "../cli/error-text.ts";
import type { Display, ProgressMode } from "../progress/display.ts";
import { coloursAsked, openDisplay } from "../progress/display.ts";
import { HeldEvents } from "../progress/held-events.ts";
import type { CommandContext } from "./command.ts";

/** A slow registry should not look like a program that hangs. */
const HOLD_MS = 5000;

/** A display and what leads to it. */
export interface ShownEvents {
  readonly display: Display;
  /** What was said until the build begins anew inside a user namespace is not said twice. */
  readonly events: HeldEvents;
  /** Whether it may. */
  readonly repeatable: boolean;
}

/** Opens the display; `tap` hears of each event as well. */
export async function showEvents(
  { environment, outcome }: CommandContext,
  mode: ProgressMode,
  tap: Display["sink"] = () => undefined,
): Promise<ShownEvents> {
  const { mayNeedNamespace } = await import("../../builder/namespace.ts");
  const display = await openDisplay({
    mode,
    stream: process.stderr,
    colours: coloursAsked(environment),
    debug: outcome.debug,
    logLines: logLines(environment["BUILDKIT_TTY_LOG_LINES"]),
    now: Date.now,
    excerpt,
  });
  const repeatable = mayNeedNamespace();
  const sink: Display["sink"] = (event) => {
    tap(event);
    display.sink(event);
  };
  return { display, events: new HeldEvents(sink, repeatable ? HOLD_MS : 0), repeatable };
}

/** Ends it: with what was said, or for a failure. */
export function closeShown({ display, events }: ShownEvents, error?: BuildError): void {
  events.release();
  display.close(error);
}

/**
 * Ends it for what was thrown; gives the failure to throw on. What has to begin anew in a namespace takes along what was not
 * shown yet, and is thrown itself.
 */
export function closeFailed({ outcome }: CommandContext, shown: ShownEvents, error: unknown): BuildError {
  keepNotes(shown, error);
  const failure = asBuildError(error);
  closeShown(shown, failure);
  outcome.told ||= shown.display.tellsErrors;
  return failure;
}

/** Throws on what has to begin anew in a namespace, with what was said meanwhile and not shown. */
export function keepNotes({ events }: ShownEvents, error: unknown): void {
  if (!(error instanceof NamespaceNeeded)) return;
  error.notes.push(...events.drop());
  throw error;
}

/** Shows what is done before a command's own builds. Where that may begin anew, what was quick is shown when it does. */
export async function showBefore(
  context: CommandContext,
  mode: ProgressMode,
  work: (events: EventSink) => Promise<void>,
): Promise<void> {
  const shown = await showEvents(context, mode);
  try {
    await work(shown.events.sink);
    if (shown.repeatable) shown.events.drop();
    closeShown(shown);
  } catch (error) {
    throw closeFailed(context, shown, error);
  }
}

/** As BuildKit reads it: what is no number is not heeded. */
function logLines(text = ""): number | undefined {
  return /^\d{1,3}$/.test(text) ? Number(text) : undefined;
}
