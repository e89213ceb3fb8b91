// Chain ids: the names of stacks of layers (image-spec, config.md, Layer ChainID).

import type { Digest } from "../core/digest.ts";
import { digestOf } from "../core/digest.ts";

/** The chain id of each layer on those below it: the first diff_id itself, then sha256 of "<chain id below> <diff_id>". */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : digestOf(`${below} ${diffId}`));
  }
  return chain;
}
