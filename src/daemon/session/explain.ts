// What went wrong at the client's end, in words that say what it was for.

import type { ErrorCode } from "../../../builder/core/errors.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import { RpcError } from "../../api/grpc/status.ts";
import { MalformedMessage } from "../../api/proto/message.ts";

/** An error of a session as a BuildError with a code of ours; others as they are. */
export function explainSession(error: unknown, what: string, code: ErrorCode, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (!(error instanceof RpcError) && !(error instanceof MalformedMessage)) return error;
  return new BuildError(code, `${what}: ${error.message}`, { cause: error });
}
