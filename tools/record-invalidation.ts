// Records which steps BuildKit runs for fixtures/invalidation. `node tools/record-invalidation.ts FOLDER VERSION PRUNE BUILD…`: FOLDER
// is one that the daemon's machine sees, PRUNE a shell command that empties its cache, BUILD… the words of
// `docker buildx build`, to which flags and the context are added. SCENES=a,b records some scenes. The fixture's README
// shows a call.

import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";

import * as v from "valibot";

import { layOutBases } from "../test/conformance/lay-out.ts";
import { FIXTURES, readRecorded, readScenes } from "../test/invalidation/scenes.ts";
import { type Builder, play, type Step } from "../test/invalidation/stage.ts";
import { serveFolder } from "../test/invalidation/www.ts";

/** A line of `--progress=rawjson`, as far as it tells of steps. */
const Line = v.object({
  vertexes: v.optional(
    v.array(
      v.object({
        digest: v.string(),
        name: v.string(),
        inputs: v.optional(v.array(v.string()), []),
        completed: v.optional(v.string()),
        cached: v.optional(v.boolean(), false),
      }),
    ),
    [],
  ),
});

const [folder = "", version = "", prune = "", ...words] = process.argv.slice(2);
if (words.length === 0) throw new Error("usage: record-invalidation FOLDER VERSION PRUNE BUILD…");

const buildkit: Builder = async (flags, context) => {
  const [program = "", ...args] = words;
  const child = spawn(program, [...args, "--provenance=false", "--progress=rawjson", ...flags, context], {
    stdio: ["ignore", "ignore", "pipe"],
    cwd: "/",
  });
  const exited = new Promise<number | null>((resolve) => child.on("close", resolve));
  const output = await text(child.stderr);
  if ((await exited) !== 0) throw new Error(output);
  const steps = new Map<string, Step>();
  for (const line of output.split("\n").filter((each) => each.startsWith("{"))) {
    for (const { digest, name, inputs, completed, cached } of v.parse(Line, JSON.parse(line)).vertexes)
      if (completed !== undefined) steps.set(digest, { name, inputs, ran: !cached });
  }
  return [...steps.values()];
};

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const bases = path.join(folder, "bases");
layOutBases(bases, { copy: true });
await using server = await serveFolder(folder);
const chosen = process.env["SCENES"]?.split(",");
const ran: Record<string, Record<string, readonly string[]>> = {};
for (const [number, scene] of readScenes().entries()) {
  if (chosen?.includes(scene.name) === false) {
    ran[scene.name] = readRecorded().ran[scene.name] ?? {};
    continue;
  }
  spawnSync("sh", ["-c", prune], { stdio: "inherit" });
  const own = path.join(folder, String(number));
  const cases: Record<string, readonly string[]> = {};
  const stage = { builder: buildkit, folder: own, bases, www: `${server.url}/${number}/www` };
  await play(scene, stage, () => true, ({ name }, steps) => (cases[name] = steps.toSorted())); // prettier-ignore
  ran[scene.name] = cases;
  console.log(JSON.stringify({ [scene.name]: cases }, undefined, 1));
}
writeFileSync(path.join(FIXTURES, "buildkit.json"), `${JSON.stringify({ version, ran }, undefined, 1)}\n`);
