// `tsbuild dial-stdio`: a daemon's socket as standard input and output. `--host ssh://…` starts it on the other machine.

import { pipeline } from "node:stream/promises";
import { HOST_FLAGS } from "../../cli/flags/host-flags.ts";
import { textOf } from "../../cli/flags.ts";
import { defaultAddress } from "../../config/daemon/daemon-address.ts";
import type { Command } from "../command.ts";
import { exactly, readArguments } from "../command.ts";

const USAGE = `Usage:  tsbuild dial-stdio [OPTIONS]

Passes bytes on to a daemon from standard input, and from there to standard output. Without --host to this machine's
own; TSBUILD_HOST does not count.`;

/** The command. Ends when either side does. */
export const dialStdio: Command = async (context) => {
  const args = await readArguments(context, HOST_FLAGS, USAGE);
  if (args === undefined) return 0;
  exactly(args, 0, "dial-stdio", "none");
  const { readHost } = await import("../../client/host.ts");
  const { rawConnection } = await import("../../client/connect.ts");
  const { environment, signal } = context;
  const address = textOf(args, "host") ?? defaultAddress(environment);
  const host = readHost(args, { ...environment, TSBUILD_HOST: address });
  if (host === undefined) return 0;
  const socket = await rawConnection(host, signal);
  const both = [pipeline(process.stdin, socket, { signal }), pipeline(socket, process.stdout, { signal })];
  try {
    await Promise.race([Promise.all(both), both[1]]);
  } catch {
    signal.throwIfAborted(); // a side that goes away is how this ends
  } finally {
    socket.destroy();
    process.stdin.destroy();
    await Promise.allSettled(both);
  }
  return 0;
};
