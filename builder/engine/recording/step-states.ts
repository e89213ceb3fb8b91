// The files of the steps of a remembered build, as far as the store still has them.

import type { CacheRecords } from "../../cache/records.ts";
import { BuildError } from "../../core/errors.ts";
import type { ExecOp } from "../../graph/op.ts";
import { hostPlatform } from "../../core/image/platform.ts";
import type { OpResult } from "../../ops/result.ts";
import { RefResult } from "../../ops/result.ts";
import type { BuildRecord, KeptState } from "../../records/build-record.ts";
import { enterableSteps, findStep } from "../../records/build-record.ts";
import type { LayerStore } from "../../snapshot/layer-store.ts";
import type { Ref, StoredLayer } from "../../snapshot/ref.ts";

/** A step's rootfs and what it would be run with. */
export interface StepState {
  /** Its place in the record. */
  readonly place: number;
  /** Whether it is the step that failed, as it was when it did. */
  readonly failed: boolean;
  readonly rootfs: OpResult;
  /** Its own for a RUN; else that of the last RUN before it, without mounts. */
  readonly op: ExecOp;
  /** What its mounts show, by number; undefined where that is not kept. */
  readonly inputs: readonly (OpResult | undefined)[];
  /** What is not as it was, one a line. */
  readonly notes: readonly string[];
}

/** Finds the state of a step. `kept` is what the failed one left. */
export class StepStates {
  readonly #record: BuildRecord;
  readonly #kept: KeptState | undefined;
  readonly #cache: CacheRecords;
  readonly #layers: LayerStore;

  constructor(record: BuildRecord, kept: KeptState | undefined, cache: CacheRecords, layers: LayerStore) {
    this.#record = record;
    this.#kept = kept;
    this.#cache = cache;
    this.#layers = layers;
  }

  /** The step of that name, or the one that failed, or the last that there is something of. Throws `USAGE`, `INPUT_MISSING`. */
  find(name: string | undefined): StepState {
    const { failure, id } = this.#record;
    const place = name === undefined ? failure?.step : findStep(this.#record, name);
    if (place === undefined) return this.#lastOne([]);
    if (place !== failure?.step) {
      const state = this.#finished(place, []);
      if (state !== undefined) return state;
      throw new BuildError("INPUT_MISSING", `what "${this.#nameOf(place)}" made is not in the store`, {
        hint: `tsbuild shell --list ${id} lists the steps; to build again makes it again`,
      });
    }
    const state = this.#failed(place);
    if (state !== undefined) return state;
    const gone = `what "${this.#nameOf(place)}" left when it failed is not kept any more`;
    if (name === undefined) return this.#lastOne([gone]);
    throw new BuildError("INPUT_MISSING", gone, {
      hint: "the last three are kept, for seven days; to build again fails again",
    });
  }

  #failed(place: number): StepState | undefined {
    const { steps } = this.#record;
    const kept = this.#kept;
    const rootfs = kept && resultOf(this.#ref(kept.rootfs));
    const op = steps[place]?.exec;
    if (kept === undefined || rootfs === undefined || op === undefined) return undefined;
    const inputs = steps[place]?.inputs.map((_, number) => resultOf(this.#ref(kept.inputs[number])));
    return { place, failed: true, rootfs, op, inputs: inputs ?? [], notes: [] };
  }

  #finished(place: number, notes: readonly string[]): StepState | undefined {
    const rootfs = resultOf(this.#refOf(place));
    if (rootfs === undefined) return undefined;
    const { steps } = this.#record;
    const step = steps[place];
    const op = step?.exec ?? environmentBelow(this.#record, place);
    const inputs = step?.exec === undefined ? [] : step.inputs.map((input) => resultOf(this.#refOf(input)));
    return { place, failed: false, rootfs, op, inputs, notes };
  }

  #lastOne(notes: readonly string[]): StepState {
    for (const place of enterableSteps(this.#record).toReversed()) {
      const state = this.#finished(place, notes);
      if (state !== undefined) return state;
    }
    throw new BuildError("INPUT_MISSING", `nothing that the build ${this.#record.id} made is in the store`, {
      hint: "build again",
    });
  }

  #refOf(place: number): Ref | undefined {
    const step = this.#record.steps[place];
    if (step === undefined) return undefined;
    if (step.layers !== undefined) return this.#ref(step.layers);
    if (step.kind === "merge") {
      const parts = step.inputs.map((input) => this.#refOf(input));
      const layers = parts.flatMap((part) => part?.layers ?? []);
      return parts.includes(undefined) ? undefined : { layers };
    }
    return this.#ref(step.key && this.#cache.find(step.key)?.layers);
  }

  #ref(ids: readonly string[] | undefined): Ref | undefined {
    const layers: StoredLayer[] = [];
    for (const id of ids ?? []) {
      const layer = this.#layers.get(id);
      if (layer === undefined) return undefined;
      layers.push(layer);
    }
    return ids && { layers };
  }

  #nameOf(place: number): string {
    return this.#record.steps[place]?.name ?? "";
  }
}

function resultOf(ref: Ref | undefined): OpResult | undefined {
  return ref && new RefResult(ref);
}

/** The last RUN that a step stands on says what is set there; without one nothing is. */
function environmentBelow({ steps }: BuildRecord, place: number): ExecOp {
  for (let at: number | undefined = place; at !== undefined; at = steps[at]?.base) {
    const exec = steps[at]?.exec;
    if (exec !== undefined) return { ...exec, mounts: [] };
  }
  return NOTHING_SET;
}

const NOTHING_SET: ExecOp = {
  kind: "exec",
  rootInput: 0,
  args: [],
  env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
  cwd: "/",
  user: "",
  mounts: [],
  network: "default",
  security: "sandbox",
  hostname: "",
  extraHosts: [],
  ulimits: [],
  shmSizeBytes: 64 * 1024 * 1024,
  cgroupParent: "",
  platform: hostPlatform(),
};
