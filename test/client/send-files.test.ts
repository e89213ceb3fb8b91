// A receiver that waits for the end of the call after the last packet, as BuildKit's does (fsutil, receive.go).

import assert from "node:assert/strict";
import { test } from "node:test";
import { sendFiles } from "../../src/api/files/send-files.ts";
import { messagesOf } from "../../src/api/grpc/framing.ts";
import { readPacket, writePacket } from "../../src/api/proto/packets.ts";

test(
  "who serves a transfer ends it when the receiver has all, and does not wait for its end",
  { timeout: 60_000 },
  async () => {
    const sent: Uint8Array[] = [];
    const file = { path: "a", type: "file", mode: 0o644, uid: 0, gid: 0, size: 1, mtimeNs: 0n } as const;
    async function* receiver(): AsyncGenerator<readonly Uint8Array[], void, void> {
      yield [writePacket({ kind: "request", id: 0 })];
      yield [writePacket({ kind: "finish" })];
      await new Promise(() => setTimeout(() => undefined, 0)); // for ever: the other side is to end the call
    }
    const call = {
      messages: messagesOf(receiver()),
      send: (...parts: readonly Uint8Array[]) => Promise.resolve(void sent.push(Buffer.concat(parts))),
      sendAll: (messages: readonly Uint8Array[]) => Promise.resolve(void sent.push(...messages)),
    };
    await sendFiles(call, [{ file, source: { kind: "bytes", bytes: Buffer.from("A") } }], {
      name: "it",
      code: "CONTEXT",
    });
    assert.deepEqual(sent.map((message) => readPacket(message).kind).toSorted(), [
      "data",
      "data",
      "finish",
      "stat",
      "stat",
    ]);
  },
);
