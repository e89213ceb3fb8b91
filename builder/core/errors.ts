// The one error class. Its codes are a closed list: never renamed, never reused.
// `src/main.ts` alone turns an error into text and an exit code.

/** What kind of thing failed; the exit code follows from it (docs/manual, "Exit codes"). */
export type ErrorCode =
  | "USAGE" // flags or arguments
  | "UNSUPPORTED" // understood, but not offered
  | "DOCKERFILE" // syntax or meaning of a Dockerfile
  | "CONTEXT" // build context: missing, unreadable, ignored path
  | "INPUT_MISSING" // a file or image that was named is not there
  | "DIGEST_INVALID" // not a digest, or bytes that do not have it
  | "REFERENCE_INVALID" // not an image name
  | "ARCHIVE_INVALID" // tar, compression, layout or image that breaks its format
  | "REGISTRY" // a registry or another server said no, or lied
  | "RUN_FAILED" // a RUN ended with another exit code than 0
  | "SANDBOX" // the sandbox a RUN needs is not permitted here
  | "OUTPUT" // the result cannot be written
  | "SECRET_IN_RESULT" // a secret stands in what was to be written
  | "STORE" // our own store is damaged or cannot be written
  | "PUSH" // built, but not pushed
  | "CONFIG" // a configuration file
  | "CANCELLED" // a signal, or another part of the build failed first
  | "INTERNAL"; // a broken invariant of ours

/** A part of a text file; lines and columns count from 1, the end is inclusive. */
export interface SourceRange {
  readonly startLine: number;
  readonly endLine: number;
}

/** Where in a Dockerfile something is said. */
export interface SourceLocation {
  /** As the person named it: "Dockerfile", "sub/x.Dockerfile". */
  readonly file: string;
  readonly range: SourceRange;
  /** The whole text, for the excerpt. */
  readonly text?: string;
}

export interface BuildErrorOptions {
  readonly cause?: unknown;
  readonly location?: SourceLocation | undefined;
  /** What the person can do about it; one line. */
  readonly hint?: string | undefined;
  /** Exit code of the program that a RUN ran. */
  readonly exitCode?: number | undefined;
  /** What else is wrong with the same file. */
  readonly others?: readonly BuildError[] | undefined;
}

/** Says what failed; with `location` where, with `hint` what to do about it. */
export class BuildError extends Error {
  readonly code: ErrorCode;
  readonly location: SourceLocation | undefined;
  readonly hint: string | undefined;
  readonly exitCode: number | undefined;
  readonly others: readonly BuildError[];

  constructor(code: ErrorCode, message: string, options: BuildErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "BuildError";
    this.code = code;
    this.location = options.location;
    this.hint = options.hint;
    this.exitCode = options.exitCode;
    this.others = options.others ?? [];
  }

  /** The same error with more said of it. */
  with(more: Pick<BuildErrorOptions, "location" | "others" | "hint">): BuildError {
    const { code, message, hint, exitCode, others, location } = this;
    return new BuildError(code, message, { cause: this.cause ?? this, hint, exitCode, others, location, ...more });
  }
}

/** A push was stopped; the image has its names in the store by then. */
export class PushStopped extends BuildError {
  constructor(reason: unknown) {
    super("CANCELLED", reason instanceof Error ? reason.message : String(reason), { cause: reason });
  }
}

/** The same error with a place in a Dockerfile, unless it has one already. Anything else becomes `INTERNAL`. */
export function withLocation(error: unknown, location: SourceLocation): BuildError {
  const known = asBuildError(error);
  return known.location === undefined ? known.with({ location }) : known;
}

/** What was thrown, as a BuildError; system errors keep their text, unknown ones become `INTERNAL`. */
export function asBuildError(error: unknown): BuildError {
  if (error instanceof BuildError) return error;
  const code = isSystemError(error) ? error.code : databaseErrno(error);
  const known = code === undefined ? undefined : NO_PLACE.get(code);
  if (known !== undefined && error instanceof Error)
    return new BuildError("OUTPUT", `${known.reason} (${error.message})`, { cause: error, hint: known.hint });
  const message = error instanceof Error ? error.message : String(error);
  return new BuildError("INTERNAL", message, { cause: error });
}

const NO_PLACE: ReadonlyMap<string, { readonly reason: string; readonly hint?: string }> = new Map([
  ["ENOSPC", { reason: "the disk is full", hint: "free some space, or point --root at another file system" }],
  ["EROFS", { reason: "the file system is read-only", hint: "point --root at a writable one" }],
  ["EDQUOT", { reason: "the disk quota is used up" }],
]);

/** Whether something could not be written because there is no room, in the words of a system or of a database. */
export function isDiskFull(error: unknown): boolean {
  return isErrno(error, "ENOSPC", "EDQUOT") || databaseErrno(error) === "ENOSPC";
}

/** What an error of a database means, as the operating system would say it (sqlite.org/rescode.html: READONLY, FULL). */
function databaseErrno(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  const primary = Number(error.errcode) & 0xff;
  return primary === 13 ? "ENOSPC" : primary === 8 ? "EROFS" : undefined;
}

/** An error of the operating system, with its errno name in `code`. */
export function isSystemError(error: unknown): error is Error & { code: string; path?: string } {
  return error instanceof Error && "code" in error && typeof error.code === "string" && /^E[A-Z0-9]+$/.test(error.code);
}

/** Whether a system error has one of these errno names. */
export function isErrno(error: unknown, ...codes: string[]): boolean {
  return isSystemError(error) && codes.includes(error.code);
}
