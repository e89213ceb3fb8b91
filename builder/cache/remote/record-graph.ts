// The records of one cache, to be followed from a step's inputs to the step (cache/remotecache/v1/cachestorage.go).

import type { Descriptor } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import type { CacheConfig } from "./config.ts";

/** A record, with the way to those that have it as an input. */
export interface RecordNode {
  readonly digest: Digest;
  readonly isRoot: boolean;
  readonly results: readonly Remote[];
}

/** A result that lies elsewhere: its layers, bottom first. */
export interface Remote {
  readonly layers: readonly Descriptor[];
  /** When the records say that each layer was made: two steps may have made one blob. */
  readonly times: readonly (string | undefined)[];
  readonly createdAt: string;
}

/** How a record names an input. */
export interface LinkName {
  /** Number of the input. */
  readonly input: number;
  /** "" is none. */
  readonly selector: string;
  /** Of the record that has the input. */
  readonly digest: Digest;
}

export class RecordGraph {
  readonly #roots = new Map<Digest, RecordNode[]>();
  readonly #children = new Map<RecordNode, Map<string, RecordNode[]>>();

  /** `blobs`: the layers that are there, by digest; a result with others does not count. */
  constructor(config: CacheConfig, blobs: ReadonlyMap<Digest, Descriptor>) {
    const times = new Map<number, string>();
    for (const { layers, isChain, createdAt } of config.records.flatMap(({ results }) => results))
      if (!isChain && layers[0] !== undefined) times.set(layers[0], createdAt);
    const nodes = config.records.map(({ digest, inputs, results }): RecordNode => ({
      digest,
      isRoot: inputs.length === 0,
      results: results.flatMap(({ layers, isChain, createdAt }): Remote[] => {
        const numbers = isChain ? layers : withParents(config, layers[0]);
        const found = descriptorsOf(config, blobs, numbers);
        if (found === undefined) return [];
        return [{ layers: found, times: numbers.map((layer) => times.get(layer)), createdAt }];
      }),
    }));
    for (const [number, { digest, inputs }] of config.records.entries()) {
      const node = nodes[number];
      if (node === undefined) continue;
      if (node.isRoot) append(this.#roots, digest, node);
      for (const [input, links] of inputs.entries()) {
        for (const { selector, record } of links) {
          const parent = nodes[record];
          if (parent === undefined) continue;
          let children = this.#children.get(parent);
          if (children === undefined) this.#children.set(parent, (children = new Map<string, RecordNode[]>()));
          append(children, nameOf({ input, selector, digest }), node);
        }
      }
    }
  }

  /** Records without inputs. */
  roots(digest: Digest): readonly RecordNode[] {
    return this.#roots.get(digest) ?? [];
  }

  /** Records that have this one as an input. */
  children(node: RecordNode, link: LinkName): readonly RecordNode[] {
    return this.#children.get(node)?.get(nameOf(link)) ?? [];
  }
}

function nameOf({ input, selector, digest }: LinkName): string {
  return `${input} ${selector} ${digest}`;
}

function withParents({ layers }: CacheConfig, top = -1): readonly number[] {
  const chain: number[] = [];
  for (let at = top; at >= 0; at = layers[at]?.parent ?? -1) chain.unshift(at);
  return chain;
}

function descriptorsOf(
  { layers }: CacheConfig,
  blobs: ReadonlyMap<Digest, Descriptor>,
  numbers: readonly number[],
): readonly Descriptor[] | undefined {
  const found: Descriptor[] = [];
  for (const number of numbers) {
    const layer = layers[number];
    const descriptor = layer === undefined ? undefined : blobs.get(layer.blob);
    if (descriptor === undefined) return undefined;
    found.push(descriptor);
  }
  return found.length === 0 ? undefined : found;
}

function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
