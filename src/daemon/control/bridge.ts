// The service moby.buildkit.v1.frontend.LLBBridge: what a client calls within its build. Which build that is stands in
// the call's metadata.

import type { CallResult } from "../../../builder/call.ts";
import type { BytePath } from "../../../builder/core/bytes/byte-path.ts";
import { unary } from "../../api/grpc/methods.ts";
import type { Handler, ServerCall } from "../../api/grpc/server.ts";
import { CODE, RpcError } from "../../api/grpc/status.ts";
import {
  BridgeSolveRequest,
  BridgeSolveResponse,
  EvaluateRequest,
  InputsResponse,
  PongResponse,
  ReadDirRequest,
  ReadDirResponse,
  ReadFileRequest,
  ReadFileResponse,
  ReturnRequest,
  StatFileRequest,
  StatFileResponse,
  WarnRequest,
} from "../../api/proto/bridge.ts";
import type { ResultMessage } from "../../api/proto/bridge.ts";
import { Empty } from "../../api/proto/control.ts";
import type { Of } from "../../api/proto/message.ts";
import { readPolicy } from "../build/source-policies.ts";
import { FRONTEND_CAPS, LLB_CAPS, workerRecord } from "./capabilities.ts";
import { rpcErrorOf } from "./errors.ts";
import { askedGraph, frontendInputs } from "./frontend-inputs.ts";
import type { Job } from "./jobs.ts";
import { lookInto } from "./look.ts";
import type { ResultFiles } from "./result-files.ts";
import { graphOfResult } from "./result-graph.ts";
import type { SolveWorld } from "./job-build.ts";
import { answerFor, buildPart } from "./job-build.ts";
import { questionOf } from "./solve.ts";

const SERVICE = "/moby.buildkit.v1.frontend.LLBBridge";
const BUILD_ID = "buildkit-controlapi-buildid";

/** The bridge's methods. */
export function bridgeHandlers(world: SolveWorld): readonly (readonly [string, Handler])[] {
  const jobOf = async (call: ServerCall): Promise<Job> => {
    const ref = call.metadata.get(BUILD_ID);
    if (ref === undefined || ref === "") throw new RpcError(CODE.invalidArgument, "no buildid found in context");
    return await world.jobs.find(ref, true, call.signal);
  };
  return [
    [
      `${SERVICE}/Ping`,
      unary(Empty, PongResponse, async (_, call) => {
        await jobOf(call);
        return { frontendCaps: FRONTEND_CAPS, llbCaps: LLB_CAPS, workers: [workerRecord(world.settings)] };
      }),
    ],
    [
      `${SERVICE}/Solve`,
      unary(BridgeSolveRequest, BridgeSolveResponse, async (request, call) => ({
        result: await bridgeSolve(world, await jobOf(call), request),
      })),
    ],
    [
      `${SERVICE}/Evaluate`,
      unary(EvaluateRequest, Empty, async ({ ref }, call) => {
        const job = await jobOf(call);
        await evaluate(world, job, ref);
        return {};
      }),
    ],
    [
      `${SERVICE}/Return`,
      unary(ReturnRequest, Empty, async (request, call) => {
        (await jobOf(call)).gateway.return(request);
        return {};
      }),
    ],
    [
      `${SERVICE}/ReadFile`,
      unary(ReadFileRequest, ReadFileResponse, async ({ ref, path, range }, call) => {
        const data = await look(world, await jobOf(call), ref, (files) => files.read(textOf(path), range));
        return { data };
      }),
    ],
    [
      `${SERVICE}/ReadDir`,
      unary(ReadDirRequest, ReadDirResponse, async ({ ref, path, includePattern }, call) => {
        const entries = await look(world, await jobOf(call), ref, (files) => files.list(textOf(path), includePattern));
        return { entries };
      }),
    ],
    [
      `${SERVICE}/StatFile`,
      unary(StatFileRequest, StatFileResponse, async ({ ref, path }, call) => {
        const stat = await look(world, await jobOf(call), ref, (files) => files.stat(textOf(path)));
        return { stat };
      }),
    ],
    [`${SERVICE}/Inputs`, unary(Empty, InputsResponse, () => ({}))],
    [
      `${SERVICE}/Warn`,
      unary(WarnRequest, Empty, async ({ short, url }, call) => {
        const message = Buffer.from(short).toString("utf8");
        (await jobOf(call)).log.add({ kind: "warning", message, ...(url === "" ? {} : { url }) });
        return {};
      }),
    ],
  ];
}

async function bridgeSolve(
  world: SolveWorld,
  job: Job,
  request: Of<typeof BridgeSolveRequest>,
): Promise<Of<typeof ResultMessage>> {
  const none = { oldRef: "", ref: undefined, refs: undefined, metadata: new Map<string, Uint8Array>() };
  const isEmpty = request.frontend === "" && (request.definition?.ops.length ?? 0) === 0;
  if (isEmpty) return none;
  const { frontend, frontendOpt: attrs, definition, frontendInputs: inputs } = request;
  let id: string;
  try {
    const policies = request.sourcePolicies.map(readPolicy);
    const found = await frontendInputs(world, job, inputs);
    const graph = definition && (await askedGraph(world, job, definition));
    id = job.gateway.keep({ frontend, attrs, definition: graph, inputs: found, policies });
    const question = frontend === "" ? undefined : questionOf(request.frontendOpt);
    if (question !== undefined) {
      const answer = await answerFor(world, job, job.gateway.find(id), question);
      job.gateway.hasAnswered = true;
      return { ...none, metadata: metadataOf(answer, question === "check") };
    }
  } catch (error) {
    throw rpcErrorOf(error);
  }
  if (request.evaluate) await evaluate(world, job, id);
  // Of a graph its client may make a larger one.
  return { ...none, ref: { id, definition: frontend === "" ? definition : graphOfResult(id) } };
}

/** Builds without any output. What is built is known when the build itself comes to it. */
async function evaluate(world: SolveWorld, job: Job, ref: string): Promise<void> {
  if (ref === "") return;
  try {
    await buildPart(world, job, job.gateway.find(ref));
  } catch (error) {
    throw rpcErrorOf(error);
  }
}

/** What a result's files say: it is built if it was not yet. */
async function look<T>(
  world: SolveWorld,
  job: Job,
  ref: string,
  ask: (files: ResultFiles) => T | Promise<T>,
): Promise<Awaited<T>> {
  try {
    return await lookInto(world, job, job.gateway.find(ref), ask);
  } catch (error) {
    throw rpcErrorOf(error);
  }
}

function textOf(path: Uint8Array): BytePath {
  return Buffer.from(path).toString("latin1");
}

function metadataOf({ json, text, findings, error }: CallResult, isCheck: boolean): Map<string, Uint8Array> {
  const status = findings > 0 || error !== undefined ? "1" : "0";
  const values = { "result.json": json, "result.txt": text, version: "1.0.0" };
  return new Map(
    Object.entries(isCheck ? { ...values, "result.statuscode": status } : values).map(([key, value]) => [
      key,
      Buffer.from(value),
    ]),
  );
}
