// The cache that an image carries in its config: the records of its steps; their layers are the image's own.

import type { SolvedBuild } from "./cache-export.ts";
import { resultOf } from "./cache-export.ts";
import { Collector } from "../../cache/remote/collector.ts";
import type { CacheConfig, CacheRecord } from "../../cache/remote/config.ts";
import { writeInlineRecords } from "../../cache/remote/config.ts";
import { collectRecords } from "../../cache/remote/export-records.ts";
import type { Digest } from "../../core/digest.ts";
import { digestOf } from "../../core/digest.ts";
import { MEDIA } from "../../core/image/descriptor.ts";
import type { Outcome } from "../outputs/outputs.ts";
import type { StoredLayer } from "../../snapshot/ref.ts";

/** The outcomes, each with the cache of its platform. */
export async function withInlineCache(build: SolvedBuild, outcomes: readonly Outcome[]): Promise<readonly Outcome[]> {
  return await Promise.all(
    outcomes.map(async (outcome) => {
      const { plan, ref } = outcome;
      if (plan.result === undefined || ref.layers.length === 0) return outcome;
      const collector = new Collector();
      const own = { known: build.known, refs: [ref] };
      const world = {
        tree: async (of: typeof plan.result) => await (await build.known(of))?.tree(build.signal),
        result: async (of: typeof plan.result) => await resultOf(own, of, "min", standIn),
      };
      await collectRecords([plan.result], build.keys, world, collector, build.signal);
      const places = new Map(ref.layers.map((layer, place) => [nameOf(layer), place]));
      const records = onLayers(collector.finish().config, places);
      if (records.every(({ results }) => results.length === 0)) return outcome;
      return { ...outcome, inlineCache: Buffer.from(writeInlineRecords(records)).toString("base64") };
    }),
  );
}

/** Layers are numbered as the image has them, so their blobs need not be known yet. */
async function standIn(layer: StoredLayer): Promise<{ mediaType: string; digest: Digest; size: number }> {
  return { mediaType: MEDIA.ociLayer, digest: nameOf(layer), size: 0 };
}

function nameOf({ id }: StoredLayer): Digest {
  return digestOf(id);
}

/** A result whose layers are the image's lowest is named by its topmost one; another one by all of its layers. */
function onLayers({ layers, records }: CacheConfig, places: ReadonlyMap<Digest, number>): readonly CacheRecord[] {
  return records.map((record) => ({
    ...record,
    results: record.results.map(({ layers: [top = -1], createdAt }) => {
      const chain: number[] = [];
      for (let at = top; at >= 0; at = layers[at]?.parent ?? -1)
        chain.unshift(places.get(layers[at]?.blob ?? digestOf("")) ?? 0);
      const isLowest = chain.every((place, at) => place === at);
      return isLowest
        ? { layers: [chain.length - 1], isChain: false, createdAt }
        : { layers: chain, isChain: true, createdAt };
    }),
  }));
}
