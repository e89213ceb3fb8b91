// Handlers of typed calls.

import type { MessageType } from "../proto/message.ts";
import type { Handler, ServerCall } from "./server.ts";
import { CODE, RpcError } from "./status.ts";

/** One request, one response. */
export function unary<Q, A>(
  question: MessageType<Q>,
  answer: MessageType<A>,
  work: (request: Q, call: ServerCall) => Promise<Partial<A>> | Partial<A>,
): Handler {
  return async (call) => {
    const response = await work(await readOnly(question, call), call);
    await call.send(answer.encode(response));
  };
}

/** One request, any number of responses. */
export function streaming<Q>(question: MessageType<Q>, work: (request: Q, call: ServerCall) => Promise<void>): Handler {
  return async (call) => {
    await work(await readOnly(question, call), call);
    call.start();
  };
}

async function readOnly<Q>(type: MessageType<Q>, call: ServerCall): Promise<Q> {
  for await (const message of call.messages) return type.decode(message);
  throw new RpcError(CODE.invalidArgument, "the call has no request");
}
