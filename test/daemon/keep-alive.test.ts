// Connections that are dead or idle end; one with a call that says nothing for long does not.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { GrpcClient } from "../../src/api/grpc/client.ts";
import { unary } from "../../src/api/grpc/methods.ts";
import { GrpcServer } from "../../src/api/grpc/server.ts";
import { HealthRequest, HealthResponse } from "../../src/api/proto/control.ts";

const LOOK_MS = 10;
const METHOD = "/grpc.health.v1.Health/Check";
const TYPES = [HealthRequest, HealthResponse] as const;
/** What a client of HTTP/2 begins with: the preface, and settings that say nothing (RFC 9113, 3.4). */
const BEGINNING = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");
const HEADERS = 1;
const END_HEADERS = 4;
/** :method POST, :scheme http, :path, content-type (RFC 7541, 6). */
const CALL = Buffer.concat([
  Buffer.from([0x83, 0x86, 0x04, METHOD.length]),
  Buffer.from(METHOD),
  Buffer.from([0x0f, 0x10, "application/grpc".length]),
  Buffer.from("application/grpc"),
]);

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.set([type, flags], 3);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

test("a connection ends that answers no ping, or has no call for long, and not one whose call is quiet", async () => {
  const answer = Promise.withResolvers<void>();
  const quiet = unary(HealthRequest, HealthResponse, async () => {
    await answer.promise;
    return { status: 1 };
  });
  const grpc = new GrpcServer(new Map([[METHOD, quiet]]), LOOK_MS);
  const server = createServer((socket) => grpc.accept(socket));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const sockets: Socket[] = [];
  /** Both ends of a new connection. */
  const open = async (): Promise<readonly [Socket, Socket]> => {
    const accepted = once(server, "connection");
    const own = connect(port, "127.0.0.1");
    sockets.push(own);
    return [own, (await accepted)[0] as Socket]; // net.Server's event
  };
  try {
    const [living] = await open();
    using client = new GrpcClient(living);
    const asked = client.unary(METHOD, TYPES, {}, new AbortController().signal);
    const [idle, idleThere] = await open();
    using _idle = new GrpcClient(idle);
    const [dead, deadThere] = await open();
    dead.write(Buffer.concat([BEGINNING, frame(HEADERS, END_HEADERS, 1, CALL)]));
    await Promise.all([once(idleThere, "close"), once(deadThere, "close")]);
    answer.resolve();
    assert.equal((await asked).status, 1);
  } finally {
    answer.resolve();
    for (const socket of sockets) socket.destroy();
    server.close();
    await grpc.stop();
  }
});
