// What a daemon says a build failed with, as the error that the same build has here: with the lines of the Dockerfile,
// and the exit code of the program that a RUN ran.

import * as v from "valibot";
import type { ErrorCode, SourceLocation } from "../../builder/core/errors.ts";
import { BuildError } from "../../builder/core/errors.ts";
import type { Status } from "../api/grpc/status.ts";
import { CODE, KIND_DETAIL, RpcError } from "../api/grpc/status.ts";
import { MalformedMessage } from "../api/proto/message.ts";

const Line = v.object({ line: v.optional(v.number(), 1) });
const Source = v.object({
  info: v.object({
    filename: v.optional(v.string(), "Dockerfile"),
    data: v.optional(v.string(), ""),
  }),
  ranges: v.optional(v.nullable(v.array(v.object({ start: Line, end: Line }))), []),
});

/** Anything that was thrown while a daemon worked; what is no error of its is returned as it is. */
export function explained(error: unknown, host: string): unknown {
  if (error instanceof MalformedMessage)
    return new BuildError("INTERNAL", `${host} answers in a way that cannot be understood: ${error.message}`, {
      cause: error,
    });
  if (!(error instanceof RpcError)) return error;
  const { code, message } = error.status;
  const exitCode = Number(/did not complete successfully: exit code: (\d+)/.exec(message)?.[1] ?? Number.NaN);
  const location = locationOf(error.status);
  if (!Number.isNaN(exitCode))
    return new BuildError("RUN_FAILED", plain(message), {
      cause: error,
      location,
      exitCode,
    });
  if (code === CODE.unavailable)
    return new BuildError("INPUT_MISSING", `${host}: ${plain(message)}`, {
      cause: error,
    });
  return new BuildError(kindOf(error.status) ?? codeOf(code, location), plain(message), {
    cause: error,
    location,
  });
}

/** BuildKit puts these in front of what its frontend says. */
function plain(message: string): string {
  return message.replace(/^(?:rpc error: code = \w+ desc = |failed to solve: |dockerfile\.v0: )+/, "");
}

const KINDS = [
  ...([
    "USAGE",
    "UNSUPPORTED",
    "DOCKERFILE",
    "CONTEXT",
    "INPUT_MISSING",
    "DIGEST_INVALID",
    "REFERENCE_INVALID",
  ] as const),
  ...(["ARCHIVE_INVALID", "REGISTRY", "SANDBOX", "OUTPUT", "SECRET_IN_RESULT", "STORE", "PUSH", "CONFIG"] as const),
] satisfies readonly ErrorCode[];
const Kind = v.object({ code: v.picklist(KINDS) });

/** What a daemon of ours calls it. */
function kindOf({ details }: Status): ErrorCode | undefined {
  const read = v.safeParse(Kind, jsonOf(details, KIND_DETAIL));
  return read.success ? read.output.code : undefined;
}

/** A detail of that type; undefined when there is none, or it is no JSON: the message says what is to be said. */
function jsonOf(details: Status["details"], type: string): unknown {
  const detail = details.find(({ typeUrl }) => typeUrl.endsWith(type));
  if (detail === undefined) return undefined;
  try {
    return JSON.parse(Buffer.from(detail.value).toString("utf8"));
  } catch {
    return undefined;
  }
}

function codeOf(code: number, location: SourceLocation | undefined): ErrorCode {
  if (code === CODE.cancelled) return "CANCELLED";
  if (code === CODE.unimplemented) return "UNSUPPORTED";
  if (location !== undefined) return "DOCKERFILE";
  return code === CODE.invalidArgument ? "USAGE" : code === CODE.internal ? "INTERNAL" : "REGISTRY";
}

function locationOf({ details }: Status): SourceLocation | undefined {
  const source = v.safeParse(Source, jsonOf(details, "errdefs.Source+json"));
  if (!source.success) return undefined;
  const { info, ranges } = source.output;
  const [range] = ranges ?? [];
  const text = Buffer.from(info.data, "base64").toString("utf8");
  const startLine = range?.start.line ?? 1;
  return {
    file: info.filename,
    range: { startLine, endLine: Math.max(startLine, range?.end.line ?? 1) },
    text,
  };
}
