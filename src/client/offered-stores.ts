// The layouts that a daemon may read from and write to, as content stores by their ids ("oci:<name>", "local:<folder>",
// "export"; containerd, services/content; BuildKit, session/content).

import type { BlobWriter, OfferedLayout } from "../../builder/offered-layout.ts";
import type { Digest } from "../../builder/core/digest.ts";
import { isDigest } from "../../builder/core/digest.ts";
import { asBuildError } from "../../builder/core/errors.ts";
import { streaming, unary } from "../api/grpc/methods.ts";
import type { Handler, ServerCall } from "../api/grpc/server.ts";
import { CODE, RpcError } from "../api/grpc/status.ts";
import {
  ContentInfoRequest,
  ContentInfoResponse,
  ContentReadRequest,
  ContentReadResponse,
  ContentWriteRequest,
  ContentWriteResponse,
  WRITE_ACTION,
} from "../api/proto/content.ts";

const SERVICE = "/containerd.services.content.v1.Content";

/** The methods of a session about them. */
export function storeHandlers(stores: ReadonlyMap<string, OfferedLayout>): readonly (readonly [string, Handler])[] {
  const storeOf = ({ metadata }: ServerCall): OfferedLayout => {
    const id = metadata.get("buildkit-attachable-store-id") ?? "";
    const store = stores.get(id);
    if (store === undefined) throw new RpcError(CODE.notFound, `no content store "${id}" is offered`);
    return store;
  };
  return [
    [
      `${SERVICE}/Info`,
      unary(ContentInfoRequest, ContentInfoResponse, async ({ digest }, call) => ({
        info: {
          digest,
          size: await sizeIn(storeOf(call), digestOf(digest)),
          createdAt: undefined,
          updatedAt: undefined,
        },
      })),
    ],
    [
      `${SERVICE}/Read`,
      streaming(ContentReadRequest, async ({ digest, offset, size }, call) => {
        const store = storeOf(call);
        await sizeIn(store, digestOf(digest));
        const length = size > 0 ? size : Number.POSITIVE_INFINITY;
        let at = offset;
        for await (const data of store.read(digestOf(digest), offset, length, call.signal)) {
          await call.send(ContentReadResponse.encode({ offset: at, data }));
          at += data.length;
        }
      }),
    ],
    [`${SERVICE}/Write`, (call) => takeBlob(call, storeOf(call))],
  ];
}

async function sizeIn(store: OfferedLayout, digest: Digest): Promise<number> {
  const size = await store.size(digest);
  if (size === undefined) throw new RpcError(CODE.notFound, `${digest} is not there`);
  return size;
}

function digestOf(text: string): Digest {
  if (!isDigest(text)) throw new RpcError(CODE.invalidArgument, `"${text}" is no digest`);
  return text;
}

/** Each message is answered with how much has come. */
async function takeBlob(call: ServerCall, store: OfferedLayout): Promise<void> {
  let writer: BlobWriter | undefined;
  try {
    let [written, total, expected] = [0, 0, ""];
    for await (const bytes of call.messages) {
      const message = ContentWriteRequest.decode(bytes);
      [total, expected] = [message.total || total, message.expected || expected];
      if (message.action === WRITE_ACTION.stat) {
        if (expected !== "" && (await store.size(digestOf(expected))) !== undefined)
          throw new RpcError(CODE.alreadyExists, `${expected} is there already`);
      } else if (message.data.length > 0 || message.action === WRITE_ACTION.commit) {
        if (message.data.length > 0 && message.offset !== written)
          throw new RpcError(CODE.invalidArgument, `the bytes at ${message.offset} came after ${written}`);
        writer ??= await store.writer(call.signal);
        await writer.write(message.data);
        written += message.data.length;
        if (message.action === WRITE_ACTION.commit) await commit(store, writer, digestOf(expected), total || written);
      }
      const { action } = message;
      const digest = action === WRITE_ACTION.commit ? expected : "";
      await call.send(ContentWriteResponse.encode({ action, offset: written, total, digest }));
    }
  } finally {
    await writer?.[Symbol.asyncDispose]();
  }
}

async function commit(store: OfferedLayout, writer: BlobWriter, digest: Digest, size: number): Promise<void> {
  try {
    await store.commit(writer, { digest, size });
  } catch (error) {
    throw new RpcError(CODE.failedPrecondition, asBuildError(error).message);
  }
}
