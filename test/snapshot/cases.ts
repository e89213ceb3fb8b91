// What every snapshotter must do: the same steps, run for real, leave the same layers. Both test files of this room
// run all of it.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { BytePath } from "../../builder/core/bytes/byte-path.ts";
import { type Engine, openEngine } from "../../builder/engine.ts";
import type { Entry } from "../../builder/layer/entry.ts";
import { viewOf } from "../../builder/ops/result.ts";
import type { StoredLayer } from "../../builder/snapshot/ref.ts";
import { readRoot, type RootDirectory } from "../../builder/snapshot/root-directory.ts";
import { SharedFileChanged, type Snapshotter } from "../../builder/snapshot/snapshotter.ts";
import { insideSandboxUser } from "../executor/step-fixture.ts";
import { entriesOf, treeText } from "../layer/support.ts";
import { makeBase } from "./base-tree.ts";

const NEVER = new AbortController().signal;
const GZIP = { compression: "gzip" } as const;

/** Registers the cases for one kind; `file` is the test file, which an ordinary user runs again inside a namespace. */
export async function snapshotterCases(kind: "overlay" | "copy", file: string): Promise<void> {
  if (!(await insideSandboxUser(file))) return;
  suite(`the ${kind} snapshotter`, () => {
    let folder = "";
    let engine: Engine;
    let snapshotter: Snapshotter;
    let base: StoredLayer;

    before(async () => {
      folder = mkdtempSync(join(tmpdir(), `tsbuild-${kind}-`));
      engine = await openEngine({ root: join(folder, "root"), snapshotter: kind });
      snapshotter = await engine.snapshotter();
      base = await engine.layers.fromEntries(
        entriesOf(makeBase(folder)),
        { directory: true, hardlinkSources: false, blob: GZIP, createdMs: 0 },
        NEVER,
      );
    });
    after(async () => {
      await engine[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    });

    /** Runs a script on some layers, again where names of a file have to be apart; the layer it leaves. */
    async function step(script: string, below: readonly StoredLayer[] = [base]): Promise<StoredLayer> {
      return await runStep(script, below).catch((error: unknown) => {
        if (!(error instanceof SharedFileChanged)) throw error;
        assert.equal(kind, "copy");
        return runStep(script, below, error.names);
      });
    }

    async function runStep(
      script: string,
      below: readonly StoredLayer[],
      apart?: readonly BytePath[],
    ): Promise<StoredLayer> {
      await using scratch = engine.layers.scratch();
      await using root = await snapshotter.prepare(below, true, NEVER, apart);
      const said: Buffer[] = [];
      const result = await (
        await engine.executor()
      ).run(
        {
          id: "case",
          root: root.root,
          mounts: [],
          process: {
            args: ["/bin/busybox", "sh", "-ec", script],
            env: ["PATH=/bin"],
            cwd: "/",
            uid: 0,
            gid: 0,
            additionalGids: [],
            security: "sandbox",
            ulimits: [],
          },
          network: "host",
          hostname: "case",
          extraHosts: [],
          shmSizeBytes: 65536,
          scratch: scratch.path,
          output: (_, chunk) => said.push(Buffer.from(chunk)),
        },
        NEVER,
      );
      assert.equal(result.exitCode, 0, Buffer.concat(said).toString());
      return engine.layers.fromFrozen(await root.freeze({ ignore: [] }, NEVER), 0, NEVER);
    }

    const cases: readonly (readonly [name: string, script: string, want: readonly string[]])[] = [
      ["a step that changes nothing has an empty layer", "cat a/file >/dev/null", []],
      ["a new file comes with its parents", "echo x >a/new", ["a dir", "a/new file"]],
      ["a deleted file is a whiteout in its parent", "rm a/file", ["a dir", "a/file whiteout"]],
      ["of a deleted directory only the top is marked", "rm -r a", ["a whiteout"]],
      ["a directory made again hides what it had, path by path", "rm -r a; mkdir a; echo x >a/second", ["a dir", "a/file whiteout", "a/link whiteout", "a/second file", "a/sub whiteout"]],
      ["a file in place of a directory, and the other way round", "rm -r a; echo x >a; rm other; mkdir other; echo x >other/in", ["a file", "other dir", "other/in file"]],
      ["a mode alone counts", "chmod 600 other; chmod 700 a/sub", ["a dir", "a/sub dir", "other file"]],
      ["a time alone counts", "touch -d @5 other", ["other file"]],
      ["a link that points elsewhere counts", "rm a/link; ln -s nowhere a/link", ["a dir", "a/link symlink nowhere"]],
      ["the same bytes written anew, with the old time, are no change", "cp -p other /tmp/o; cat /tmp/o >other; touch -r /tmp/o other; rm /tmp/o", []],
      ["other bytes of the same size with the old time are a change", "cp -p other /tmp/o; echo 'OTHER' >other; touch -r /tmp/o other; rm /tmp/o", ["other file"]],
      ["a file replaced by an equal one is no change", "cp -p other /tmp/o; mv /tmp/o other", []],
      ["both names of a new file are one file", "echo x >n1; ln n1 n2", ["n1 file", "n2 hardlink n1"]],
      ["a second name of an old file is a file of its own", "ln other n2", ["n2 file"]],
      ["a fifo stays, and what a step makes in /dev is none of ours", "mkfifo p; echo x >/dev/f", ["p fifo"]],
      ["an empty directory stays", "mkdir -p e/f", ["e dir", "e/f dir"]],
      ["names are bytes", "touch \"$(printf 'n\\377')\"", ["n\u00ff file"]],
    ]; // prettier-ignore
    for (const [name, script, want] of cases) {
      test(name, async () => {
        assert.deepEqual(shown(await (await step(script)).index(NEVER)), want);
      });
    }

    test("the next step sees what the one before it left", async () => {
      const first = await step("rm a/file; echo 1 >new; ln new new2; chmod 711 a");
      const second = await step(
        'test ! -e a/file; test "$(cat new2)" = 1; test "$(stat -c %a a)" = 711; echo 2 >new; rm -r a/sub',
        [base, first],
      );
      assert.deepEqual(
        shown(await second.index(NEVER)).filter((line) => !line.startsWith("new")),
        ["a dir", "a/sub whiteout"],
      );
      const third = await step('test ! -e a/sub; test "$(cat new)" = 2', [base, first, second]);
      assert.deepEqual(await third.index(NEVER), []);
    });

    test("what changes one of several names of a file changes no other, and links stay links", async () => {
      const first = await step("echo 1 >n1; ln n1 n2; ln n1 n3; echo 5 >o1; ln o1 o2");
      const second = await step('echo 2 >n2; ln n2 n4; chmod 600 n4; test "$(stat -c %h o1)" = 2', [base, first]);
      assert.deepEqual(shown(await second.index(NEVER)), ["n2 file", "n4 hardlink n2"]);
      const view = await viewOf({ layers: [base, first, second] }, NEVER);
      assert.equal(view.inode("n1"), view.inode("n3"));
      assert.equal(view.inode("n2"), view.inode("n4"));
      assert.deepEqual([view.lstat("n1")?.mode, view.lstat("n2")?.mode], [0o644, 0o600]);
      const third = await step("rm o1; mv o2 o3; ln n1 n5; rm n5", [base, first, second]);
      assert.deepEqual(shown(await third.index(NEVER)), ["o1 whiteout", "o2 whiteout", "o3 file"]);
    });

    test("a second name of an old file is one file with it for the next step", async () => {
      const first = await step("ln other n2");
      assert.deepEqual(
        (await first.index(NEVER)).map(({ path, lowerNames }) => [path, lowerNames]),
        [["n2", ["other"]]],
      );
      const view = await viewOf({ layers: [base, first] }, NEVER);
      assert.equal(view.inode("other"), view.inode("n2"));
    });

    test("the root directory keeps its owner for later steps, also above a copy, and its mode for those who look at it", async (t) => {
      const chowned = await step("chmod 711 /; chown 1:2 / 2>/dev/null || echo one >/single");
      if ((await chowned.index(NEVER)).some(({ path }) => path === "single"))
        return t.skip("this namespace has one id");
      const copied = await engine.layers.fromEntries(
        entriesOf(makeBase(join(folder, "copied"))),
        { directory: true, hardlinkSources: false, blob: GZIP, createdMs: 0 },
        NEVER,
      );
      const above = await step('test "$(stat -c %u:%g:%a /)" = 1:2:755', [base, chowned, copied]);
      assert.deepEqual(above.root, { mode: 0o755, uid: 1, gid: 2 });
      const look = async (layers: readonly StoredLayer[]): Promise<RootDirectory> => {
        await using prepared = await snapshotter.prepare(layers, false, NEVER);
        const { root } = prepared;
        return readRoot(root.kind === "directory" ? root.path : (root.stack.lowers[0] ?? ""));
      };
      assert.deepEqual(await look([base, chowned]), { mode: 0o711, uid: 1, gid: 2 });
      assert.deepEqual(await look([base, chowned, copied]), { mode: 0o755, uid: 1, gid: 2 });
      assert.deepEqual(await look([base]), { mode: 0o755, uid: 0, gid: 0 });
    });

    test("a deleted directory that a later step makes again is empty", async () => {
      const first = await step("rm -r a");
      const second = await step("mkdir a", [base, first]);
      const third = await step('test -z "$(ls a)"', [base, first, second]);
      assert.deepEqual(await third.index(NEVER), []);
    });

    test("attributes in the layer are those on disk: owner, mode, time to the nanosecond", async (t) => {
      const layer = await step(
        "echo x >f; chmod 4751 f; touch -d @1700000000 f; (chown 1:2 f) 2>/dev/null || echo one >/single",
      );
      const entries = await layer.index(NEVER);
      const entry = entries.find(({ path }) => path === "f");
      assert.equal(entry?.mtimeNs, 1_700_000_000_000_000_000n);
      if (entries.some(({ path }) => path === "single")) return t.skip("this namespace has one id");
      // chown takes the setuid bit away.
      assert.deepEqual([entry?.uid, entry?.gid, entry?.mode], [1, 2, 0o751]);
    });

    test("a layer's directory holds its files, and its blob is packed from there", async () => {
      const layer = await step("echo x >a/new; ln a/new a/new2; rm other");
      const text = treeText(await layer.directory(NEVER)).map((line) => line.replace(/ \d{15,} /, " "));
      assert.deepEqual(text, ["a 755 0:0 dir", "a/new 644 0:0 2 x\n", "a/new2 644 0:0 2 x\n", "other whiteout"]);
      const blob = await layer.blob(GZIP, NEVER);
      assert.ok(await engine.store.has(blob.descriptor.digest));
    });

    test("a read-only rootfs cannot be written", async () => {
      await using scratch = engine.layers.scratch();
      await using root = await snapshotter.prepare([base], false, NEVER);
      assert.equal(root.root.readonly, true);
      const result = await (await engine.executor()).run(
        { id: "ro", root: root.root, mounts: [], process: { args: ["/bin/busybox", "sh", "-c", "echo x >/f"], env: [], cwd: "/", uid: 0, gid: 0, additionalGids: [], security: "sandbox", ulimits: [] }, network: "host", hostname: "ro", extraHosts: [], shmSizeBytes: 65536, scratch: scratch.path, output: () => undefined },
        NEVER,
      ); // prettier-ignore
      assert.notEqual(result.exitCode, 0);
    });

    test("what a step on scratch needs is there: an empty root of mode 0755 under every umask", async () => {
      const before = process.umask(0o077);
      try {
        await using root = await snapshotter.prepare([], true, NEVER);
        const path = root.root.kind === "directory" ? root.root.path : (root.root.stack.upper ?? "");
        assert.equal(statSync(path).mode & 0o7777, 0o755);
      } finally {
        process.umask(before);
      }
    });

    test("disposing takes everything away", async () => {
      const path = await (async () => {
        await using root = await snapshotter.prepare([base], true, NEVER);
        return root.root.kind === "directory" ? root.root.path : (root.root.stack.upper ?? "");
      })();
      assert.throws(() => statSync(path), { code: "ENOENT" });
    });
  });
}

function shown(entries: readonly Entry[]): string[] {
  // /dev, /proc and /sys are made by every driver where an image has none; this one has.
  return entries.map(({ path, type, link }) => `${path} ${type}${link === undefined ? "" : ` ${link}`}`);
}
