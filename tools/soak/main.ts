// Many builds at once on one store, many of them killed at random; then everything in the store is checked: each blob's
// digest, each recorded layer, each image, that `fsck` finds nothing, that the store is below its ceiling, and that the
// next builds are right. Prints figures; fails on the first thing that is wrong. It goes on for SOAK_SECONDS (600), and
// until SOAK_KILLS (200) builds were killed.

import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";

import { runAsOwner } from "../../test/support/as-owner.ts";
import { buildBase, whyNoBusybox } from "../../test/support/busybox.ts";
import { type BuildEnd, runBuild, runCommand } from "./build.ts";
import type { StoreFigures } from "./check-store.ts";

const SECONDS = Number(process.env["SOAK_SECONDS"] ?? "600");
const LANES = availableParallelism() + 2;
const KILLS = Number(process.env["SOAK_KILLS"] ?? "200");
const VARIANTS = 6;
/** Less than all contexts and rounds take: garbage is collected all the time. */
const CEILING_MIB = 160;

const missing = whyNoBusybox();
if (missing !== undefined) {
  console.error(`the soak test ${missing}`);
  process.exit(1);
}

const folder = mkdtempSync(path.join(tmpdir(), "tsbuild-soak-"));
const figures = { builds: 0, succeeded: 0, killed: 0 };
/** How long a build takes here: kills are to fall into all of it, also on a slow machine. */
let usualMs = 2500;
try {
  const { storeRoot } = await buildBase(folder);
  cpSync(storeRoot, path.join(folder, "fresh"), { recursive: true, verbatimSymlinks: true });
  const contexts = Array.from({ length: VARIANTS }, (_, number) => makeContext(number));
  const until = Date.now() + SECONDS * 1000;
  console.log(`${LANES} builds at a time for ${SECONDS} s on ${storeRoot}`);
  await Promise.all(Array.from({ length: LANES }, (_, lane) => runLane(lane, contexts, storeRoot, until)));
  await checkEnd(contexts, storeRoot);
} finally {
  await runAsOwner("rm", "-rf", folder);
}

/** Builds one context after the other until the time is over, killing about every second one somewhere. */
async function runLane(lane: number, contexts: readonly string[], storeRoot: string, until: number): Promise<void> {
  const random = randomNumbers(lane + 1);
  while (Date.now() < until || figures.killed < KILLS) {
    const context = contexts[Math.floor(random() * contexts.length)] ?? "";
    const args = ["--build-arg", `ROUND=${Math.floor(random() * 4)}`, "-t", `soak:${path.basename(context)}`];
    if (random() < 0.3) args.push("--no-cache");
    if (random() < 0.3) args.push("-o", `type=oci,dest=${path.join(folder, `out-${lane}.tar`)}`);
    const killAfterMs = random() < 0.5 ? random() * usualMs : undefined;
    const startedMs = performance.now();
    const end = await runBuild({
      storeRoot,
      context,
      args,
      home: folder,
      ceiling: `${CEILING_MIB}m`,
      ...(killAfterMs === undefined ? {} : { killAfterMs }),
    });
    if (!end.killed) usualMs += (performance.now() - startedMs - usualMs) / 8;
    count(end);
  }
}

function count(end: BuildEnd): void {
  figures.builds += 1;
  if (end.killed) figures.killed += 1;
  else {
    assert.equal(end.code, 0, `a build failed, after ${figures.killed} kills:\n${end.stderr}`);
    figures.succeeded += 1;
  }
}

/** Every context once more, here and on a store that nothing ever happened to: the same digests. */
async function checkEnd(contexts: readonly string[], storeRoot: string): Promise<void> {
  for (const context of contexts) {
    const args = ["--reproducible", "--build-arg", "ROUND=0", "-t", "soak:end"];
    const [here, there] = [
      await runBuild({ storeRoot, context, args, home: folder, ceiling: `${CEILING_MIB}m` }),
      await runBuild({ storeRoot: path.join(folder, "fresh"), context, args, home: folder }),
    ];
    assert.equal(here.code, 0, here.stderr);
    assert.equal(there.code, 0, there.stderr);
    assert.equal(here.digest, there.digest, `${context}: the store that was soaked gives another image`);
  }
  const fsck = runCommand(storeRoot, folder, "fsck");
  assert.equal(fsck.code, 0, fsck.text);
  const { onDisk } = JSON.parse(runCommand(storeRoot, folder, "du", "--json").text) as { onDisk: number };
  assert.ok(onDisk <= CEILING_MIB * 2 ** 20, `the store takes ${onDisk} bytes, more than ${CEILING_MIB} MiB`);
  // Folders that their owner may not enter are open to the one who has all ids.
  const checked = await runAsOwner(process.execPath, path.join(import.meta.dirname, "checked.ts"), storeRoot);
  assert.ok(checked.stdout !== "", checked.stderr);
  const found = JSON.parse(checked.stdout) as StoreFigures;
  console.log(`builds     ${figures.builds}, of which killed ${figures.killed}, succeeded ${figures.succeeded}`);
  console.log(`blobs      ${found.blobs}, ${Math.round(found.bytes / 1024)} KiB, every digest right`);
  console.log(`disk       ${Math.round(onDisk / 2 ** 20)} of ${CEILING_MIB} MiB; fsck finds nothing`);
  console.log(`layers     ${found.recorded} recorded and whole, ${found.layers} on disk, none unfinished`);
  console.log(`images     ${found.images} whole, ${contexts.length} contexts build the same as on a fresh store`);
}

function makeContext(number: number): string {
  const context = path.join(folder, `context-${number}`);
  mkdirSync(context);
  writeFileSync(path.join(context, "file"), `file of ${number}\n`);
  const dockerfile = [
    "FROM fixture:busybox AS made",
    "ARG ROUND",
    `RUN mkdir /made && echo ${number} $ROUND >/made/a && dd if=/dev/zero of=/made/b bs=1M count=${number + 1} 2>/dev/null && ln /made/a /made/c`,
    "FROM fixture:busybox",
    "COPY --from=made /made /made",
    "COPY file /",
    `RUN rm -r /root; sleep 0.${number}; echo x >>/file`,
    "RUN --mount=type=cache,target=/kept dd if=/dev/urandom of=/kept/$(date +%S) bs=64k count=4 2>/dev/null",
    "RUN mkdir -p /d/e && touch /d/e/f && chmod 700 /d",
    // Other owners, and folders that not even their owner may enter, in the upper directory and in a cache mount.
    `RUN --mount=type=cache,target=/shut mkdir -p /shut/${number} /d/shut && touch /shut/${number}/a /d/shut/a && chown -R ${number + 7}:7 /shut/${number} /d/shut && chmod 000 /shut/${number} /d/shut && sleep 0.2`,
  ];
  writeFileSync(path.join(context, "Dockerfile"), `${dockerfile.join("\n")}\n`);
  return context;
}

/** The same numbers in every run (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
