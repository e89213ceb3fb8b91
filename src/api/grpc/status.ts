// How a call ends: a code and a message, and details that clients know how to show.

import { BuildError } from "../../../builder/core/errors.ts";
import { StatusMessage } from "../proto/bridge.ts";
import { MalformedMessage } from "../proto/message.ts";
import type { Of } from "../proto/message.ts";

/** The codes of gRPC that are used here (grpc/doc/statuscodes.md). */
export const CODE = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const;

/** Type of the detail with the kind of an error, as JSON: one of our codes. */
export const KIND_DETAIL = "tsbuild/error+json";

/** google.rpc.Status. */
export type Status = Of<typeof StatusMessage>;

/** A call that failed, here or at the other end. */
export class RpcError extends Error {
  readonly status: Status;

  constructor(code: number, message: string, details: Status["details"] = [], cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "RpcError";
    this.status = { code, message, details };
  }
}

/** What was thrown, as the status of a call. */
export function statusOf(error: unknown): Status {
  if (error instanceof RpcError) return error.status;
  if (error instanceof MalformedMessage) return { code: CODE.invalidArgument, message: error.message, details: [] };
  if (error instanceof BuildError) return { code: CODE.unknown, message: error.message, details: [] };
  return { code: CODE.internal, message: error instanceof Error ? error.message : String(error), details: [] };
}

/** The trailers that say a status (grpc/doc/PROTOCOL-HTTP2.md). */
export function statusTrailers(status: Status): Record<string, string> {
  const { code, message, details } = status;
  return {
    "grpc-status": String(code),
    ...(message === "" ? {} : { "grpc-message": percentEncoded(message) }),
    ...(details.length === 0
      ? {}
      : { "grpc-status-details-bin": Buffer.from(StatusMessage.encode(status)).toString("base64") }),
  };
}

/** The status that trailers say; undefined where they say none. */
export function readStatus(trailers: Readonly<Record<string, unknown>>): Status | undefined {
  const code = trailers["grpc-status"];
  if (typeof code !== "string" || !/^\d{1,3}$/.test(code)) return undefined;
  const text = trailers["grpc-message"];
  const details = trailers["grpc-status-details-bin"];
  const message = typeof text === "string" ? percentDecoded(text) : "";
  if (typeof details === "string") {
    try {
      return { ...StatusMessage.decode(Buffer.from(details, "base64")), code: Number(code), message };
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error; // the code and the text stand
    }
  }
  return { code: Number(code), message, details: [] };
}

const LONGEST_MESSAGE_BYTES = 8 << 10;

/** Header lines are bounded; a longer text is cut. */
function percentEncoded(text: string): string {
  let result = "";
  for (const byte of Buffer.from(text, "utf8").subarray(0, LONGEST_MESSAGE_BYTES)) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    result += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return result;
}

function percentDecoded(text: string): string {
  const bytes = text.replaceAll(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, "latin1").toString("utf8");
}
