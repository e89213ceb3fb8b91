// The session in README.md, typed in again: each command must succeed and print what stands there. Digests, sizes and times
// are another machine's, and whether a part that takes no time is told twice.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";

import { COMPILE_CACHE } from "../support/compile-cache.ts";

const ROOT = join(import.meta.dirname, "../..");
const BUSYBOX = "/bin/busybox";

interface Typed {
  command: string;
  output: string;
}

test(
  "the README's first session goes as it says",
  { skip: existsSync(BUSYBOX) ? false : "needs /bin/busybox (Debian: busybox-static)" },
  (t) => {
    const typed = readSession(readFileSync(join(ROOT, "README.md"), "utf8"));
    assert(typed.length >= 10);
    const folder = mkdtempSync(join(tmpdir(), "tsbuild-readme-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const program = join(folder, "tsbuild");
    writeFileSync(
      program,
      `#!/bin/sh\nexec '${process.execPath}' '${ROOT}/bin/tsbuild.js' --root '${folder}/root' "$@"\n`,
    );
    chmodSync(program, 0o755);
    const env = { ...COMPILE_CACHE, PATH: `${folder}:/usr/sbin:/usr/bin:/sbin:/bin`, HOME: folder };
    let cwd = folder;
    for (const { command, output } of typed) {
      const {
        status,
        stdout,
        output: all,
      } = spawnSync("/bin/sh", ["-c", `{ ${command}\n} 2>&1 || exit\npwd >&3`], {
        cwd,
        env,
        encoding: "utf8",
        stdio: ["ignore", "pipe", "inherit", "pipe"],
      });
      assert.equal(status, 0, `${command}\n${stdout}`);
      assert.equal(masked(stdout), masked(output), command);
      cwd = all[3]?.trim() ?? "";
    }
  },
);

/** Commands and what they print, of all console blocks; a here-document belongs to its command. */
function readSession(readme: string): Typed[] {
  const typed: Typed[] = [];
  for (const [, block = ""] of readme.matchAll(/^```console\n([^]*?)^```$/gm)) {
    let end: string | undefined;
    for (const line of block.split("\n").slice(0, -1)) {
      const last = typed.at(-1);
      if (end !== undefined && last !== undefined) {
        last.command += `\n${line}`;
        if (line === end) end = undefined;
      } else if (line.startsWith("$ ")) {
        typed.push({ command: line.slice(2), output: "" });
        end = /<<'(\w+)'/.exec(line)?.[1];
      } else if (last !== undefined) last.output += `${line}\n`;
    }
  }
  return typed;
}

function masked(output: string): string {
  const lines = output
    .replaceAll(/\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b/g, "DIGEST")
    .replaceAll(/ \d+\.\d+s\b/g, "")
    .replaceAll(/\b[\d.]+[kM]?B\b/g, "SIZE")
    .replaceAll(/ (?:Less than a second|About a minute|\d+ (?:second|minute)s?) ago /g, " AGO ")
    .replaceAll(/ {2,}/g, "  ")
    .replaceAll("DONE", "done")
    .split("\n");
  // A part that took its time was told of once before it was done.
  return lines.filter((line, at) => lines[at + 1] !== `${line} done`).join("\n");
}
