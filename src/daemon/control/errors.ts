// A build's failure as its client is told of it: the text, and the lines of the Dockerfile that it is about
// (BuildKit, solver/errdefs), which clients print.

import type { SourceLocation } from "../../../builder/core/errors.ts";
import { asBuildError, BuildError } from "../../../builder/core/errors.ts";
import { NamespaceNeeded } from "../../../builder/core/system/namespace.ts";
import type { Status } from "../../api/grpc/status.ts";
import { CODE, KIND_DETAIL, RpcError } from "../../api/grpc/status.ts";
import { errorText } from "../http/answer.ts";
import { MalformedMessage } from "../../api/proto/message.ts";

/** What a build threw, as the error of its call. */
export function rpcErrorOf(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  if (error instanceof MalformedMessage) return new RpcError(CODE.invalidArgument, error.message);
  if (error instanceof NamespaceNeeded)
    return rpcErrorOf(new BuildError("SANDBOX", "this daemon has no user namespace to run steps in"));
  const known = asBuildError(error);
  const details = known.location === undefined ? [] : [sourceDetail(known.location)];
  return new RpcError(codeOf(known), errorText(known), [...details, kindDetail(known)], known);
}

/** For our own client, which ends with the exit code that the same build has there; others read past it. */
function kindDetail({ code }: BuildError): Status["details"][number] {
  return { typeUrl: KIND_DETAIL, value: Buffer.from(JSON.stringify({ code })) };
}

/** As BuildKit: unknown, except where clients act on the code. */
function codeOf({ code }: BuildError): number {
  switch (code) {
    case "CANCELLED":
      return CODE.cancelled;
    case "USAGE":
      return CODE.invalidArgument;
    case "INTERNAL":
      return CODE.internal;
    case "UNSUPPORTED":
    case "DOCKERFILE":
    case "CONTEXT":
    case "INPUT_MISSING":
    case "DIGEST_INVALID":
    case "REFERENCE_INVALID":
    case "ARCHIVE_INVALID":
    case "REGISTRY":
    case "RUN_FAILED":
    case "SANDBOX":
    case "OUTPUT":
    case "SECRET_IN_RESULT":
    case "STORE":
    case "PUSH":
    case "CONFIG":
      return CODE.unknown;
  }
}

/** The detail is JSON in spite of its wrapping. */
function sourceDetail({ file, text = "", range }: SourceLocation): Status["details"][number] {
  const data = Buffer.from(text).toString("base64");
  const source = {
    info: { filename: file, data, language: "Dockerfile" },
    ranges: [{ start: { line: range.startLine }, end: { line: range.endLine } }],
  };
  return {
    typeUrl: "github.com/moby/buildkit/errdefs.Source+json",
    value: Buffer.from(JSON.stringify(source)),
  };
}
