// Builds in this process, from the flags of `docker build` to files.

import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import type { TestContext } from "node:test";

import { build } from "../../builder/build.ts";
import type { BuildEvent } from "../../builder/core/events.ts";
import { BUILD_FLAGS } from "../../src/cli/flags/build-flags.ts";
import { parseArguments } from "../../src/cli/flags.ts";
import { readOutputs } from "../../src/commands/build/outputs.ts";
import { readRequest } from "../../src/commands/build/request.ts";
import { NEVER, temporaryFolder } from "./support.ts";

export interface Built {
  /** "name owner mode" of everything in the result, sorted. */
  readonly files: readonly string[];
  /** Names of the steps that were told of, each once. */
  readonly steps: readonly string[];
  read(name: string): string;
}

export interface Workshop {
  readonly folder: string;
  /** Builds to a tar and lists it. */
  build(
    context: string,
    options?: {
      readonly flags?: readonly string[];
      readonly stdin?: Uint8Array;
      readonly environment?: Record<string, string>;
    },
  ): Promise<Built>;
}

/** A folder of the test's own, with a store in it. */
export function workshop(t: TestContext): Workshop {
  const folder = temporaryFolder(t);
  return {
    folder,
    async build(context, { flags = [], stdin, environment = {} } = {}) {
      const tar = path.join(folder, "result.tar");
      const events: BuildEvent[] = [];
      const args = parseArguments(BUILD_FLAGS, [...flags, "-o", `type=tar,dest=${tar}`]);
      const request = await readRequest({
        args,
        context,
        root: path.join(folder, "root"),
        outputs: await readOutputs(args, { isTerminal: false, write: () => Promise.resolve() }),
        environment: { PATH: process.env["PATH"], HOME: folder, ...environment },
        openStdin: () => () => inPieces(stdin ?? Buffer.alloc(0)),
        events: (event) => void events.push(event),
      });
      await build(request, NEVER);
      return {
        files: listTar(tar),
        steps: stepsIn(events),
        read: (name) => execFileSync("tar", ["-xOf", tar, name], { encoding: "utf8" }),
      };
    },
  };
}

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
}

function listTar(file: string): string[] {
  const lines = execFileSync("tar", ["--numeric-owner", "-tvf", file], { encoding: "utf8" }).trim().split("\n");
  return lines
    .map((line) => line.split(/\s+/))
    .map(([mode = "", owner = "", , , , name = ""]) => `${name} ${owner} ${mode}`)
    .filter((line) => !line.startsWith("./ "))
    .toSorted();
}

function stepsIn(events: readonly BuildEvent[]): string[] {
  return [...new Set(events.flatMap((event) => (event.kind === "vertex" ? [event.name] : [])))];
}

/** A folder with these files; the names of some end in "/". */
export function fill(folder: string, files: Readonly<Record<string, string>>): string {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.join(folder, path.dirname(name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  return folder;
}

/** An archive of a folder, its files owned by 1000:2000. */
export function tarOf(folder: string, ...flags: string[]): Buffer {
  return execFileSync("tar", ["-c", "--owner=1000", "--group=2000", "--sort=name", ...flags, "-C", folder, "."]);
}
