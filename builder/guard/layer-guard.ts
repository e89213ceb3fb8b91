// Looks through layers for the secrets that a build knows: while they are packed, or afterwards.

import { bytePath, displayPath } from "../core/bytes/byte-path.ts";
import type { FoundString } from "../layer/jobs/jobs.ts";
import { logForms } from "./forms.ts";
import type { KnownSecret } from "./known-secrets.ts";
import { Masker } from "./masker.ts";
import type { LayerFinding, LayerPlace, Verdicts } from "./verdicts.ts";

/** A layer that a step made. */
export interface GuardedLayer {
  readonly id: string;
  /** Where byte strings stand in it. */
  look(strings: readonly Uint8Array[], signal: AbortSignal): Promise<readonly FoundString[]>;
}

/** What to look for in one layer. */
export interface LayerSearchTask {
  readonly strings: readonly Uint8Array[];
  /** Told when all of the layer has been looked through. */
  done(layer: string, found: readonly FoundString[]): void;
}

/** The layers of one store, and the secrets of one build. */
export class LayerGuard {
  readonly #verdicts: Verdicts;
  readonly #secrets: () => readonly KnownSecret[];

  /** `secrets` is asked again for each layer: more may have become known. */
  constructor(verdicts: Verdicts, secrets: () => readonly KnownSecret[]) {
    this.#verdicts = verdicts;
    this.#secrets = secrets;
  }

  /** The secrets of the build, as far as they are known. */
  get secrets(): readonly KnownSecret[] {
    return this.#secrets();
  }

  /** All secrets of which it is not known yet whether they stand in a layer, in one pass over it; undefined when there are none. */
  begin(layer: string): LayerSearchTask | undefined {
    const secrets = this.#secrets().filter((secret) => !this.#verdicts.isKnown(layer, secret));
    if (secrets.length === 0) return undefined;
    const strings = secrets.flatMap(({ forms }) => forms);
    return { strings, done: (id, found) => this.#keep(id, secrets, found) };
  }

  /** The secrets that stand in a layer, also those that only an earlier build knew. */
  async find(layer: GuardedLayer, signal: AbortSignal): Promise<readonly LayerFinding[]> {
    const task = this.begin(layer.id);
    if (task !== undefined) task.done(layer.id, await layer.look(task.strings, signal));
    return this.#verdicts.found(layer.id);
  }

  #keep(layer: string, secrets: readonly KnownSecret[], found: readonly FoundString[]): void {
    for (const { secret, places } of findingsIn(secrets, found)) this.#verdicts.keep(layer, secret, places);
  }
}

/** The places of each secret, also of those that were not found; `found` are places of all their forms, one after the other. */
export function findingsIn(
  secrets: readonly KnownSecret[],
  found: readonly FoundString[],
): { readonly secret: KnownSecret; readonly places: readonly LayerPlace[] }[] {
  let first = 0;
  return secrets.map((secret) => {
    const end = first + secret.forms.length;
    const own = found.filter(({ string }) => string >= first && string < end);
    first = end;
    return { secret, places: placesOf(own, secret) };
  });
}

/** Each place once; also a name that holds the secret is not written down. */
function placesOf(found: readonly FoundString[], { value }: KnownSecret): LayerPlace[] {
  if (found.length === 0) return [];
  const masker = new Masker();
  masker.add(logForms(value));
  const places = new Map<string, LayerPlace>();
  for (const { path, where } of found) {
    const shown = displayPath(path);
    const masked = masker.text(shown);
    places.set(
      `${where} ${path}`,
      masked === shown ? { path, where } : { path: bytePath(masked), where, isMasked: true },
    );
  }
  return [...places.values()];
}
