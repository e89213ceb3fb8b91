// What may run again after a change: every case of fixtures/invalidation is played, and the steps that ran are
// compared with those that BuildKit ran. INVALIDATION=all plays those of long runs as well (`make soak` does);
// TESTS=whole five sixths as root, and the others are an ordinary user's (test/support/sample.ts); `SCENES=mounts,stages node --test test/invalidation.test.ts` plays some scenes.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { after, before, suite, test } from "node:test";

import type { BuildEvent } from "../builder/core/events.ts";
import { buildCase } from "./conformance/build-case.ts";
import { canSetAttributes } from "./conformance/case.ts";
import { layOutBases } from "./conformance/lay-out.ts";
import { type Case, type Need, readRecorded, readScenes, type Scene } from "./invalidation/scenes.ts";
import { play, type Step } from "./invalidation/stage.ts";
import { serveFolder } from "./invalidation/www.ts";
import { becomeRoot } from "./support/become-root.ts";
import type { LoopbackServer } from "./support/loopback.ts";
import { isPlayedInTurn } from "./support/sample.ts";

const noSandbox = await becomeRoot();
const SCENES = readScenes();
const RECORDED = readRecorded();
const whole = process.env["INVALIDATION"] === "all";
const chosen = process.env["SCENES"]?.split(",");

suite("what may run again", { concurrency: 2, skip: noSandbox ?? false }, () => {
  let folder = "";
  let bases = "";
  let server: LoopbackServer;

  before(async () => {
    process.umask(0o022);
    folder = mkdtempSync(path.join(tmpdir(), "tsbuild-invalidation-"));
    chmodSync(folder, 0o755);
    bases = path.join(folder, "bases");
    layOutBases(bases);
    server = await serveFolder(folder);
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const [number, scene] of SCENES.entries()) {
    if (chosen?.includes(scene.name) === false) continue;
    if (chosen === undefined && !whole && !isPlayedInTurn(number)) continue;
    if (!whole && scene.case.every(({ more }) => more)) continue;
    test(scene.name, { skip: whyNot(scene.needs) ?? false }, async () => {
      const own = path.join(folder, String(number));
      const builder = (flags: readonly string[], context: string): Promise<readonly Step[]> =>
        build(flags, context, path.join(folder, `${number}.store`));
      const got: Record<string, readonly string[]> = {};
      const isPlayed = ({ needs, more }: Case): boolean => (whole || !more) && whyNot(needs) === undefined;
      const stage = { builder, folder: own, bases, www: `${server.url}/${number}/www` };
      await play(scene, stage, isPlayed, ({ name }, ran) => (got[name] = ran.toSorted()));
      assert.deepEqual(got, wanted(scene, Object.keys(got)));
    });
  }
});

suite("the table", () => {
  test("has at least 60 cases in short runs, each recorded, and says why where tsbuild is another than BuildKit", () => {
    const cases = SCENES.flatMap((scene) => scene.case.map((it) => ({ scene: scene.name, ...it })));
    assert.ok(cases.filter(({ more }) => !more).length >= 60);
    for (const { scene, name, ours, why } of cases) {
      const theirs = RECORDED.ran[scene]?.[name] ?? assert.fail(`"${scene}: ${name}" is not recorded`);
      assert.equal(ours === undefined, why === undefined, `"${scene}: ${name}" needs both or neither`);
      if (ours !== undefined) assert.notDeepEqual(ours.toSorted(), theirs, `"${scene}: ${name}" is no difference`);
    }
    assert.equal(Object.values(RECORDED.ran).flatMap(Object.keys).length, cases.length);
    assert.match(RECORDED.version, /BuildKit/);
  });
});

function wanted(scene: Scene, names: readonly string[]): Record<string, readonly string[]> {
  return Object.fromEntries(
    names.map((name) => {
      const ours = scene.case.find((it) => it.name === name)?.ours;
      return [name, ours?.toSorted() ?? RECORDED.ran[scene.name]?.[name] ?? []];
    }),
  );
}

async function build(flags: readonly string[], context: string, root: string): Promise<readonly Step[]> {
  const steps = new Map<string, Step>();
  const events = (event: BuildEvent): void => {
    if (event.kind === "vertex" && event.completed !== undefined)
      steps.set(event.vertex, { name: event.name, inputs: event.inputs, ran: event.cached !== true });
  };
  const file = flags.includes("--file") ? [] : ["--file", path.join(context, "Dockerfile")];
  const asked = { flags: [...file, "--output", "type=cacheonly", ...flags], context, environment: {}, root, events };
  assert.equal(await buildCase(asked), undefined);
  return [...steps.values()];
}

function whyNot(need: Need | undefined): string | undefined {
  switch (need) {
    case undefined:
      return undefined;
    case "root":
      return process.env["TSBUILD_USERNS"] === "single" ? "needs root or subordinate ids" : undefined;
    case "xattr":
      return canSetAttributes() ? undefined : "needs python3 and a file system with user attributes";
    case "git":
    case "openssl":
      return spawnSync(need, ["--version"]).error === undefined ? undefined : `needs ${need}`;
  }
}
