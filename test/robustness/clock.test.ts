// Clocks that have gone back, and file systems without locks: why a step ran is said as ever, the last build is the last
// one, and a store where two builds could not be kept apart is refused.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, suite, test } from "node:test";
import { Room, Running } from "./workshop.ts";

const DAY_MS = 24 * 3600e3;

suite("a store", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-clock-"));
  after(() => rmSync(folder, { recursive: true, force: true }));

  function room(name: string): Room {
    const home = join(folder, name);
    mkdirSync(join(home, "context"), { recursive: true });
    writeFileSync(join(home, "context/Dockerfile"), "FROM scratch\nCOPY file /\n");
    writeFileSync(join(home, "context/file"), "first");
    return new Room(home, join(home, "context"), join(home, "root"));
  }

  test("whose clock has gone back knows the last build, why its steps ran, and when things are old", async () => {
    const here = room("clock");
    const ask = async (...words: readonly string[]): Promise<string> => {
      const ended = await new Running(["--root", here.root, ...words], here.home).ended;
      assert.equal(ended.code, 0, ended.stderr);
      return ended.stdout;
    };
    await here.succeed(["-o", "type=cacheonly"]);
    makeLater(here.root, 400 * DAY_MS);
    writeFileSync(join(here.context, "file"), "second");
    const { stderr } = await here.succeed(["-o", "type=cacheonly", "--explain"]);
    const reason = /^COPY file \/ \(Dockerfile:2\) ran: file changed \(sha256:\w+… -> sha256:\w+…\)$/m;
    assert.match(stderr, reason);
    assert.match(await ask("why"), reason);
    const { items } = JSON.parse(await ask("du", "--json")) as { items: readonly { kind: string; lastUsed: string }[] };
    const used = items.filter(({ kind }) => kind === "layer").map(({ lastUsed }) => Date.parse(lastUsed));
    assert.equal(used.length, 2);
    assert.ok(used.every((ms) => ms <= Date.now()), "what was used in the future was used until now"); // prettier-ignore
  });

  const noCompiler = spawnSync("cc", ["--version"]).error === undefined ? false : "needs a C compiler";
  test(
    "on a file system without locks is refused by name, and nothing is left half made",
    { skip: noCompiler },
    async () => {
      const here = room("locks");
      const lockless = join(here.home, "lockless.so");
      const source = [
        "#define _GNU_SOURCE",
        "#include <dlfcn.h>\n#include <errno.h>\n#include <fcntl.h>\n#include <stdarg.h>",
        "#define CALL(name) int name(int fd, int command, ...) { \\",
        "  va_list rest; va_start(rest, command); void *value = va_arg(rest, void *); va_end(rest); \\",
        "  if (command == F_SETLK || command == F_SETLKW) { errno = ENOLCK; return -1; } \\",
        "  return ((int (*)(int, int, ...))dlsym(RTLD_NEXT, #name))(fd, command, value); }",
        "CALL(fcntl)\nCALL(fcntl64)",
      ].join("\n");
      const compiled = spawnSync("cc", ["-shared", "-fPIC", "-x", "c", "-", "-o", lockless, "-ldl"], { input: source });
      assert.equal(compiled.status, 0, String(compiled.stderr));
      const ended = await here.build(["-o", "type=cacheonly"], { env: { LD_PRELOAD: lockless } });
      assert.equal(ended.code, 73, ended.stderr);
      assert.match(ended.stderr, /^ERROR: the file system of ".*" has no locks, which a store needs\n.*--root/m);
      assert.deepEqual(readdirSync(join(here.root, "tsbuild/work")), []);
      await here.succeed(["-o", "type=cacheonly"]);
    },
  );
});

/** As if all that is written down in a store had been so much later. */
function makeLater(root: string, ms: number): void {
  for (const [file, change] of [
    [
      "cache.db",
      "UPDATE results SET created = created + ?1; UPDATE items SET used = used + ?1, created = created + ?1",
    ],
    ["steps.db", "UPDATE steps SET created = created + ?1"],
  ] as const) {
    const database = new DatabaseSync(join(root, "tsbuild", file));
    for (const statement of change.split(";")) database.prepare(statement).run(ms);
    database.close();
  }
  const builds = join(root, "tsbuild/builds");
  const later = (Date.now() + ms) / 1000;
  for (const name of readdirSync(builds)) utimesSync(join(builds, name), later, later);
}
