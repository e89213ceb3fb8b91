// mkdir, mkfile, rm and symlink, whole ops of several actions, and modes.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { RootfsView } from "../../builder/layer/view/view.ts";
import { modeChange } from "../../builder/ops/file/mode.ts";
import { planFileOp } from "../../builder/ops/file/run-file-op.ts";
import { wholeTree } from "../../builder/ops/file/whole-tree.ts";
import { copy, image, lineOf, local, never, NOW, planned, temporary } from "./file-support.ts";

const empty = new RootfsView([]);

test("mkdir makes parents for their owner and leaves what is there alone", async (t) => {
  const base = image({ "srv/": { mode: 0o700 }, "l -> /srv": {}, f: "" });
  const mkdir = (path: string) =>
    ({ action: "mkdir", path, mode: 0o755, makeParents: true, owner: { user: 7, group: 8 } }) as const;
  assert.deepEqual(await planned(t, base, empty, mkdir("/l/a/b")), [
    "srv dir 0700 0:0",
    "srv/a dir 0755 7:8",
    "srv/a/b dir 0755 7:8",
  ]);
  assert.deepEqual(await planned(t, base, empty, mkdir("/srv")), []);
  await assert.rejects(planned(t, base, empty, mkdir("/f/x")), /not a directory/);
});

test("a name that no file system has is refused", async (t) => {
  const mkdir = (path: string) => ({ action: "mkdir", path, mode: 0o755, makeParents: true }) as const;
  const longest = "n".repeat(255);
  assert.deepEqual(await planned(t, empty, empty, mkdir(`/${longest}`)), [`${longest} dir 0755 0:0`]);
  await assert.rejects(planned(t, empty, empty, mkdir(`/${longest}n`)), /file name too long/);
  await assert.rejects(planned(t, empty, empty, mkdir("/ü".repeat(1500))), /file name too long/);
  await assert.rejects(planned(t, empty, local(t, { a: "" }), copy("/a", `/d/${longest}n`)), /file name too long/);
});

test("mkfile writes text; onto a file it keeps the mode", async (t) => {
  const mkfile = { action: "mkfile", path: "/f", mode: 0o644, data: "né\n" } as const;
  assert.deepEqual(await planned(t, empty, empty, mkfile), ["f file 0644 0:0 né\n"]);
  assert.deepEqual(await planned(t, image({ f: { content: "old", mode: 0o600 } }), empty, mkfile), [
    "f file 0600 0:0 né\n",
  ]);
});

test("rm leaves whiteouts: of a directory only its own, of what the op made none", async (t) => {
  const base = image({ "d/": {}, "d/a": "", "d/b.txt": "", "d/c.txt": "" });
  const rm = (path: string, fields = {}) =>
    ({ action: "rm", path, allowNotFound: false, allowWildcard: false, ...fields }) as const;
  assert.deepEqual(await planned(t, base, empty, rm("/d")), ["d whiteout"]);
  assert.deepEqual(await planned(t, base, empty, rm("/d/*.txt", { allowWildcard: true })), [
    "d dir 0755 0:0",
    "d/b.txt whiteout",
    "d/c.txt whiteout",
  ]);
  assert.deepEqual(
    await planned(t, base, empty, { action: "mkfile", path: "/new", mode: 0o644, data: "" }, rm("/new")),
    [],
  );
  await assert.rejects(planned(t, base, empty, rm("/none")), /no such file/);
  assert.deepEqual(await planned(t, base, empty, rm("/none", { allowNotFound: true })), []);
  await assert.rejects(planned(t, base, empty, rm("/d/a/x", { allowNotFound: true })), /not a directory/);
  await assert.rejects(planned(t, base, empty, rm("/")), /root directory/);
});

test("a directory that is removed and made again hides its old names one by one", async (t) => {
  const base = image({ "d/": {}, "d/a": "", "d/sub/": {}, "d/sub/f": "" });
  const rm = { action: "rm", path: "/d", allowNotFound: false, allowWildcard: false } as const;
  assert.deepEqual(await planned(t, base, local(t, { a: "new" }), rm, copy("/a", "/d/")), [
    "d dir 0755 0:0",
    "d/a file 0644 0:0 new",
    "d/sub whiteout",
  ]);
});

test("symlink makes a link and refuses a name that is taken", async (t) => {
  const symlink = { action: "symlink", oldPath: "../x", newPath: "/d/l", owner: { user: 3 } } as const;
  assert.deepEqual(await planned(t, image({ "d/": {} }), empty, symlink), ["d dir 0755 0:0", "d/l symlink 3:3 ../x"]);
  await assert.rejects(planned(t, image({ "d/": {}, "d/l": "" }), empty, symlink), /file exists/);
});

test("the op's own time replaces the build's", async (t) => {
  const op = {
    kind: "file",
    destination: -1,
    createdTimeNs: "42",
    actions: [{ action: "mkdir", path: "/a", mode: 0o755, makeParents: true }],
  } as const;
  const { entries, immutableSources } = await planFileOp(op, [], {
    nowNs: NOW,
    scratchDirectory: temporary(t),
    signal: never,
  });
  assert.equal(entries[0]?.entry.mtimeNs, 42n);
  assert.equal(immutableSources, true);
});

test("a whole tree becomes one layer", async (t) => {
  const { entries } = await wholeTree(local(t, { "d/f": "x", "d/l -> f": "" }), never);
  assert.deepEqual(entries.map(lineOf), ["d dir 0755 0:0", "d/f file 0644 0:0 x", "d/l symlink 0:0 f"]);
});

test("symbolic modes that BuildKit was measured with", () => {
  const cases: [string, number, boolean, number][] = [
    ["go-w", 0o666, false, 0o644],
    ["a+X", 0o666, false, 0o666],
    ["+x", 0o666, false, 0o777],
    ["u+s,g+s,+t", 0o666, false, 0o7666],
    ["a=", 0o666, false, 0],
    ["go-w", 0o124, true, 0o104],
    ["u+rw,g+r,o-x,o+w", 0o124, true, 0o766],
    ["a+X", 0o124, true, 0o135],
    ["u=rwX,go=u-w", 0o755, true, 0o755],
    ["u=rwX,go=u-w", 0o644, false, 0o644],
  ];
  for (const [symbolic, mode, isDirectory, want] of cases) {
    assert.equal(modeChange({ symbolic })(mode, isDirectory).toString(8), want.toString(8), symbolic);
  }
});

test("symbolic modes of read, write and execute are those of chmod(1) without an umask", (t) => {
  const directory = temporary(t);
  const who = fc.constantFrom("", "u", "g", "o", "a", "ug", "go");
  const what = fc.constantFrom("", "r", "w", "x", "rw", "rx", "rwx", "u", "g", "o");
  const operation = fc.tuple(fc.constantFrom("+", "-", "="), what).map((parts) => parts.join(""));
  const clause = fc
    .tuple(who, fc.array(operation, { minLength: 1, maxLength: 2 }))
    .map(([names, operations]) => names + operations.join(""));
  const sample = fc.sample(
    fc.tuple(fc.array(clause, { minLength: 1, maxLength: 3 }), fc.integer({ min: 0, max: 0o777 })),
    { numRuns: 150, seed: 1 },
  );
  const script = sample.map(
    ([clauses, mode]) => `chmod ${mode.toString(8)} f; chmod -- ${clauses.join(",")} f; stat -c %a f`,
  );
  const output = execFileSync("sh", ["-c", `umask 0; : > f; ${script.join("; ")}`], {
    cwd: directory,
    encoding: "utf8",
  });
  const wanted = output.trim().split("\n");
  sample.forEach(([clauses, mode], index) => {
    const symbolic = clauses.join(",");
    assert.equal(modeChange({ symbolic })(mode, false).toString(8), wanted[index], `${mode.toString(8)} ${symbolic}`);
  });
});
