// A daemon for the tests of the file that imports this, and its client.

import assert from "node:assert/strict";
import { mkdtemp, readdir, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import type { DaemonOptions } from "../../src/daemon/daemon.ts";
import { serve } from "../../src/daemon/daemon.ts";
import type { GrpcClient } from "../../src/api/grpc/client.ts";
import { RpcError } from "../../src/api/grpc/status.ts";
import { SolveRequest, SolveResponse } from "../../src/api/proto/control.ts";
import { HistoryEvent, HistoryRequest } from "../../src/api/proto/disk.ts";
import { buildThrough, connectTo, openSession } from "../support/build-client.ts";
import type { Offer } from "../support/build-client.ts";

export const NEVER = new AbortController().signal;
export const DOCKERFILE = "FROM scratch\nCOPY . /\n";

export let folder = "";
export let client: GrpcClient;
const stop = new AbortController();
let served: Promise<void>;
const said: string[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsbuild-daemon-"));
  served = serve(options("one.sock"), stop.signal);
  client = await connected(join(folder, "one.sock"));
});
after(async () => {
  client[Symbol.dispose]();
  stop.abort();
  await served;
  await rm(folder, { recursive: true });
});

export function options(socket: string): DaemonOptions {
  return {
    addresses: [`unix://${join(folder, socket)}`],
    isInsecure: false,
    environment: {},
    graceMs: 1000,
    patienceMs: 300,
    log: (_level, what, facts = {}) =>
      void said.push(`${what} ${typeof facts["ref"] === "string" ? facts["ref"] : ""}`),
    settings: {
      root: join(folder, "root"),
      tenant: "",
      entitlements: [],
      maxParallelism: 1,
      requireSandbox: undefined,
      environment: new Map(),
      registries: () => ({
        router: () => Promise.reject(new Error("no registry in this test")),
        expandName: undefined,
      }),
    },
  };
}

export async function connected(path: string): Promise<GrpcClient> {
  for (;;) {
    try {
      return await connectTo(path);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** What is told of builds of a name. */
export async function history(
  ref: string,
  of = client,
): Promise<readonly { readonly ref: string; readonly error: string | undefined; readonly isWhole: boolean }[]> {
  await using call = of.call("/moby.buildkit.v1.Control/ListenBuildHistory", {}, NEVER);
  await call.send(HistoryRequest.encode({ ref, earlyExit: true }));
  call.end();
  const found = [];
  for await (const message of call.messages) {
    const { record } = HistoryEvent.decode(message);
    assert.ok(record !== undefined && record.totalSteps > 0);
    const { error, completedSteps, totalSteps } = record;
    found.push({ ref: record.ref, error: error?.message, isWhole: completedSteps === totalSteps });
  }
  return found;
}

let sessions = 0;

export async function build(
  ref: string,
  offer: Offer,
  exporters: Parameters<typeof solve>[0]["exporters"],
  attrs: Record<string, string> = {},
): Promise<ReadonlyMap<string, string>> {
  const session = `session ${sessions++}`;
  await using _session = openSession(client, session, offer);
  return await buildThrough(client, { ref: `${ref}`, session, exporters: exporters ?? [] }, attrs);
}

export async function solve(
  request: Parameters<(typeof SolveRequest)["encode"]>[0],
): Promise<ReturnType<(typeof SolveResponse)["decode"]>> {
  return await client.unary("/moby.buildkit.v1.Control/Solve", [SolveRequest, SolveResponse], request, NEVER);
}

export function status(code: number, text: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof RpcError, String(error));
    assert.equal(error.status.code, code);
    assert.match(error.message, text);
    return true;
  };
}

/** Waits until the daemon's log tells of something. */
export async function told(what: string, ref: string): Promise<void> {
  while (!said.includes(`${what} ${ref}`)) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Files that this process has open; sockets and the like come and go. */
export async function openFiles(): Promise<number> {
  let count = 0;
  for (const fd of await readdir("/proc/self/fd")) {
    const path = await readlink(`/proc/self/fd/${fd}`).catch(() => "");
    if (path.startsWith(folder)) count++;
  }
  return count;
}
