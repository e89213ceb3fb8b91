// How the time for reading and converting a Dockerfile grows with its size: files of one shape, n, 2n and 4n long, each
// read and converted in a small world of test images. Prints milliseconds and the exponent between the two longest: 1 is
// linear, 2 quadratic; on a busy machine single figures jump. `node tools/soak/growth.ts [part of a name]`.

import process from "node:process";
import { compilePatterns } from "../../builder/core/patterns/pattern.ts";
import { compileGlob } from "../../builder/core/patterns/glob.ts";
import { BuildError } from "../../builder/core/errors.ts";
import { readIgnore } from "../../builder/dockerfile/dockerignore.ts";
import { convertText } from "../../test/dockerfile/convert-world.ts";
import { SHAPES } from "../../test/dockerfile/shapes.ts";

const ROUNDS = 3;
const LONG_MS = 2000;

/** Work that grows with n. */
type Work = (n: number) => () => unknown;

const PATTERNS: Readonly<Record<string, readonly [n: number, work: Work]>> = {
  "ignore file": [5000, (n) => () => readIgnore(lines(n, (at) => `!a/b${at}/../*.c`))],
  "ignore patterns on one path": [
    2000,
    (n) => {
      const patterns = compilePatterns(Array.from({ length: n }, (_, at) => `dir${at}/**/*.o`));
      return () => patterns.matchesPath("a/b/c/d/e/f/g.c");
    },
  ],
  "ignore patterns and as many paths": [
    500,
    (n) => {
      const patterns = compilePatterns(Array.from({ length: n }, (_, at) => `dir${at}`));
      return () => {
        const walk = patterns.walk();
        for (let at = 0; at < n; at++) walk.visit(`file${at}`, false);
      };
    },
  ],
  "stars in an ignore pattern": [
    200,
    (n) => {
      const patterns = compilePatterns([`${"a*".repeat(n)}b`]);
      return () => patterns.matchesPath("a".repeat(n));
    },
  ],
  "stars in a wildcard": [500, (n) => () => compileGlob(`${"a*".repeat(n)}b`)("a".repeat(2 * n))],
  "one star, long name": [5000, (n) => () => compileGlob(`*${"a".repeat(n)}b`)("a".repeat(2 * n))],
};

const wanted = process.argv[2] ?? "";
for (const [name, [n, make]] of Object.entries(SHAPES)) {
  if (name.includes(wanted)) await measure(name, n, (size) => () => convertQuietly(make(size)));
}
for (const [name, [n, work]] of Object.entries(PATTERNS)) {
  if (name.includes(wanted)) await measure(name, n, work);
}

async function measure(name: string, n: number, work: Work): Promise<void> {
  const times: number[] = [];
  for (const size of [n, 2 * n, 4 * n]) times.push(await leastMs(work(size)));
  const [, half = 0, whole = 0] = times;
  const shown = times.map((ms) => ms.toFixed(1).padStart(9)).join("");
  console.log(`${name.padEnd(44)} n=${String(n).padEnd(6)}${shown} ms  n^${Math.log2(whole / half).toFixed(2)}`);
}

/** Processor time, the least of some rounds. */
async function leastMs(run: () => unknown): Promise<number> {
  let least = Infinity;
  for (let round = 0; round < ROUNDS && (round === 0 || least < LONG_MS); round++) {
    const before = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}

/** What is refused is refused in such a time as well. */
async function convertQuietly(text: string): Promise<void> {
  try {
    await convertText(text);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
  }
}

function lines(n: number, line: (at: number) => string): string {
  return Array.from({ length: n }, (_, at) => `${line(at)}\n`).join("");
}
