// The stages of a build by number and by name. Images that COPY and RUN name directly
// join the list behind those of the file, and count when stages are named by number.

import { fault } from "../fault.ts";
import type { Stage } from "./stage.ts";

export class StageList {
  readonly all: Stage[] = [];
  readonly #known = new Set<Stage>();
  readonly #byName = new Map<string, Stage>();

  /** Adds a stage; it becomes a child of the stage that its FROM names, if that is in the list by now. */
  add(stage: Stage): void {
    this.all.push(stage);
    this.#known.add(stage);
    stage.base = this.#byName.get(stage.baseName);
    if (stage.name !== "") this.#byName.set(stage.name, stage);
  }

  has(stage: Stage): boolean {
    return this.#known.has(stage);
  }

  byName(name: string): Stage | undefined {
    return this.#byName.get(name.toLowerCase());
  }

  /** Throws when there is no such stage. */
  byIndex(index: number): Stage {
    const stage = this.all[index];
    if (stage === undefined) throw fault(`invalid stage index ${index}`);
    return stage;
  }

  /** The last stage of the file. */
  last(): Stage {
    const stage = this.all.at(-1);
    if (stage === undefined) throw fault("dockerfile contains no stages to build");
    return stage;
  }

  titles(): string[] {
    return this.all.map((stage) => stage.title).filter((title) => title !== "");
  }
}
