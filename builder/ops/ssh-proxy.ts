// A step never gets the client's own agent socket, but one of ours in front of it, whose
// owner and mode are the step's to choose and which ends with the step.

import { closeSync, openSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { BuildError } from "../core/errors.ts";

/** Listens on a new socket in `directory` and joins every connection with one to `agent`. */
export async function proxyAgent(
  agent: string,
  directory: string,
): Promise<AsyncDisposable & { readonly socket: string }> {
  const socket = join(directory, "agent.sock");
  const open = new Set<{ destroy(): void }>();
  const server = createServer((client) => {
    const upstream = connect(agent);
    for (const side of [client, upstream]) {
      open.add(side);
      side.on("error", () => {
        client.destroy();
        upstream.destroy();
      });
      side.on("close", () => open.delete(side));
    }
    client.pipe(upstream).pipe(client);
  });
  // unix(7): a socket's path has at most 107 bytes, and a store's may be longer.
  const folder = openSync(directory, "r");
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error) =>
        reject(new BuildError("SANDBOX", `cannot forward the SSH agent: ${error.message}`, { cause: error })),
      );
      server.listen(`/proc/self/fd/${folder}/agent.sock`, resolve);
    });
  } finally {
    closeSync(folder);
  }
  return {
    socket,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        for (const side of open) side.destroy();
        server.close(() => resolve());
      }),
  };
}
