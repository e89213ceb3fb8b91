// Nothing leaves a build with a secret in it: layers and configs are looked through before the first output is written,
// every document of an image before it is stored. What a base image brought is not this build's to judge.

import { displayPath } from "../../core/bytes/byte-path.ts";
import type { SourceLocation } from "../../core/errors.ts";
import { BuildError } from "../../core/errors.ts";
import type { HistoryEntry } from "../../core/image/image-config.ts";
import type { Attestation } from "../../exporter/attestations.ts";
import { DocumentSearch } from "../../guard/documents.ts";
import { findingsIn } from "../../guard/layer-guard.ts";
import type { LayerGuard } from "../../guard/layer-guard.ts";
import type { LayerPlace } from "../../guard/verdicts.ts";
import type { FoundString } from "../../layer/jobs/jobs.ts";
import { told } from "../internal-steps.ts";
import { viewOf } from "../../ops/result.ts";
import type { Outcome } from "../outputs/outputs.ts";
import type { BuildRequest } from "../../request.ts";
import type { BlobOptions, Ref, StoredLayer } from "../../snapshot/ref.ts";
import type { BlobStore, ImageNames } from "../../store/store.ts";

/** One secret in one place of what was to be written. */
interface Leak {
  readonly id: string;
  readonly name: string;
  readonly place: string;
  readonly location?: SourceLocation | undefined;
}

/** The search for secrets in one cache mount. */
export interface MountSearch {
  readonly strings: readonly Uint8Array[];
  /** Why the mount may not travel where some of them stand in it. */
  refusal(found: readonly FoundString[]): BuildError;
}

/** The guard of one build's outputs. */
export class OutputGuard {
  readonly #request: BuildRequest;
  readonly #layers: LayerGuard;
  readonly #allowed: ReadonlySet<string>;
  readonly #masked: (text: string) => string;

  /** `request`: the watched one. `masked` takes secrets out of a text. */
  constructor(request: BuildRequest, layers: LayerGuard, masked: (text: string) => string) {
    this.#masked = masked;
    this.#request = request;
    this.#layers = layers;
    const inArgument = request.buildArgs.get(ALLOWING_ARGUMENT)?.split(",") ?? [];
    this.#allowed = new Set([...(request.allowSecretInImage ?? []), ...inArgument]);
  }

  /** Looks through the layers and configs of what is to be written; `blobs`: how layers are packed. Throws `SECRET_IN_RESULT`. */
  async check(outcomes: readonly Outcome[], blobs: BlobOptions, signal: AbortSignal): Promise<void> {
    if (this.#request.exports.every(({ type }) => type === "cacheonly")) return;
    const look = async (): Promise<void> => {
      for (const outcome of outcomes) {
        // What is packed now is looked through on the way.
        const packed = this.#makesImage ? outcome.ref.layers.filter(({ createdMs }) => createdMs !== undefined) : [];
        await Promise.all(packed.map((layer) => layer.blob(blobs, signal)));
        this.#refuse(await this.#leaksOf(outcome, signal));
      }
    };
    if (this.#layers.secrets.length === 0) await look();
    else await told(this.#request, "[internal] looking for secrets in the result", look);
  }

  /** Looks through a layer that is to go elsewhere with a cache; `step`: the name of the one that made it. Throws `SECRET_IN_RESULT`. */
  async checkLayer(layer: StoredLayer, step: string, signal: AbortSignal): Promise<void> {
    this.#refuse(await this.#inLayer(layer, { step }, signal));
  }

  /** The search through a cache mount that is to go elsewhere; undefined when there is nothing to look for. */
  beginMount(id: string): MountSearch | undefined {
    const secrets = this.#layers.secrets.filter((secret) => !this.#allowed.has(secret.id));
    if (secrets.length === 0) return undefined;
    return {
      strings: secrets.flatMap(({ forms }) => forms),
      refusal: (found) => {
        const places = findingsIn(secrets, found).flatMap(({ secret: { id: secret, name }, places: all }) =>
          all.map((place) => ({ id: secret, name, place: `${placeText(place)} of the cache mount "${id}"` })),
        );
        return this.#refusal(places) ?? new BuildError("SECRET_IN_RESULT", `a secret is in the cache mount "${id}"`);
      },
    };
  }

  /** Looks through a document that is to be written. Throws `SECRET_IN_RESULT`. */
  checkDocument(bytes: Uint8Array, what?: string): void {
    const found = new DocumentSearch(this.#layers.secrets).inBytes(bytes);
    this.#refuse(
      found.map(({ secret: { id, name }, field }) => {
        const document = what ?? (field.startsWith("annotations") ? "manifest" : "document");
        return { id, name, place: field === "" ? `the ${document}` : `${field} of the ${document}` };
      }),
    );
  }

  /** The store, into which no document comes unseen. */
  guarded(store: BlobStore & { readonly names: ImageNames }): BlobStore & { readonly names: ImageNames } {
    return {
      layoutPath: store.layoutPath,
      names: store.names,
      ...(store.notes === undefined ? {} : { notes: store.notes }),
      has: (digest) => store.has(digest),
      pathOf: (digest) => store.pathOf(digest),
      sizeOf: (digest) => store.sizeOf(digest),
      read: (digest, maxBytes) => store.read(digest, maxBytes),
      open: (digest, signal) => store.open(digest, signal),
      writer: (signal) => store.writer(signal),
      download: (blob, signal) => store.download(blob, signal),
      put: async (bytes) => {
        this.checkDocument(bytes);
        return await store.put(bytes);
      },
    };
  }

  /** A statement that is looked through wherever it is to be written. */
  attested(attestation: Attestation): Attestation {
    return {
      ...attestation,
      predicate: async (layers, signal) => {
        const predicate = await attestation.predicate(layers, signal);
        this.checkDocument(Buffer.from(JSON.stringify(predicate)), `statement ${attestation.predicateType}`);
        return predicate;
      },
    };
  }

  get #makesImage(): boolean {
    return this.#request.exports.some(({ type }) => type === "image" || type === "oci" || type === "docker");
  }

  async #leaksOf({ plan, ref }: Outcome, signal: AbortSignal): Promise<readonly Leak[]> {
    const isImage = this.#makesImage;
    const makers = plan.history.filter((entry) => entry.empty_layer !== true);
    const leaks: Leak[] = [];
    for (const [number, layer] of ref.layers.entries()) {
      // Files alone are written without those that a later step has removed.
      const isWritten = isImage ? undefined : await visibleIn(ref, number, signal);
      leaks.push(...(await this.#inLayer(layer, makers[number], signal, isWritten)));
    }
    return isImage ? [...leaks, ...this.#inConfig(plan)] : leaks;
  }

  async #inLayer(
    layer: StoredLayer,
    maker: HistoryEntry | undefined,
    signal: AbortSignal,
    isWritten: (place: LayerPlace) => boolean = () => true,
  ): Promise<readonly Leak[]> {
    // A base image's.
    if (layer.createdMs === undefined) return [];
    const found = await this.#layers.find(layer, signal);
    return found.flatMap(({ id, name, places }) =>
      places.filter(isWritten).map((place) => ({
        id,
        name,
        place: `${placeText(place)}, in the layer of ${this.#instruction(maker)}`,
        location: locationOf(maker),
      })),
    );
  }

  #inConfig({ config, history, author }: Outcome["plan"]): readonly Leak[] {
    const search = new DocumentSearch(this.#layers.secrets);
    const told = history.flatMap((entry) => {
      const { created_by, comment } = entry;
      return search.inValue({ created_by, comment }).map(({ secret: { id, name } }) => {
        return {
          id,
          name,
          place: `the history, which tells of ${this.#instruction(entry)}`,
          location: locationOf(entry),
        };
      });
    });
    const inConfig = search.inValue({ config, author }).map(({ secret: { id, name }, field }) => {
      return { id, name, place: `${field} of the image's config` };
    });
    return [...told, ...inConfig];
  }

  /** Shortened when no part of a secret can be left of it. */
  #instruction(entry: HistoryEntry | undefined): string {
    const text = this.#masked(entry?.step ?? entry?.created_by ?? "a step");
    return `"${text.length > LONGEST_INSTRUCTION ? `${text.slice(0, LONGEST_INSTRUCTION)}…` : text}"`;
  }

  #refuse(leaks: readonly Leak[]): void {
    const refusal = this.#refusal(leaks);
    if (refusal !== undefined) throw refusal;
  }

  #refusal(leaks: readonly Leak[]): BuildError | undefined {
    const refused = leaks.filter(({ id }) => !this.#allowed.has(id));
    const [first, ...others] = refused;
    if (first === undefined) return undefined;
    const ids = [...new Set(refused.map(({ id }) => id))];
    const more = others.slice(0, MOST_TOLD).map(({ name, place }) => `also: ${name} in ${place}`);
    const left = others.length - more.length;
    const hint = [
      ...more,
      ...(left > 0 ? [`and in ${left} more places`] : []),
      `nothing was written; where it is meant to be there: ${ids.map((id) => `--allow-secret-in-image=${id}`).join(" ")}`,
    ];
    return new BuildError("SECRET_IN_RESULT", `${first.name} is in ${first.place}`, {
      hint: hint.join("\n"),
      location: first.location,
    });
  }
}

/** For clients that have no flag of ours, as BuildKit's frontend takes its own options. */
const ALLOWING_ARGUMENT = "TSBUILD_ALLOW_SECRET_IN_IMAGE";

/** Places told of beside the first. */
const MOST_TOLD = 5;

async function visibleIn(ref: Ref, layer: number, signal: AbortSignal): Promise<(place: LayerPlace) => boolean> {
  const view = await viewOf(ref, signal);
  return ({ path, isMasked }) => isMasked === true || view.node(path)?.layer === layer;
}

function placeText({ path, where }: LayerPlace): string {
  const name = `"/${displayPath(path)}"`;
  switch (where) {
    case "content":
      return name;
    case "name":
      return `the name ${name}`;
    case "link":
      return `the target of the link ${name}`;
    case "attribute":
      return `an attribute of ${name}`;
  }
}

const LONGEST_INSTRUCTION = 60;

function locationOf(entry: HistoryEntry | undefined): SourceLocation | undefined {
  const place = entry?.place;
  return place && { file: place.file, range: { startLine: place.line, endLine: place.line } };
}
