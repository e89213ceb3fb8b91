// What a transfer of files is carried by, and who is at its other end.

import type { ErrorCode } from "../../../builder/core/errors.ts";
import type { Messages } from "../grpc/framing.ts";

/** A call that carries packets both ways, seen from whichever side. */
export interface FileCall {
  readonly messages: Messages;
  send(...parts: readonly Uint8Array[]): Promise<void>;
  /** Sends small messages in one go. */
  sendAll(messages: readonly Uint8Array[]): Promise<void>;
  /** Says that nothing more will be sent, where that is not what the end of the call says. */
  end?(): void;
}

/** The other side, for what is said of it. */
export interface FilePeer {
  /** "the client". */
  readonly name: string;
  /** Of an error for what it does. */
  readonly code: ErrorCode;
}
