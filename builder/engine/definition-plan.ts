// A graph that a client sent, as a Dockerfile's would be: the vertex of its result, and the draft of an image.

import type { HistoryEntry, RuntimeConfig } from "../core/image/image-config.ts";
import type { DefinitionRequest } from "../definition-request.ts";
import type { Plan } from "../dockerfile/convert/plan.ts";
import type { Vertex } from "../graph/vertex.ts";
import { standsOn } from "../graph/op.ts";
import { parseDraft, platformOf } from "../image/read.ts";
import { convertDefinition } from "../llb/convert.ts";
import type { SourceImage, SourceWorld } from "../llb/sources.ts";
import type { BuildRequest } from "../request.ts";
import { sourcesOf } from "./contexts/definition-sources.ts";
import type { InputLoader } from "./contexts/inputs.ts";

/** What BuildKit gives an image of which nothing is said (exporter/containerimage/writer.go). */
const EMPTY_CONFIG: RuntimeConfig = {
  Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
  WorkingDir: "/",
};

/** The plan of a request's definition. Throws `USAGE`, `UNSUPPORTED`, and what its sources throw. */
export async function planOfDefinition(
  definition: DefinitionRequest,
  request: BuildRequest,
  inputs: InputLoader,
  signal: AbortSignal,
): Promise<Plan> {
  const { graph, abilities, config: configBytes } = definition;
  const config = configBytes === undefined ? undefined : parseDraft(configBytes, "the config that the client gave");
  const platform = config === undefined ? (request.platforms[0] ?? request.hostPlatform) : platformOf(config);
  const layers = new Map<string, number>();
  const remembered = (image: SourceImage): SourceImage => {
    layers.set(image.id, image.layers);
    return image;
  };
  const sources = sourcesOf(definition, request, inputs);
  const world: SourceWorld = {
    ...sources,
    image: async (...asked) => remembered(await sources.image(...asked)),
    result: async (...asked) => remembered(await sources.result(...asked)),
    layoutImage: async (...asked) => remembered(await sources.layoutImage(...asked)),
  };
  const options = { platform, allow: request.allow, abilities, noCache: request.noCache === true };
  const result = await convertDefinition(graph, options, world, signal);
  const told = config?.history ?? [];
  const described = told.filter(({ empty_layer: isEmpty }) => isEmpty !== true).length;
  const names = result === undefined ? [] : layerNames(result, layers);
  const more = names.slice(described).map((name): HistoryEntry => ({ created_by: name, comment: HISTORY_COMMENT }));
  return {
    result,
    platform,
    ...(config?.author === undefined ? {} : { author: config.author }),
    ...(config?.["os.version"] === undefined ? {} : { osVersion: config["os.version"] }),
    ...(config?.["os.features"] === undefined ? {} : { osFeatures: config["os.features"] }),
    config: config === undefined ? EMPTY_CONFIG : (config.config ?? {}),
    history: [...told, ...more],
    epochSeconds: request.epochSeconds,
    findings: [],
  };
}

const HISTORY_COMMENT = "buildkit.exporter.image.v0";

/** What made each layer of a result, bottom first; empty where their number is not known before it is built. */
function layerNames(result: Vertex, layersOfImage: ReadonlyMap<string, number>): readonly string[] {
  const names: string[] = [];
  const stack: Vertex[] = [result];
  // The topmost is looked at first, so names come from the top.
  for (let vertex = stack.pop(); vertex !== undefined; vertex = stack.pop()) {
    const { op, options, inputs } = vertex;
    if (op.kind === "diff" || names.length > MOST_LAYERS) return [];
    if (op.kind === "source" && op.source.type === "image") {
      const count = layersOfImage.get(op.source.id) ?? 0;
      for (let at = 0; at < count; at++) names.push(`pulled from ${op.source.name}`);
    } else if (op.kind !== "merge") {
      names.push(op.kind === "exec" ? `mount / from exec ${op.args.join(" ")}` : options.name);
    }
    for (const number of standsOn(op, inputs.length)) {
      const input = inputs[number];
      if (input !== undefined) stack.push(input);
    }
  }
  return names.reverse();
}

/** A merge of merges has any number of them. */
const MOST_LAYERS = 100_000;
