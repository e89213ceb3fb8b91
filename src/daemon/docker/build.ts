// `POST /build`: a build whose context comes with the request, or lies elsewhere. It is a build like those of BuildKit's
// clients, with the same progress, history and cache; what differs is how it is asked for, and how it is told of.

import { randomUUID } from "node:crypto";
import { familiarReference, parseReference } from "../../../builder/core/image/reference.ts";
import { asBuildError, BuildError } from "../../../builder/core/errors.ts";
import { Metadata } from "../../api/grpc/metadata.ts";
import { CODE, RpcError } from "../../api/grpc/status.ts";
import { SolveRequest, StatusResponse } from "../../api/proto/control.ts";
import type { Given } from "../build/request.ts";
import type { ControlWorld } from "../control/service.ts";
import { solve } from "../control/solve.ts";
import { HttpError } from "../http/answer.ts";
import type { HttpHandler, HttpRequest, Route } from "../http/router.ts";
import type { AskedBuild } from "./build-query.ts";
import { readBuildQuery } from "./build-query.ts";
import { ClassicText } from "./classic-text.ts";
import type { MessageStream } from "./message-stream.ts";
import { underStream } from "./message-stream.ts";
import { registryLogins, sessionOf } from "./registry-auth.ts";
import { bodyOf } from "./transfers.ts";

/** The routes that build. */
export function buildRoutes(world: ControlWorld): readonly Route[] {
  const running = new Map<string, AbortController>();
  return [
    { method: "POST", pattern: "/build", handler: buildHandler(world, running) },
    {
      method: "POST",
      pattern: "/build/cancel",
      handler: ({ query }, response) => {
        const id = query.get("id") ?? "";
        const build = running.get(id);
        if (build === undefined) throw new HttpError(404, `there is no build "${id}" under way`);
        build.abort(new BuildError("CANCELLED", "the build was cancelled"));
        response.writeHead(204).end();
        return Promise.resolve();
      },
    },
  ];
}

function buildHandler(world: ControlWorld, running: Map<string, AbortController>): HttpHandler {
  return async (request, response) => {
    if (world.isDraining()) throw new HttpError(503, "the daemon is stopping and takes no new builds");
    const asked = readBuildQuery(request.query);
    const given = givenBy(request, asked);
    const cancel = new AbortController();
    const { id } = asked;
    if (id !== "" && running.has(id)) throw new HttpError(409, `a build "${id}" is under way`);
    if (id !== "") running.set(id, cancel);
    const signal = AbortSignal.any([request.signal, cancel.signal]);
    const work = { asked, given, signal, metadata: new Metadata(request.rawHeaders), client: request.client };
    try {
      await underStream(response, (stream) => buildAndTell(world, work, stream));
    } finally {
      if (id !== "") running.delete(id);
    }
  };
}

/** What comes with the request and not through a session. Throws `HttpError` 400. */
function givenBy(request: HttpRequest, asked: AskedBuild): Given {
  const { remote, dockerfile, session, isSquashed } = asked;
  const squash = isSquashed ? ({ squash: "new" } as const) : {};
  // A session has its own logins.
  const logins = session === "" ? { session: sessionOf(registryLogins(request.headers)) } : {};
  if (remote !== "") return { ...squash, ...logins };
  const open = (): AsyncIterable<Uint8Array> => bodyOf(request, "the build context");
  return {
    ...squash,
    ...logins,
    contexts: {
      context: { kind: "stream", open, unpack: { subPath: "" } },
      dockerfile:
        dockerfile === "" || dockerfile === "Dockerfile" ? { kind: "default" } : { kind: "path", path: dockerfile },
      namedContexts: new Map(),
    },
  };
}

interface Work {
  readonly asked: AskedBuild;
  readonly given: Given;
  readonly signal: AbortSignal;
  readonly metadata: Metadata;
  readonly client: string;
}

async function buildAndTell(
  world: ControlWorld,
  { asked, given, signal, metadata, client }: Work,
  stream: MessageStream,
): Promise<void> {
  const ref = randomUUID().replaceAll("-", "");
  const { attrs, exporters, remote, session } = asked;
  const isElsewhere = remote !== "" && remote !== "client-session";
  const request = SolveRequest.decode(
    SolveRequest.encode({
      ref,
      session,
      frontend: "dockerfile.v0",
      frontendAttrs: isElsewhere ? new Map([...attrs, ["context", remote]]) : attrs,
      exporters,
    }),
  );
  const solving = solve(world, request, { signal, metadata, client }, given);
  solving.catch(() => undefined); // awaited below
  const telling = tell(world, ref, asked, stream, signal);
  telling.catch(() => undefined);
  let response: ReadonlyMap<string, string>;
  try {
    response = await solving;
  } catch (error) {
    await telling.catch(() => undefined);
    throw told(error, signal);
  }
  await telling;
  const id = response.get("containerimage.config.digest") ?? response.get("containerimage.digest");
  if (id !== undefined) tellResult(asked, id, stream);
}

/** Reads the build's log at the client's pace, so that a slow one costs nothing. */
async function tell(
  world: ControlWorld,
  ref: string,
  { isBuildKit, isQuiet }: AskedBuild,
  stream: MessageStream,
  signal: AbortSignal,
): Promise<void> {
  const { log } = await world.jobs.find(ref, false, signal);
  const text = new ClassicText();
  for await (const message of log.messages(signal)) {
    if (isQuiet) continue;
    if (isBuildKit) stream.send({ id: "moby.buildkit.trace", aux: Buffer.from(message).toString("base64") });
    else for (const line of text.linesFor(StatusResponse.decode(message))) stream.send(line);
    await stream.flushed();
  }
}

const SHORT_ID = 12;

/** The lines that tools look for. */
function tellResult({ names, isBuildKit, isQuiet }: AskedBuild, id: string, stream: MessageStream): void {
  if (isBuildKit) {
    stream.send({ id: "moby.image.id", aux: { ID: id } });
    return;
  }
  if (isQuiet) {
    stream.send({ stream: `${id}\n` });
    return;
  }
  stream.send({ aux: { ID: id } });
  stream.send({ stream: `Successfully built ${id.slice("sha256:".length, "sha256:".length + SHORT_ID)}\n` });
  for (const name of names) {
    const full = familiarReference(parseReference(name));
    stream.send({ stream: `Successfully tagged ${full}\n` });
  }
}

/** The old builder's words for a step that failed; its exit code becomes the client's. */
function told(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (!(error instanceof RpcError)) return error;
  const { cause } = error;
  if (!(cause instanceof BuildError)) return error.status.code === CODE.unknown ? asBuildError(error) : error;
  return cause;
}
