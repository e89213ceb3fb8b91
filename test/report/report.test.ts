// The page of a build: what is on it, and that a browser shows it as it is meant, whatever the build's texts hold.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { pathToFileURL } from "node:url";
import type { Digest } from "../../builder/core/digest.ts";
import { digestOf } from "../../builder/core/digest.ts";
import type { BuildEvent } from "../../builder/core/events.ts";
import type { TimelineStep } from "../../builder/records/timeline.ts";
import { pageOf } from "../../src/commands/build/report.ts";
import { criticalPath } from "../../src/report/critical-path.ts";
import { reportPage } from "../../src/report/report.ts";
import { record } from "../records/sample-record.ts";
import { Page, whyNoBrowser } from "../support/browser.ts";

/** Ends every element it may stand in, and would then run. */
const HOSTILE = `</pre></span></title></style></script><script>document.title="pwned"</script><img src="http://example.invalid/x" onerror="document.title='pwned'">&lt;'"\u202e\u0000end`;
const SHOWN = HOSTILE.replaceAll(/[\u202e\u0000]/g, "\ufffd");

const [a, b, c, d] = ["a", "b", "c", "d"].map(digestOf) as [Digest, Digest, Digest, Digest];
const step = (
  vertex: Digest,
  inputs: readonly Digest[],
  startedMs: number,
  completedMs: number,
  more: Partial<TimelineStep> = {},
): TimelineStep => ({
  vertex,
  name: `[${vertex.slice(7, 9)}] RUN ${HOSTILE}`,
  inputs,
  startedMs,
  completedMs,
  ...more,
});
const STEPS = [
  step(a, [], 0, 400, {
    parts: [{ id: "p", name: HOSTILE, current: 2_000_000, total: 2_000_000, startedMs: 0, completedMs: 300 }],
  }),
  step(b, [], 0, 100, { cached: true }),
  step(c, [a, b], 400, 900),
  step(d, [c], 900, 1000, { error: HOSTILE }),
];

function page(): string {
  return reportPage({
    record: {
      ...record("hostile"),
      what: HOSTILE,
      startedMs: 0,
      endedMs: 1000,
      status: "error",
      failure: { message: HOSTILE },
      request: {
        ...record("x").request,
        context: HOSTILE,
        namedContexts: { [HOSTILE]: HOSTILE },
        buildArgs: { [HOSTILE]: HOSTILE },
      },
      timeline: { steps: STEPS, warnings: [{ message: HOSTILE, file: HOSTILE, line: 3 }] },
    },
    output: new Map([[c, { lines: [HOSTILE, "x".repeat(500)], left: 17 }]]),
    reasons: new Map([[c, HOSTILE]]),
    layerBytes: new Map([[c, 1_234_567]]),
  });
}

suite("the report of a build", () => {
  test("the critical path goes back from the last step through what each had to wait for", () => {
    assert.deepEqual(criticalPath(STEPS), [0, 2, 3]);
    // What names no inputs followed what had ended last; a known step is seen through.
    assert.deepEqual(criticalPath([step(a, [], 0, 5), step(b, [], 0, 7), step(c, [], 8, 9)]), [1, 2]);
    assert.deepEqual(
      criticalPath([step(a, [], 0, 5), step(b, [a], 5, 5, { cached: true }), step(c, [b], 6, 9)]),
      [0, 2],
    );
    // What began long after its inputs had ended waited for others: for a turn here.
    const inTurn = [step(a, [], 0, 500), step(b, [], 505, 900), step(c, [a], 910, 990)];
    assert.deepEqual(criticalPath([step(a, [], 0, 500), step(b, [], 0, 550), step(c, [a], 590, 900)]), [0, 2]);
    assert.deepEqual(criticalPath(inTurn), [0, 1, 2]);
    assert.deepEqual(criticalPath([]), []);
    assert.deepEqual(criticalPath([step(a, [b], 0, 5), step(b, [a], 0, 5)]).length, 2);
  });

  test("has no markup of the build's in it, and nothing that is somewhere else", () => {
    const text = page();
    assert.doesNotMatch(text, /<script|<img|<link|<iframe|javascript:|@import|url\(/i);
    assert.doesNotMatch(text, /\u202e|\u0000/);
    assert.match(text, /default-src 'none'; style-src 'unsafe-inline'/);
  });
});

suite("the report in a browser", { skip: whyNoBrowser() ?? false }, () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-report-"));
  after(() => rmSync(folder, { recursive: true }));

  test("holds so much of what steps print, the last of it, however long the lines are", async () => {
    const known = { record: record("long"), reasons: new Map(), layerBytes: new Map() };
    const data = Buffer.from(`${"y".repeat(60_000)}\n`);
    const log = { kind: "log", stream: 1, time: 1, data } as const;
    const events = function* (): Generator<BuildEvent> {
      for (const vertex of [a, b]) for (let line = 0; line < 400; line++) yield { ...log, vertex };
      yield { ...log, vertex: b, data: Buffer.from("the end") };
    };
    const steps = [step(a, [], 0, 1), step(b, [], 0, 1)];
    const text = await pageOf({ ...known, record: { ...known.record, timeline: { steps, warnings: [] } } }, events());
    assert.ok(text.length < 1_500_000, String(text.length));
    assert.ok(text.includes("y… (55904 characters more)\nthe end<"));
    assert.ok(text.includes("273 lines before these: tsbuild builds logs long:2"));
  });

  test("shows hostile text as text, asks for nothing else, and fits a phone", async () => {
    const file = join(folder, "report.html");
    writeFileSync(file, page());
    const url = pathToFileURL(file).href;
    await using shown = await Page.open(url);
    assert.equal(await shown.evaluate("document.title"), `Build hostile of ${SHOWN}`);
    assert.equal(await shown.evaluate("document.querySelector('h1').textContent"), SHOWN);
    assert.equal(await shown.evaluate("document.querySelectorAll('script, img').length"), 0);
    assert.deepEqual(shown.requests, [url]);

    const blocks = await shown.evaluate(
      "[...document.querySelectorAll('details')].map((each) => [each.className, each.open])",
    );
    assert.deepEqual(blocks, [["path", false], ["cached", false], ["path", false], ["failed", true]]); // prettier-ignore
    assert.equal(
      await shown.evaluate("document.querySelectorAll('details')[2].querySelector('pre').textContent"),
      `${SHOWN}\n${"x".repeat(500)}`,
    );
    const facts = await shown.evaluate("document.querySelectorAll('.facts')[2].textContent");
    assert.equal(facts, "#3 · 0.5s · layer 1.23MB");
    assert.match(
      String(await shown.evaluate("document.querySelectorAll('details')[2].textContent")),
      /17 lines before these: tsbuild builds logs hostile:3/,
    );

    // Every step opens, and nothing is wider than the screen then.
    await shown.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)");
    assert.equal(await shown.evaluate("document.documentElement.scrollWidth"), 390);
    // The bars stand where the steps were: the third from 40 % to 90 %.
    const bar = await shown.evaluate(
      "(() => { const [all, one] = ['.track', '.span'].map((name) => document.querySelectorAll('details')[2].querySelector(name).getBoundingClientRect()); return [(one.left - all.left) / all.width, one.width / all.width].map((share) => Math.round(share * 100)); })()",
    );
    assert.deepEqual(bar, [40, 50]);
  });
});
