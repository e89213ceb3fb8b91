// A server of a test on a loopback port of its own.

import type { Server } from "node:http";

export interface LoopbackServer extends AsyncDisposable {
  /** "http://127.0.0.1:40001". */
  readonly url: string;
}

/** Has a server listen, on a port of its own if none is named; disposing it ends its connections too. */
export async function listenOnLoopback(server: Server, port = 0): Promise<LoopbackServer> {
  const { promise: listening, resolve } = Promise.withResolvers<void>();
  server.listen(port, "127.0.0.1", resolve);
  await listening;
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      await endServer(server);
    },
  };
}

/** Ends a server and its connections. In this order: one that came between would be waited for until it is idle. */
export async function endServer(server: Server): Promise<void> {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  await closed;
}
