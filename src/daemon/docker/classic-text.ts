// A build's progress as docker's old builder tells it, for clients that read its text: "Step 2/5 : RUN make", what the
// step prints, " ---> Using cache".

import type { StatusResponse } from "../../api/proto/control.ts";
import type { Message } from "./message-stream.ts";

/** "[2/5] RUN make", "[build 2/5] RUN make"; what a build does beside its Dockerfile has another form. */
const STEP = /^\[(?:.* )?(\d+)\/(\d+)\] (.*)$/s;

/** Turns progress into lines; keeps in mind what it has told. */
export class ClassicText {
  readonly #begun = new Set<string>();
  readonly #cached = new Set<string>();

  /** The lines for what has happened. */
  linesFor({ vertexes, logs, warnings }: StatusResponse): readonly Message[] {
    const lines: string[] = [];
    for (const { digest, name, cached, started } of vertexes) {
      const [, number, total, instruction] = STEP.exec(name) ?? [];
      if (number === undefined || started === undefined) continue;
      if (!this.#begun.has(digest)) lines.push(`Step ${number}/${total} : ${instruction}\n`);
      if (cached && !this.#cached.has(digest)) lines.push(" ---> Using cache\n");
      this.#begun.add(digest);
      if (cached) this.#cached.add(digest);
    }
    for (const { data } of logs) lines.push(Buffer.from(data).toString("utf8"));
    for (const { short } of warnings) lines.push(`[Warning] ${Buffer.from(short).toString("utf8")}\n`);
    return lines.map((stream) => ({ stream }));
  }
}
