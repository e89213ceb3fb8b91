// What people see of a pull: the step of its FROM, begun anew when bytes come.

import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../../builder/core/digest.ts";
import type { BuildEvent } from "../../builder/core/events.ts";
import { PullProgress } from "../../builder/engine/images/pull-progress.ts";
import { PlainText } from "../../src/progress/plain.ts";

const FROM = { vertex: digestOf("from"), name: "[1/2] FROM base" };
const [A, B] = [digestOf("a"), digestOf("b")];

test("layers are told of below their FROM, which is done again when the last one is", async () => {
  let now = 0;
  const view = new PlainText();
  let text = "";
  const events = (event: BuildEvent): void => void (text += view.push(event, now));
  const progress = new PullProgress({ events, now: () => now }, "base");
  const from = { kind: "vertex", ...FROM, inputs: [], started: 0 } as const;
  events(from);
  events({ ...from, completed: 0 });
  progress.belongsTo(FROM.vertex, FROM.name);
  const pull = async (digest: typeof A, steps: readonly number[]): Promise<void> => {
    await progress.during(async () => {
      for (const current of steps) {
        progress.sink({ digest, current, total: 100, done: false });
        await Promise.resolve();
        now += 200;
      }
      progress.sink({ digest, current: 100, total: 100, done: true });
    });
  };
  await Promise.all([pull(A, [0, 50]), pull(B, [])]);
  assert.equal(
    text,
    `#1 [1/2] FROM base\n#1 DONE 0.0s\n\n#1 [1/2] FROM base\n#1 ${A} 0B / 100B\n#1 ${A} 50B / 100B 0.2s\n#1 ${A} 100B / 100B 0.4s done\n#1 DONE 0.4s\n`,
  );
});

test("a pull that fails does not leave its step open", async () => {
  const seen: BuildEvent[] = [];
  const progress = new PullProgress({ events: (event) => void seen.push(event), now: () => 1 }, "base");
  const failing = progress.during(() => {
    progress.sink({ digest: A, current: 1, total: 2, done: false });
    return Promise.reject(new Error("connection reset"));
  });
  await assert.rejects(failing, /connection reset/);
  const last = seen.at(-1);
  assert(last?.kind === "vertex" && last.completed !== undefined);
});
