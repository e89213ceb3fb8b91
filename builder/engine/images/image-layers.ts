// The layers of an image that was resolved, as the layer store has them.

import type { LayerStore } from "../../snapshot/layer-store.ts";
import type { FetchBlob } from "../../snapshot/ports.ts";
import type { StoredLayer } from "../../snapshot/ref.ts";
import type { PulledImage } from "../../transport/pull.ts";

/** Fetches a layer, with whatever is to be done around that. */
export type AroundFetch = (fetch: () => Promise<void>) => Promise<void>;

/** Bottom first. Known to the layer store from here on: a cached step may want the blob of a layer that was never fetched. */
export function layersOf(
  image: PulledImage,
  store: LayerStore,
  around: AroundFetch = (fetch) => fetch(),
): StoredLayer[] {
  const layers: StoredLayer[] = [];
  for (const { descriptor, diffId } of image.layers) {
    const blob = { descriptor, diffId, uncompressedSize: 0 };
    const fetch: FetchBlob = (_, signal, onGrowing) => around(() => image.fetchLayer(descriptor, signal, onGrowing));
    layers.push(store.ofImage(blob, layers.slice(), fetch));
  }
  return layers;
}
