// Fuzzing of the Dockerfile language: mutated Dockerfiles, words with variables, ignore files and wildcards, of at most 64
// KiB. Nothing may crash, hang, or throw what is no message for a person.
//
//   node tools/soak/fuzz.ts [seconds, 600] [first seed]     prints figures; fails for what it found, with its seed
//   node tools/soak/fuzz.ts --seed N                        runs one input again, and shows it

import process from "node:process";
import { inspect } from "node:util";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { BuildError } from "../../builder/core/errors.ts";
import { randomFrom } from "./fuzz/random.ts";
import type { Trial } from "./fuzz/targets.ts";
import { trials } from "./fuzz/targets.ts";

/** Inputs between two words of a worker. */
const BATCH = 200;
/** A worker that says nothing for so long hangs. Far more than any input takes on a busy machine. */
const HANG_MS = 120_000;

interface Slow {
  readonly ms: number;
  readonly chars: number;
  readonly target: string;
  readonly seed: number;
}

/** What a worker found in a batch. */
interface Found {
  readonly inputs: Readonly<Record<string, number>>;
  /** Kinds of messages, without what stands in quotes and numbers. */
  readonly messages: readonly string[];
  readonly slowest: Slow;
  readonly crashes: readonly { readonly seed: number; readonly stack: string }[];
  readonly next: number;
}

if (!isMainThread) await work(Number(workerData));
else if (process.argv[2] === "--seed") await showOne(Number(process.argv[3]));
else await main(Number(process.argv[2] ?? 600), Number(process.argv[3] ?? Date.now() % 1_000_000_000));

async function main(seconds: number, firstSeed: number): Promise<void> {
  const inputs = new Map<string, number>();
  const messages = new Set<string>();
  const crashes: string[] = [];
  let slowest: Slow = { ms: 0, chars: 0, target: "", seed: 0 };
  const until = Date.now() + seconds * 1000;
  let seed = firstSeed;
  while (Date.now() < until && crashes.length < 20) {
    const worker = new Worker(new URL(import.meta.url), { workerData: seed });
    const hung = await watch(worker, until, (found) => {
      for (const [target, count] of Object.entries(found.inputs)) inputs.set(target, (inputs.get(target) ?? 0) + count);
      for (const message of found.messages) messages.add(message);
      if (found.slowest.ms > slowest.ms) slowest = found.slowest;
      for (const crash of found.crashes) crashes.push(`seed ${crash.seed}: ${crash.stack}`);
      seed = found.next;
    });
    await worker.terminate();
    if (hung !== undefined) crashes.push(`a seed from ${seed} to ${seed + BATCH}: ${hung}`);
    seed += hung === undefined ? 0 : BATCH;
  }
  const total = [...inputs.values()].reduce((sum, count) => sum + count, 0);
  console.log(`inputs     ${total} (${[...inputs].map(([target, count]) => `${count} ${target}`).join(", ")})`);
  console.log(`messages   ${messages.size} kinds`);
  console.log(
    `slowest    ${slowest.ms.toFixed(0)} ms of processor time, ${slowest.chars} characters of ${slowest.target}, seed ${slowest.seed}`,
  );
  console.log(`crashes    ${crashes.length}; seeds ${firstSeed} to ${seed}`);
  for (const crash of crashes) console.log(crash);
  process.exit(crashes.length === 0 ? 0 : 1);
}

/** Until the time is over, or the worker says nothing any more: then the reason. */
async function watch(worker: Worker, until: number, take: (found: Found) => void): Promise<string | undefined> {
  return await new Promise((resolve) => {
    let timer = setTimeout(() => resolve("no answer"), HANG_MS);
    worker.on("message", (found: Found) => {
      clearTimeout(timer);
      take(found);
      if (Date.now() >= until) resolve(undefined);
      else timer = setTimeout(() => resolve("no answer"), HANG_MS);
    });
    worker.on("error", (error) => {
      clearTimeout(timer);
      resolve(inspect(error));
    });
  });
}

async function work(firstSeed: number): Promise<never> {
  const trialOf = trials();
  for (let seed = firstSeed; ; seed += BATCH) parentPort?.postMessage(await batch(trialOf, seed));
}

async function batch(trialOf: ReturnType<typeof trials>, firstSeed: number): Promise<Found> {
  const inputs: Record<string, number> = {};
  const messages = new Set<string>();
  const crashes: { seed: number; stack: string }[] = [];
  let slowest: Slow = { ms: 0, chars: 0, target: "", seed: 0 };
  for (let seed = firstSeed; seed < firstSeed + BATCH; seed++) {
    const trial = trialOf(randomFrom(seed));
    inputs[trial.target] = (inputs[trial.target] ?? 0) + 1;
    const before = process.threadCpuUsage();
    const error = await attempt(trial);
    const { user, system } = process.threadCpuUsage(before);
    const ms = (user + system) / 1000;
    if (ms > slowest.ms) slowest = { ms, chars: trial.input.length, target: trial.target, seed };
    if (error instanceof BuildError && error.code !== "INTERNAL") messages.add(kindOf(error.message));
    else if (error !== undefined) crashes.push({ seed, stack: inspect(error) });
  }
  return { inputs, messages: [...messages], slowest, crashes, next: firstSeed + BATCH };
}

async function attempt(trial: Trial): Promise<unknown> {
  try {
    await trial.run();
    return undefined;
  } catch (error) {
    return error;
  }
}

function kindOf(message: string): string {
  return message
    .replaceAll(/"(?:[^"\\]|\\.)*"|'[^']*'|\[.*\]|\(.*\)/gs, "…")
    .replaceAll(/\d+/g, "0")
    .replaceAll(/[^\x20-\x7e…]+/g, "?")
    .split(/[:=]/)
    .slice(0, 2)
    .join(":")
    .slice(0, 80);
}

async function showOne(seed: number): Promise<void> {
  const trial = trials()(randomFrom(seed));
  console.log(`${trial.target}\n${JSON.stringify(trial.input)}`);
  const before = process.cpuUsage();
  const error = await attempt(trial);
  console.log(error instanceof BuildError && error.code !== "INTERNAL" ? error.message : inspect(error));
  console.log(`${process.cpuUsage(before).user / 1000} ms`);
}
