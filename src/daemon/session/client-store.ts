// A content store of a client's, over its session (containerd, services/content; BuildKit, session/content).

import { randomUUID } from "node:crypto";
import type { Digest } from "../../../builder/core/digest.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import type { ClientStore } from "../../../builder/core/session.ts";
import type { ClientCall } from "../../api/grpc/client.ts";
import { CODE, RpcError } from "../../api/grpc/status.ts";
import {
  ContentInfoRequest,
  ContentInfoResponse,
  ContentReadRequest,
  ContentReadResponse,
  ContentWriteRequest,
  ContentWriteResponse,
  WRITE_ACTION,
} from "../../api/proto/content.ts";
import type { Of } from "../../api/proto/message.ts";
import type { ClientSession } from "./client-session.ts";
import { explainSession } from "./explain.ts";

const SERVICE = "/containerd.services.content.v1.Content";
/** Below what every client takes in one message. */
const CHUNK_BYTES = 1 << 20;

/** The store that a client offers under an id ("local:<folder>", "oci:<name>", "export"). */
export function clientStore(session: ClientSession, id: string, signal: AbortSignal): ClientStore {
  const metadata = { "buildkit-attachable-store-id": id };
  const offered = (method: string): string => {
    const path = `${SERVICE}/${method}`;
    if (!session.offers(path)) throw new BuildError("INPUT_MISSING", `the client offers no content store (${id})`);
    return path;
  };
  return {
    size: async (digest) => {
      try {
        const types = [ContentInfoRequest, ContentInfoResponse] as const;
        return (await session.client.unary(offered("Info"), types, { digest }, signal, metadata)).info?.size;
      } catch (error) {
        if (error instanceof RpcError && error.status.code === CODE.notFound) return undefined;
        throw explainSession(error, "the client's content store does not answer", "INPUT_MISSING", signal);
      }
    },
    read: async function* (digest, from) {
      try {
        await using call = session.client.call(offered("Read"), metadata, signal);
        await call.send(ContentReadRequest.encode({ digest, offset: from }));
        call.end();
        for await (const message of call.messages) yield ContentReadResponse.decode(message).data;
      } catch (error) {
        throw explainSession(
          error,
          `${digest} cannot be read from the client's content store`,
          "INPUT_MISSING",
          signal,
        );
      }
    },
    write: async (blob, bytes) => {
      try {
        await using call = session.client.call(offered("Write"), metadata, signal);
        await writeBlob(call, blob, bytes);
      } catch (error) {
        // Somebody else wrote it meanwhile, or it was there.
        if (error instanceof RpcError && error.status.code === CODE.alreadyExists) return;
        throw explainSession(error, `the client does not take ${blob.digest}`, "OUTPUT", signal);
      }
    },
  };
}

/** Each message is answered. */
async function writeBlob(
  call: ClientCall,
  { digest, size }: { readonly digest: Digest; readonly size: number },
  bytes: AsyncIterable<Uint8Array>,
): Promise<void> {
  const answers = call.messages[Symbol.asyncIterator]();
  const ask = async (request: Partial<Of<typeof ContentWriteRequest>>): Promise<void> => {
    await call.send(ContentWriteRequest.encode(request)).catch(async (error: unknown) => {
      await call.ended(); // what the client says is told, not that it stopped listening
      throw error;
    });
    const answer = await answers.next();
    if (answer.done === true) throw new RpcError(CODE.unavailable, "the client ended the transfer");
    ContentWriteResponse.decode(answer.value);
  };
  const ref = `tsbuild-${randomUUID()}`;
  await ask({ action: WRITE_ACTION.stat, ref, total: size, expected: digest });
  let offset = 0;
  for await (const chunk of bytes)
    for (let at = 0; at < chunk.length; at += CHUNK_BYTES) {
      const data = chunk.subarray(at, at + CHUNK_BYTES);
      await ask({ action: WRITE_ACTION.write, ref, total: size, expected: digest, offset, data });
      offset += data.length;
    }
  await ask({ action: WRITE_ACTION.commit, ref, total: size, expected: digest, offset });
  call.end();
}
