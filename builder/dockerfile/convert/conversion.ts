// What all parts of one conversion share.

import type { Digest } from "../../core/digest.ts";
import type { SourceLocation, SourceRange } from "../../core/errors.ts";
import type { Vertex } from "../../graph/vertex.ts";
import type { Faults } from "../faults.ts";
import type { Dockerfile } from "../instruction.ts";
import type { Findings } from "./findings.ts";
import type { Variables } from "./variables/env.ts";
import type { Parameters } from "./variables/parameters.ts";
import type { ConvertOptions, ConvertWorld } from "./plan.ts";
import type { StageList } from "./stages/stage-list.ts";
import type { Tree } from "./stages/stage.ts";

export interface Conversion {
  readonly dockerfile: Dockerfile;
  readonly options: ConvertOptions;
  readonly world: ConvertWorld;
  readonly signal: AbortSignal;
  readonly findings: Findings;
  /** What is wrong with the file so far. */
  readonly faults: Faults;
  readonly stages: StageList;
  /** As the request gives them, with SOURCE_DATE_EPOCH made a number. */
  readonly buildArgs: Variables;
  /** Automatic ARGs and those before the first FROM. */
  readonly globalArgs: Variables;
  /** What every stage begins with: the ARGs before the first FROM. */
  readonly parameters: Parameters;
  readonly epochSeconds: number | undefined;
  /** The main context; asked for only when something reads it, loaded once. */
  readonly mainContext: () => Promise<Tree>;
}

/** A place in the Dockerfile, with its text for the excerpt. */
export function locate(dockerfile: Dockerfile, range: SourceRange): SourceLocation {
  return { file: dockerfile.fileName, range, text: dockerfile.text };
}

/** The inputs of a vertex under construction: equal ones are listed once. */
export class Inputs {
  readonly list: Vertex[] = [];
  readonly #places = new Map<Digest, number>();

  /** Index of an input; -1 for the empty tree. */
  add(vertex: Vertex | undefined): number {
    if (vertex === undefined) return -1;
    const place = this.#places.get(vertex.digest) ?? this.list.push(vertex) - 1;
    this.#places.set(vertex.digest, place);
    return place;
  }
}
