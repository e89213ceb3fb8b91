// The client's end of a session: a gRPC server inside a call to the daemon, which asks it for files, secrets and logins.

import { randomBytes } from "node:crypto";
import type { GrpcClient } from "../api/grpc/client.ts";
import { unary } from "../api/grpc/methods.ts";
import type { Handler } from "../api/grpc/server.ts";
import { GrpcServer } from "../api/grpc/server.ts";
import { tunnel } from "../api/grpc/tunnel.ts";
import { HealthRequest, HealthResponse } from "../api/proto/control.ts";

const PREFIX = "x-docker-expose-session";

/** BuildKit's daemon gives a session up whose client does not answer this (session/manager.go). */
const HEALTH: readonly [string, Handler] = [
  "/grpc.health.v1.Health/Check",
  unary(HealthRequest, HealthResponse, () => ({ status: 1 })), // SERVING
];

/** An open session. */
export interface OpenSession extends AsyncDisposable {
  readonly id: string;
  /** Settles when the session is over, however it ended. */
  readonly ended: Promise<void>;
  /** Waits until the daemon asks for nothing any more. */
  idle(): Promise<void>;
}

/** Opens one; `sharedKey` names what stays the same from build to build. */
export function openSession(
  client: GrpcClient,
  handlers: ReadonlyMap<string, Handler>,
  sharedKey: string,
  signal: AbortSignal,
): OpenSession {
  const id = randomBytes(16).toString("hex");
  const metadata = {
    [`${PREFIX}-uuid`]: id,
    [`${PREFIX}-name`]: "tsbuild",
    [`${PREFIX}-sharedkey`]: sharedKey,
    [`${PREFIX}-grpc-method`]: [...handlers.keys()],
  };
  const call = client.call("/moby.buildkit.v1.Control/Session", metadata, signal);
  const server = new GrpcServer(new Map([...handlers, HEALTH]));
  server.accept(
    tunnel({
      messages: call.messages,
      send: (...parts) => call.send(...parts),
      signal,
    }),
  );
  const ended = call.ended().catch(() => undefined);
  return {
    id,
    ended,
    idle: () => server.idle(),
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      call.end();
      await call[Symbol.asyncDispose]();
    },
  };
}
