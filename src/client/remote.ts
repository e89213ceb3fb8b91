// Builds that a daemon makes for us: the request goes there, its steps are shown and its outputs written here.

import { createHash, randomBytes } from "node:crypto";
import * as v from "valibot";
import type { CallResult, Question } from "../../builder/call.ts";
import { hostPlatform } from "../../builder/core/image/platform.ts";
import type { BuildRequest, BuildResult } from "../../builder/request.ts";
import type { GrpcClient } from "../api/grpc/client.ts";
import type { MessageType } from "../api/proto/message.ts";
import { BridgeSolveRequest, BridgeSolveResponse, PongResponse, ReturnRequest } from "../api/proto/bridge.ts";
import { Empty, SolveRequest, SolveResponse, StatusRequest, StatusResponse } from "../api/proto/control.ts";
import type { Asked } from "./asked.ts";
import { askedOf } from "./asked.ts";
import { connectTo } from "./connect.ts";
import type { ExporterResponse } from "./exporter-response.ts";
import { descriptorIn, namesIn } from "./exporter-response.ts";
import { explained } from "./failure.ts";
import type { Host } from "./host.ts";
import { fileHandlers } from "./offered-files.ts";
import { secretHandlers } from "./offered-secrets.ts";
import { storeHandlers } from "./offered-stores.ts";
import { openSession } from "./session.ts";
import { eventsOf } from "./status.ts";

const CONTROL = "/moby.buildkit.v1.Control";
const BRIDGE = "/moby.buildkit.v1.frontend.LLBBridge";
const FRONTEND = "dockerfile.v0";
/** The status stream ends with its build; where it does not, nobody waits for it longer. */
const STATUS_MS = 5000;

/** Builds at a daemon. Throws what the same build throws here. */
export async function remoteBuild(host: Host, request: BuildRequest, signal: AbortSignal): Promise<BuildResult> {
  await using held = new AsyncDisposableStack();
  const asked = await askedOf(request, held, signal);
  const response = await withBuild(host, request, asked, signal, async ({ client, ref, session, stop }) => {
    const solve = { ...asked.solve, ref, session, frontend: FRONTEND, internal: request.isInternal === true };
    const types = [SolveRequest, SolveResponse] as const;
    return (await client.unary(`${CONTROL}/Solve`, types, solve, stop)).exporterResponse;
  });
  for (const finish of asked.finish) await finish(response);
  return resultOf(response, request);
}

const QUESTIONS: Readonly<Record<Question, string>> = {
  check: "frontend.lint",
  outline: "frontend.outline",
  targets: "frontend.targets",
  "subrequests.describe": "frontend.subrequests.describe",
};

/** Asks a daemon about the request's Dockerfile. */
export async function remoteCall(
  host: Host,
  request: BuildRequest,
  question: Question,
  signal: AbortSignal,
): Promise<CallResult> {
  await using held = new AsyncDisposableStack();
  const asked = await askedOf({ ...request, exports: [], cacheFrom: [], cacheTo: [] }, held, signal);
  return await withBuild(host, request, asked, signal, async ({ client, ref, session, stop }) => {
    const types = [SolveRequest, SolveResponse] as const;
    const solved = client.unary(`${CONTROL}/Solve`, types, { ref, session }, stop);
    solved.catch(() => undefined); // what fails is told below
    const bridge = async <Q, A>(
      name: string,
      of: readonly [MessageType<Q>, MessageType<A>],
      message: Partial<Q>,
    ): Promise<A> => {
      await using call = client.call(`${BRIDGE}/${name}`, { "buildkit-controlapi-buildid": ref }, stop);
      await call.send(of[0].encode(message));
      call.end();
      let answer: A | undefined;
      for await (const bytes of call.messages) answer = of[1].decode(bytes);
      return answer ?? of[1].decode(new Uint8Array());
    };
    await bridge("Ping", [Empty, PongResponse], {});
    const frontendOpt = new Map([
      ...asked.solve.frontendAttrs,
      ["requestid", QUESTIONS[question]],
      ["frontend.caps", "moby.buildkit.frontend.subrequests+forward"],
    ]);
    const { result } = await bridge("Solve", [BridgeSolveRequest, BridgeSolveResponse], {
      frontend: FRONTEND,
      frontendOpt,
    });
    await bridge("Return", [ReturnRequest, Empty], {});
    await solved;
    const text = (key: string): string => Buffer.from(result?.metadata.get(key) ?? []).toString("utf8");
    const isFound = text("result.statuscode") === "1" || /"warnings":\s*\[\s*\{/.test(text("result.json"));
    return {
      json: text("result.json"),
      text: text("result.txt"),
      findings: findingsOf(text("result.json"), isFound),
      error: undefined,
    };
  });
}

const Lint = v.object({
  warnings: v.optional(v.nullable(v.array(v.unknown()))),
});

function findingsOf(json: string, isFound: boolean): number {
  if (!isFound) return 0;
  const lint = v.safeParse(Lint, JSON.parse(json));
  return Math.max(1, lint.success ? (lint.output.warnings?.length ?? 0) : 0);
}

/** What a build is made with. */
interface Open {
  readonly client: GrpcClient;
  readonly ref: string;
  /** Id of the session. */
  readonly session: string;
  /** Aborted too when this side fails. */
  readonly stop: AbortSignal;
}

/** A connection, a session and a status stream around the work. */
async function withBuild<T>(
  host: Host,
  request: BuildRequest,
  asked: Asked,
  signal: AbortSignal,
  work: (open: Open) => Promise<T>,
): Promise<T> {
  using client = await connectTo(host, signal);
  const ended = new AbortController();
  const stop = AbortSignal.any([signal, ended.signal]);
  const ref = randomBytes(16).toString("hex");
  let own: { readonly error: unknown } | undefined;
  const offered = {
    ...asked.offered,
    failed: (error: unknown) => void (own ??= { error }),
  };
  const handlers = new Map([
    ...fileHandlers(offered),
    ...secretHandlers(request.session),
    ...(asked.stores.size === 0 ? [] : storeHandlers(asked.stores)),
  ]);
  const sharedKey = createHash("sha256").update(asked.sharedKey).digest("hex");
  await using session = openSession(client, handlers, sharedKey, stop);
  const status = follow(client, ref, request, stop);
  try {
    const result = await work({
      client,
      ref,
      session: session.id,
      stop,
    });
    await within(status, STATUS_MS);
    // BuildKit's daemon is done when it has sent an output, which is not there yet.
    await session.idle();
    if (own !== undefined) throw own.error;
    return result;
  } catch (error) {
    signal.throwIfAborted();
    await within(status, STATUS_MS);
    // What failed here is told, not that the daemon did not get it.
    throw own === undefined ? explained(error, host.name) : own.error;
  } finally {
    ended.abort(new Error("the build is over"));
  }
}

/** Passes on what the daemon says of the build, until it ends. */
async function follow(client: GrpcClient, ref: string, request: BuildRequest, signal: AbortSignal): Promise<void> {
  try {
    await using call = client.call(`${CONTROL}/Status`, {}, signal);
    await call.send(StatusRequest.encode({ ref }));
    call.end();
    for await (const message of call.messages)
      for (const event of eventsOf(StatusResponse.decode(message))) request.events(event);
  } catch {
    // The build itself says what went wrong.
  }
}

async function within(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work, new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}

function resultOf(response: ExporterResponse, request: BuildRequest): BuildResult {
  const digest = response.get("containerimage.digest");
  const imageId = response.get("containerimage.config.digest");
  const platform = request.platforms[0] ?? hostPlatform();
  return {
    images: imageId === undefined || digest === undefined ? [] : [{ platform, imageId, manifestDigest: digest }],
    digest,
    descriptor: descriptorIn(response, "containerimage.descriptor", "base64"),
    names: namesIn(response),
    warnings: 0,
  };
}
