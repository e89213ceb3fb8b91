// The part of a provenance that only mode=max has: every step, the Dockerfile and which
// line of it asked for which step, and the layers that each step left.

import type { Descriptor } from "../core/image/descriptor.ts";
import type { SourceRange } from "../core/errors.ts";
import type { LayerRange } from "../graph/layer-ranges.ts";
import { layerRanges } from "../graph/layer-ranges.ts";
import type { JsonObject } from "../image/json.ts";
import { sortedMap } from "../image/json.ts";
import { marshalDescriptor } from "../image/manifest.ts";
import type { BuildStep } from "./build-steps.ts";
import { buildSteps } from "./build-steps.ts";
import type { BuildFacts } from "./facts.ts";
import { llbOp } from "./llb.ts";
import type { Writing } from "./provenance.ts";

export interface BuildConfig {
  readonly steps: JsonObject;
  readonly source: JsonObject;
  readonly layers: JsonObject | undefined;
}

/** Describes the steps of a build; one without layers has none. */
export function buildConfig(facts: BuildFacts, world: Writing): BuildConfig {
  const steps = facts.result === undefined ? [] : buildSteps(facts.result);
  const { dockerfile } = facts;
  const data = Buffer.from(world.withheld.scrub(dockerfile?.text ?? "")).toString("base64");
  const infos = dockerfile === undefined ? [] : [{ filename: dockerfile.name, language: "Dockerfile", data }];
  return {
    steps: definitionOf(steps, facts, world),
    source: { locations: locationsOf(steps), infos },
    layers: layersOf(steps, facts, world),
  };
}

function definitionOf(steps: readonly BuildStep[], facts: BuildFacts, world: Writing): JsonObject {
  const llb = {
    withheld: world.withheld,
    redact: world.redact,
    platformOf: (id: string) => facts.imageOf(id)?.platform,
  };
  return {
    digestMapping: sortedMap(Object.fromEntries(steps.map(({ digest, id }) => [digest, id]))),
    llbDefinition: steps.map(({ id, vertex, inputs }) => ({
      id,
      ...(inputs.length === 0 ? {} : { inputs }),
      op: world.withheld.scrubAll(llbOp(vertex, llb)),
    })),
  };
}

function locationsOf(steps: readonly BuildStep[]): JsonObject {
  const all = steps.flatMap(({ id, vertex, locations }): [string, JsonObject][] => {
    if (vertex === undefined) return [];
    const ranges = locations.map(({ range }) => ({ ranges: linesOf(range) }));
    return [[id, ranges.length === 0 ? {} : { locations: ranges }]];
  });
  return Object.fromEntries(all);
}

/** BuildKit's frontend names each line of an instruction by itself. */
function linesOf({ startLine, endLine }: SourceRange): readonly JsonObject[] {
  return Array.from({ length: endLine - startLine + 1 }, (_, at) => {
    const line = startLine + at;
    return { start: { line }, end: { line } };
  });
}

function layersOf(
  steps: readonly BuildStep[],
  { result, imageOf }: BuildFacts,
  { layers, squashedFrom }: Writing,
): JsonObject | undefined {
  if (result === undefined || layers === undefined) return undefined;
  const ranges = layerRanges(result, layers.length, (id) => imageOf(id)?.layers, squashedFrom);
  const described = steps.flatMap(({ id, digest }): [string, unknown][] => {
    const range = ranges.get(digest);
    return range === undefined ? [] : [[`${id}:0`, [chainOf(layers, range)]]];
  });
  return Object.fromEntries(described);
}

function chainOf(layers: readonly Descriptor[], { start, end }: LayerRange): readonly JsonObject[] {
  return layers.slice(start, end).map((layer) => marshalDescriptor(layer));
}
