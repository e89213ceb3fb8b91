// Puts a cache's document together: records with their links, each once, and layers with those below them. Sorted as
// BuildKit sorts it (cache/remotecache/v1/utils.go), so that the same records are the same bytes.

import type { Descriptor } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import type { CacheConfig, CacheLayer, CacheLink, CacheRecord } from "./config.ts";

/** A record that is being collected. */
export interface Item {
  readonly id: string;
  readonly digest: Digest;
}

/** A way to a record of an input; "" is no selector. */
export interface ItemLink {
  readonly selector: string;
  readonly item: Item;
}

export interface ItemResult {
  /** Bottom first. */
  readonly layers: readonly Descriptor[];
  readonly createdAt: string;
}

interface Collected extends Item {
  readonly inputs: readonly (readonly ItemLink[])[];
  result: ItemResult | undefined;
}

export class Collector {
  readonly #items = new Map<string, Collected>();
  readonly #numbers = new Map<string, number>();

  /** A record; the same one again when it was added before. A root has no inputs. */
  add(digest: Digest, inputs: readonly (readonly ItemLink[])[] = [], result?: ItemResult): Item {
    const name = JSON.stringify([
      digest,
      inputs.map((links) => links.map(({ selector, item }) => `${selector} ${item.id}`).sort(compare)),
    ]);
    let id = this.#numbers.get(name);
    if (id === undefined) this.#numbers.set(name, (id = this.#numbers.size));
    const known = this.#items.get(String(id));
    if (known !== undefined) {
      known.result ??= result;
      return known;
    }
    const item: Collected = { id: String(id), digest, inputs, result };
    this.#items.set(item.id, item);
    return item;
  }

  /** The document, and the descriptors of its layers. */
  finish(): { readonly config: CacheConfig; readonly blobs: ReadonlyMap<Digest, Descriptor> } {
    const blobs = new Map<Digest, Descriptor>();
    const chains = new Map<string, { readonly blob: Digest; readonly below: string | undefined }>();
    const chainOf = ({ layers }: ItemResult): string => {
      let below: string | undefined;
      for (const layer of layers) {
        blobs.set(layer.digest, layer);
        const id = `${below ?? ""} ${layer.digest}`;
        chains.set(id, { blob: layer.digest, below });
        below = id;
      }
      return below ?? "";
    };
    const items = [...this.#items.values()].sort(compareItems);
    const tops = items.map(({ result }) => (result === undefined ? undefined : chainOf(result)));
    const layers = sortLayers(chains);
    const layerNumbers = new Map(layers.map(({ id }, number) => [id, number]));
    const itemNumbers = new Map(items.map(({ id }, number) => [id, number]));
    const records = items.map(({ digest, inputs, result }, at): CacheRecord => {
      const layer = layerNumbers.get(tops[at] ?? "");
      return {
        digest,
        inputs: inputs.map((links) =>
          links
            .map(({ selector, item }): CacheLink => ({ selector, record: itemNumbers.get(item.id) ?? 0 }))
            .sort((a, b) => a.record - b.record),
        ),
        results:
          result === undefined || layer === undefined
            ? []
            : [{ layers: [layer], isChain: false, createdAt: result.createdAt }],
      };
    });
    return { config: { layers: layers.map(({ layer }) => layer), records }, blobs };
  }
}

/** By blob, then by the number of the layer below as it was found. */
function sortLayers(
  chains: ReadonlyMap<string, { readonly blob: Digest; readonly below: string | undefined }>,
): readonly { readonly id: string; readonly layer: CacheLayer }[] {
  const sorted = [...chains].sort(([a, one], [b, other]) => compare(one.blob, other.blob) || compare(a, b));
  const numbers = new Map(sorted.map(([id], number) => [id, number]));
  return sorted.map(([id, { blob, below }]) => ({
    id,
    layer: { blob, parent: below === undefined ? -1 : (numbers.get(below) ?? -1) },
  }));
}

function compareItems(a: Collected, b: Collected): number {
  const text = ({ inputs }: Collected): string =>
    inputs.map((links) => links.map(({ selector, item }) => `${selector} ${item.digest}`).join()).join(";");
  return compare(a.digest, b.digest) || a.inputs.length - b.inputs.length || compare(text(a), text(b));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
