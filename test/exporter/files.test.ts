// type=local and type=tar: the merged files, on disk and as one tar.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import type { PlatformTree } from "../../builder/exporter/merged.ts";
import { exportLocal } from "../../builder/exporter/local.ts";
import { exportTar } from "../../builder/exporter/tar.ts";
import type { ContentSource, Entry } from "../../builder/layer/entry.ts";
import { openLayerJobs } from "../../builder/layer/jobs/pool.ts";
import { RootfsView } from "../../builder/layer/view/view.ts";
import { AMD64 } from "./sample.ts";

const temp = fs.mkdtempSync(join(tmpdir(), "tsbuild-local-"));
after(() => {
  execFileSync("chmod", ["-R", "u+rwx", temp]);
  fs.rmSync(temp, { recursive: true, force: true });
});
const signal = new AbortController().signal;
const isRoot = process.getuid?.() === 0;
const fresh = (): string => fs.mkdtempSync(join(temp, "d-"));
const MTIME = 1_600_000_000_123_456_789n;

const entry = (path: string, type: Entry["type"], more: Partial<Entry> = {}): Entry => ({
  path,
  type,
  mode: type === "dir" ? 0o755 : 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtimeNs: MTIME,
  ...more,
});

function treeOf(entries: readonly Entry[], contents: Readonly<Record<string, string>>, platform = AMD64): PlatformTree {
  const sized = entries.map((one) =>
    one.type === "file" ? { ...one, size: Buffer.byteLength(contents[one.path] ?? "") } : one,
  );
  const sources = async (paths: readonly string[]): Promise<Map<string, { kind: "bytes"; bytes: Uint8Array }>> =>
    new Map(paths.map((path) => [path, { kind: "bytes", bytes: Buffer.from(contents[path] ?? "") }]));
  return { platform, tree: new RootfsView([{ entries: sized, sources }]) };
}

const sample = (): PlatformTree =>
  treeOf(
    [
      entry("bin", "dir"),
      entry("bin/tool", "file", { mode: 0o4755 }),
      entry("bin/twin", "hardlink", { link: "bin/tool", mode: 0o4755 }),
      entry("closed", "dir", { mode: 0o555 }),
      entry("closed/inside", "file", { mode: 0o400, uid: 12, gid: 34 }),
      entry("link", "symlink", { mode: 0o777, link: "bin/tool" }),
      entry("pipe", "fifo"),
      entry("\xc3\xa4", "file"),
    ],
    { "bin/tool": "#!tool", "closed/inside": "x", "\xc3\xa4": "umlaut" },
  );

const local = (
  path: string,
  more: Partial<Parameters<typeof exportLocal>[1]> = {},
): Parameters<typeof exportLocal>[1] => ({
  path,
  platformSplit: false,
  deleteExtra: false,
  privileged: isRoot,
  ...more,
});

suite("a folder", () => {
  test("gets files, modes, times, links and, from root, owners", async () => {
    const path = join(fresh(), "new");
    await exportLocal([sample()], local(path), signal);
    assert.equal(fs.readFileSync(join(path, "bin/tool"), "utf8"), "#!tool");
    assert.equal(fs.statSync(join(path, "bin/tool")).mode & 0o7777, 0o4755);
    assert.equal(fs.statSync(join(path, "bin/tool")).ino, fs.statSync(join(path, "bin/twin")).ino);
    assert.equal(fs.statSync(join(path, "closed")).mode & 0o7777, 0o555);
    for (const name of ["bin", "bin/tool", "link", "closed"])
      assert.equal(fs.lstatSync(join(path, name), { bigint: true }).mtimeNs, MTIME, name);
    assert.equal(fs.readlinkSync(join(path, "link")), "bin/tool");
    assert(fs.lstatSync(join(path, "pipe")).isFIFO());
    assert.equal(fs.readFileSync(join(path, "ä"), "utf8"), "umlaut");
    const { uid } = fs.statSync(join(path, "closed/inside"));
    assert.equal(uid, isRoot ? 12 : process.getuid?.());
    // Once more over what is there, also over the directory that is read-only now.
    await exportLocal([sample()], local(path), signal);
    assert.deepEqual(fs.readdirSync(path).sort(), ["bin", "closed", "link", "pipe", "ä"]);
  });

  test("is the user's own without privileges", { skip: isRoot ? false : "always so" }, async () => {
    const path = fresh();
    const device = treeOf([entry("null", "char", { major: 1, minor: 3 }), entry("f", "file", { uid: 12 })], { f: "" });
    assert.deepEqual((await exportLocal([device], local(path, { privileged: false }), signal)).skipped, ["null"]);
    assert.equal(fs.statSync(join(path, "f")).uid, 0);
  });

  test("is never written through its links, neither symlinks nor other names of a file", async () => {
    const path = fresh();
    const outside = fresh();
    fs.writeFileSync(join(outside, "tool"), "precious");
    fs.symlinkSync(outside, join(path, "bin"));
    fs.mkdirSync(join(path, "closed"));
    fs.linkSync(join(outside, "tool"), join(path, "closed/inside"));
    fs.symlinkSync(join(outside, "tool"), join(path, "ä"));
    await exportLocal([sample()], local(path), signal);
    assert.deepEqual(fs.readdirSync(outside), ["tool"]);
    assert.equal(fs.readFileSync(join(outside, "tool"), "utf8"), "precious");
    assert(fs.lstatSync(join(path, "bin")).isDirectory());
  });

  test("keeps what else is in it, unless it is to be a mirror", async () => {
    const path = fresh();
    fs.mkdirSync(join(path, "bin"));
    fs.writeFileSync(join(path, "bin/old"), "");
    fs.mkdirSync(join(path, "gone/deep"), { recursive: true });
    await exportLocal([sample()], local(path), signal);
    assert(fs.existsSync(join(path, "bin/old")));
    await exportLocal([sample()], local(path, { deleteExtra: true }), signal);
    assert.deepEqual(fs.readdirSync(path).sort(), ["bin", "closed", "link", "pipe", "ä"]);
    assert.deepEqual(fs.readdirSync(join(path, "bin")).sort(), ["tool", "twin"]);
  });

  test("has one folder a platform where there are several", async () => {
    const path = fresh();
    const arm = treeOf([entry("x", "file")], { x: "arm" }, { os: "linux", architecture: "arm", variant: "v7" });
    await exportLocal([treeOf([entry("x", "file")], { x: "amd" }), arm], local(path, { platformSplit: true }), signal);
    assert.equal(fs.readFileSync(join(path, "linux_arm_v7/x"), "utf8"), "arm");
    assert.equal(fs.readFileSync(join(path, "linux_amd64/x"), "utf8"), "amd");
  });

  const unreadable = (): PlatformTree => ({
    platform: AMD64,
    tree: new RootfsView([
      {
        entries: [entry("bin", "dir"), entry("bin/tool", "file", { size: 3 }), entry("z", "file", { size: 5 })],
        sources: async () =>
          new Map<string, ContentSource>([
            ["bin/tool", { kind: "bytes", bytes: Buffer.from("new") }],
            ["z", { kind: "path", path: "/nonexistent" }],
          ]),
      },
    ]),
  });

  test("stays as it was when a file of the result cannot be read, and is not made for it", async () => {
    const path = fresh();
    fs.mkdirSync(join(path, "bin"));
    fs.writeFileSync(join(path, "bin/tool"), "old");
    await assert.rejects(exportLocal([unreadable()], local(path), signal));
    assert.deepEqual(fs.readdirSync(path), ["bin"]);
    assert.equal(fs.readFileSync(join(path, "bin/tool"), "utf8"), "old");
    await assert.rejects(exportLocal([unreadable()], local(join(path, "a/b"), {}), signal));
    assert.deepEqual(fs.readdirSync(path), ["bin"]);
  });

  test("is left alone by a build that is stopped", async () => {
    const path = fresh();
    const stop = new AbortController();
    stop.abort(new BuildError("CANCELLED", "stopped"));
    await assert.rejects(exportLocal([sample()], local(join(path, "new")), stop.signal), { code: "CANCELLED" });
    assert.deepEqual(fs.readdirSync(path), []);
  });

  test("loses what a killed process was writing to it", async () => {
    const path = fresh();
    const { pid } = spawnSync("true");
    const dead = `${pid}-1-${/\d+/.exec(fs.readlinkSync("/proc/self/ns/pid"))?.[0]}`;
    fs.mkdirSync(join(path, `.tsbuild.${dead}.tmp/x`), { recursive: true });
    fs.chmodSync(join(path, `.tsbuild.${dead}.tmp/x`), 0o500);
    await exportLocal([treeOf([entry("f", "file")], { f: "" })], local(path), signal);
    assert.deepEqual(fs.readdirSync(path), ["f"]);
  });

  test("may have another file system mounted in it", { skip: isRoot ? false : "needs root, to mount" }, async (t) => {
    const path = fresh();
    fs.mkdirSync(join(path, "bin"));
    const { status } = spawnSync("mount", ["-t", "tmpfs", "tmpfs", join(path, "bin")]);
    assert.equal(status, 0);
    t.after(() => spawnSync("umount", ["-l", join(path, "bin")]));
    fs.mkdirSync(join(path, "bin/tool"));
    const deep = treeOf(
      [
        entry("bin", "dir"),
        entry("bin/sub", "dir"),
        entry("bin/sub/link", "symlink", { link: "x" }),
        entry("bin/tool", "file"),
        entry("bin/twin", "hardlink", { link: "bin/tool" }),
      ],
      { "bin/tool": "#!tool" },
    );
    await exportLocal([deep], local(path), signal);
    assert.equal(fs.readFileSync(join(path, "bin/twin"), "utf8"), "#!tool");
    assert.equal(fs.statSync(join(path, "bin/tool")).ino, fs.statSync(join(path, "bin/twin")).ino);
    assert.equal(fs.readlinkSync(join(path, "bin/sub/link")), "x");
    assert.deepEqual(fs.readdirSync(join(path, "bin")).sort(), ["sub", "tool", "twin"]);
    assert.equal(fs.lstatSync(join(path, "bin/sub"), { bigint: true }).mtimeNs, MTIME);
  });

  test("that cannot be made is named", async () => {
    const file = join(fresh(), "file");
    fs.writeFileSync(file, "");
    await assert.rejects(
      exportLocal([sample()], local(join(file, "x")), signal),
      (error) => error instanceof BuildError && error.code === "OUTPUT" && error.message.includes(file),
    );
  });
});

suite("a tar", () => {
  test("has the files, is the same twice, and goes to a stream as well", async () => {
    await using jobs = openLayerJobs({ workers: 1 });
    const folder = fresh();
    const options = { platformSplit: false, jobs, workDirectory: fresh() };
    for (const name of ["a.tar", "b.tar"])
      await exportTar([sample()], { ...options, destination: { kind: "file", path: join(folder, name) } }, signal);
    const streamed: Uint8Array[] = [];
    await exportTar(
      [sample()],
      { ...options, destination: { kind: "stream", write: async (chunk) => void streamed.push(chunk) } },
      signal,
    );
    const bytes = fs.readFileSync(join(folder, "a.tar"));
    assert.deepEqual(fs.readFileSync(join(folder, "b.tar")), bytes);
    assert.deepEqual(Buffer.concat(streamed), bytes);
    assert.deepEqual(fs.readdirSync(folder).sort(), ["a.tar", "b.tar"]);
    assert.deepEqual(fs.readdirSync(options.workDirectory), []);
    const list = execFileSync("tar", ["tvf", join(folder, "a.tar"), "--full-time"], {
      encoding: "utf8",
      env: { ...process.env, TZ: "UTC", LC_ALL: "C.UTF-8" },
    });
    assert.match(list, /bin\/twin link to bin\/tool/);
    assert.match(list, /-r-------- 12\/34 .* closed\/inside/);
  });

  test("that is not finished is not there", async () => {
    await using jobs = openLayerJobs({ workers: 1 });
    const folder = fresh();
    const broken = treeOf([entry("f", "file", { size: 5 })], {});
    const missing: PlatformTree = {
      ...broken,
      tree: new RootfsView([
        {
          entries: [entry("f", "file", { size: 5 })],
          sources: async () => new Map([["f", { kind: "path" as const, path: "/nonexistent" }]]),
        },
      ]),
    };
    await assert.rejects(
      exportTar(
        [missing],
        {
          platformSplit: false,
          jobs,
          workDirectory: folder,
          destination: { kind: "file", path: join(folder, "x.tar") },
        },
        signal,
      ),
    );
    assert.deepEqual(fs.readdirSync(folder), []);
  });
});
