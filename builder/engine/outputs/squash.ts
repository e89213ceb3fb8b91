// --squash: the layers that a build adds to its base (or all of them) as one. What is in the
// image stays; its history tells of every instruction still, and of the merge.

import { digestOf } from "../../core/digest.ts";
import type { HistoryEntry } from "../../core/image/image-config.ts";
import type { Engine } from "../../engine.ts";
import { baseLayerCount } from "../../graph/layer-ranges.ts";
import type { SourcedEntry } from "../../layer/entry.ts";
import { squashedEntries } from "../../layer/squash.ts";
import { viewOf } from "../../ops/result.ts";
import type { Outcome } from "./outputs.ts";
import type { BuildRequest } from "../../request.ts";
import type { BlobOptions, StoredLayer } from "../../snapshot/ref.ts";

export interface SquashParts {
  readonly engine: Engine;
  readonly request: BuildRequest;
  /** Layers of an image in the graph. */
  readonly layersOfImage: (id: string) => number | undefined;
  readonly blobs: BlobOptions;
}

/** An outcome with fewer layers. One that has nothing to merge stays as it is. */
export async function squash(
  parts: SquashParts,
  outcome: Outcome,
  mode: "new" | "all",
  signal: AbortSignal,
): Promise<Outcome> {
  const { plan, ref } = outcome;
  const base = mode === "all" || plan.result === undefined ? 0 : baseLayerCount(plan.result, parts.layersOfImage);
  const merged = ref.layers.slice(base);
  if (merged.length < 2) return outcome;
  const below = ref.layers.slice(0, base);
  const key = digestOf(JSON.stringify(["squash-2", base, ref.layers.map(({ id }) => id)]));
  const layer = known(parts.engine, key) ?? (await merge(parts, ref.layers, below, outcome, signal));
  parts.engine.records.save(key, { layers: [layer.id] }, `squash ${merged.length} layers`, parts.request.now());
  const history = historyOf(plan.history, base, merged.length, mode);
  return { ...outcome, plan: { ...plan, history }, ref: { layers: [...below, layer] }, squashedFrom: base };
}

function known(engine: Engine, key: ReturnType<typeof digestOf>): StoredLayer | undefined {
  const [id] = engine.records.find(key)?.layers ?? [];
  return id === undefined ? undefined : engine.layers.get(id);
}

async function merge(
  { engine, request, blobs }: SquashParts,
  all: readonly StoredLayer[],
  below: readonly StoredLayer[],
  { plan }: Outcome,
  signal: AbortSignal,
): Promise<StoredLayer> {
  const whole = await viewOf({ layers: all }, signal);
  const entries = squashedEntries(whole, await viewOf({ layers: below }, signal));
  const files = entries.filter(({ type }) => type === "file").map(({ path }) => path);
  const sources = await whole.sources(files, signal);
  const sourced = entries.map((entry): SourcedEntry => {
    const source = entry.type === "file" ? sources.get(entry.path) : undefined;
    return source === undefined ? { entry } : { entry, source };
  });
  // Not this build's time: what is known already must come out the same again.
  const times = all.slice(below.length).flatMap(({ createdMs }) => createdMs ?? []);
  const lastBase = Date.parse(plan.history.findLast(({ created }) => created !== undefined)?.created ?? "");
  const createdMs = times.length > 0 ? Math.max(...times) : Number.isNaN(lastBase) ? request.now() : lastBase;
  const want = { directory: false, hardlinkSources: false, blob: blobs, createdMs };
  return await engine.layers.fromEntries(sourced, want, signal);
}

/** As docker's old --squash had it: the merged instructions stay without a layer, and an entry of its own has the new one. */
function historyOf(
  history: readonly HistoryEntry[],
  base: number,
  merged: number,
  mode: "new" | "all",
): readonly HistoryEntry[] {
  let layers = 0;
  const told = history.map((entry): HistoryEntry => {
    if (entry.empty_layer === true) return entry;
    layers += 1;
    if (layers <= base) return entry;
    const { step: _step, ...rest } = entry;
    return { ...rest, empty_layer: true };
  });
  return [...told, { created_by: `tsbuild build --squash=${mode}`, comment: `merged ${merged} layers` }];
}
