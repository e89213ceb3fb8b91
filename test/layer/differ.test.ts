// The differ on real overlay mounts: a base is laid down, a step changes the merged tree,
// and what the differ says is compared with what BuildKit's layers hold in such a case.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import { lsetxattr, mknod, mount, umount } from "../../builder/core/system/syscall.ts";
import { apply } from "../../builder/layer/apply.ts";
import { diff } from "../../builder/layer/tree/differ.ts";
import type { SourcedEntry } from "../../builder/layer/entry.ts";
import { pack } from "../../builder/layer/pack.ts";
import { isRoot, summary, temporary, treeText } from "./support.ts";

const check = (): void => undefined;
const needsRoot = { skip: isRoot ? false : "needs root: mounts overlays" };

/** Layers one on another, each made by a shell script in the merged tree of those below. */
class Stack {
  readonly #base: string;
  /** Topmost first. */
  #lowers: string[] = [];

  constructor(t: TestContext) {
    this.#base = temporary(t);
  }

  /** Runs a script over the layers so far, and gives what the differ says of it. */
  step(script: string, during?: (merged: string) => void): SourcedEntry[] {
    const number = this.#lowers.length;
    const [upper, work, merged, empty] = ["upper", "work", "merged", "empty"].map((name) =>
      join(this.#base, `${name}${number}`),
    );
    if (upper === undefined || work === undefined || merged === undefined || empty === undefined)
      throw new Error("no paths");
    for (const directory of [upper, work, merged, empty]) mkdirSync(directory);
    const lowerdir = [...this.#lowers, empty].join(":");
    mount(
      "overlay",
      merged,
      "overlay",
      0,
      `lowerdir=${lowerdir},upperdir=${upper},workdir=${work},metacopy=off,redirect_dir=nofollow,index=off`,
    );
    try {
      execFileSync("/bin/sh", ["-e", "-c", script], { cwd: merged });
      during?.(merged);
    } finally {
      umount(merged);
    }
    const entries = diff({ upper, lowers: this.#lowers, overlayXattrs: "trusted" }, check);
    this.#lowers = [upper, ...this.#lowers];
    return entries;
  }

  /** The merged tree of the layers so far as text. */
  merged(lowers: readonly string[] = this.#lowers): string[] {
    const merged = join(this.#base, `view${Math.random()}`);
    const empty = `${merged}-empty`;
    mkdirSync(merged);
    mkdirSync(empty);
    mount("overlay", merged, "overlay", 1, `lowerdir=${[...lowers, empty].join(":")}`);
    try {
      // A directory's time is no change, and links to lower layers are not kept.
      return treeText(merged).map((line) =>
        line.replace(/^(.* \d+:\d+) -?\d+ dir$/s, "$1 dir").replace(/^(.* \d+:\d+ -?\d+) \d+ /s, "$1 "),
      );
    } finally {
      umount(merged);
    }
  }

  /** Packs entries, unpacks the blob, and puts it in the place of the step's own directory. */
  async roundTrip(entries: readonly SourcedEntry[]): Promise<void> {
    const [step = "", ...below] = this.#lowers;
    const outFile = `${step}.tar`;
    await pack({ content: entries, outFile, sync: false, compression: "uncompressed", keepNanoseconds: true }, check);
    const directory = `${step}.again`;
    await apply({ blobFile: outFile, compression: "uncompressed", directory, overlayXattrs: "trusted" }, check);
    assert.deepEqual(this.merged([directory, ...below]), this.merged());
  }
}

/** One case: scripts in order, and what the last one changed. Every layer is also packed, unpacked and mounted again. */
function changes(name: string, scripts: readonly string[], expected: readonly string[]): void {
  test(name, needsRoot, async (t) => {
    const stack = new Stack(t);
    let last: SourcedEntry[] = [];
    for (const script of scripts) last = stack.step(script);
    assert.deepEqual(summary(last.map(({ entry }) => entry)), expected);
    for (const { entry, source } of last) assert.equal(source !== undefined, entry.type === "file");
    await stack.roundTrip(last);
  });
}

changes(
  "new files list their parents, never the root",
  ["mkdir -p a/b; echo x > a/b/f; echo y > top"],
  ["a dir", "a/b dir", "a/b/f file", "top file"],
);
changes(
  "a change deep down lists the directories around it",
  ["mkdir -p a/b/c; echo x > a/b/c/f", "echo y > a/b/c/f"],
  ["a dir", "a/b dir", "a/b/c dir", "a/b/c/f file"],
);
changes(
  "what is made and removed leaves nothing, not even its directory",
  ["mkdir d; echo x > d/keep", "echo t > d/t; rm d/t; touch n; rm n; mkdir m; rmdir m"],
  [],
);
changes(
  "a deleted file becomes a whiteout",
  ["mkdir d; echo x > d/a; echo y > d/b", "rm d/a"],
  ["d dir", "d/a whiteout"],
);
changes("a deleted directory becomes one whiteout", ["mkdir -p d/e; echo x > d/e/f", "rm -r d"], ["d whiteout"]);
changes(
  "a directory removed and made again has one whiteout for each thing lost (golden: diff-recreate-dir-opaque)",
  ["mkdir d; touch d/1 d/2; mkdir d/s; touch d/s/x", "rm -r d; mkdir d; touch d/new"],
  ["d dir", "d/1 whiteout", "d/2 whiteout", "d/new file", "d/s whiteout"],
);
changes(
  "the same over two layers, with another mode",
  ["mkdir d; touch d/1; mkdir d/s; touch d/s/x", "rm -r d; mkdir d; touch d/new", "rm -r d; mkdir -m 750 d"],
  ["d dir", "d/new whiteout"],
);
changes(
  "directories inside a replaced one are compared too",
  [
    "mkdir -p d/s/t; echo 1 > d/s/t/1; echo 2 > d/s/t/2; echo k > d/s/k",
    "cp -a d keep; rm -r d; mkdir -p d/s/t; cp -p keep/s/t/1 d/s/t/1; cp -p keep/s/k d/s/k; rm -r keep",
  ],
  ["d dir", "d/s dir", "d/s/t dir", "d/s/t/2 whiteout"],
);
changes(
  "a file that becomes a directory needs no whiteout",
  ["echo x > a", "rm a; mkdir a; echo y > a/f"],
  ["a dir", "a/f file"],
);
changes(
  "a directory that becomes a file needs no whiteout",
  ["mkdir a; echo y > a/f", "rm -r a; echo x > a"],
  ["a file"],
);
changes(
  "a directory that becomes a link is the link alone",
  ["mkdir a; echo y > a/f", "rm -r a; ln -s b a"],
  ["a symlink b"],
);
changes("opened for writing but not changed is nothing", ["echo x > f; mkdir d; echo y > d/g", ": >> f; : >> d/g"], []);
changes(
  "rewritten with the same bytes and time is nothing",
  ["echo x > f", "cp -p f /tmp/tsbuild-f; rm f; cp -p /tmp/tsbuild-f f"],
  [],
);
changes("a touched file is a change", ["echo x > f", "touch -d @5 f"], ["f file"]);
changes(
  "other content with the same size and time is a change",
  ["echo x > f; touch -d @5 f", "echo y > f; touch -d @5 f"],
  ["f file"],
);
changes(
  "a link with another target and the same time is a change",
  ["ln -s a l; touch -h -d @5 l", "rm l; ln -s b l; touch -h -d @5 l"],
  ["l symlink b"],
);
changes(
  "mode, owner and group are changes",
  ["touch a b c d", "chmod 600 a; chown 1 b; chgrp 1 c"],
  ["a file", "b file", "c file"],
);
changes(
  "a directory's own mode is a change, its time is not",
  ["mkdir a b; touch a/x b/x", "chmod 700 a; touch b"],
  ["a dir"],
);
changes("a new empty directory is listed", ["mkdir a", "mkdir a/b"], ["a dir", "a/b dir"]);
changes(
  "special files (golden: diff-special-files)",
  ["mkfifo pipe; mkdir -m 1777 sticky; mkdir -m 2755 sgid; touch suid; chmod 4755 suid; mknod dev c 1 3"],
  ["dev char", "pipe fifo", "sgid dir", "sticky dir", "suid file"],
);
changes(
  "names of one new file are hard links to the first",
  ["echo x > b; ln b c; mkdir a; ln b a/z"],
  ["a dir", "a/z file", "b hardlink a/z", "c hardlink a/z"],
);
changes("a name added to a file of the base is a plain file", ["echo x > a", "ln a b"], ["b file"]);
test("a name added to a file of the base says which of the base's names is the same file", needsRoot, (t) => {
  const stack = new Stack(t);
  stack.step("mkdir d; echo 1 > d/m; echo 2 > n");
  const entries = stack.step("ln d/m d/a; ln d/m z; ln n o; rm n; touch -d @5 other; ln -s x l; ln l k");
  const sharing = entries.filter(({ entry }) => entry.lowerNames !== undefined);
  assert.deepEqual(
    sharing.map(({ entry }) => [entry.path, entry.lowerNames]),
    [["d/a", ["d/m"]]],
  );
});
changes(
  "a changed name of a linked file of the base is a plain file (golden: diff-write-to-hardlink-of-base)",
  ["mkdir d; echo 1 > d/a; ln d/a d/b; ln d/a d/c", "chmod 600 d/b"],
  ["d dir", "d/b file"],
);
changes("links of links", ["ln -s t l; ln l m"], ["l symlink t", "m hardlink l"]);
changes(
  "names of any bytes",
  [
    `printf x > "$(printf 'bad\\377name')"; mkdir "$(printf 'latin\\351')"; touch 'new
line'`,
  ],
  ["bad\xffname file", "latin\xe9 dir", "new\nline file"],
);
changes(
  "names sort by bytes, a directory's children right after it",
  ["mkdir a; touch a/z a-b a.b A ab"],
  ["A file", "a dir", "a/z file", "a-b file", "a.b file", "ab file"],
);
changes(
  "a renamed directory is a deletion and a copy",
  ["mkdir d; echo x > d/f", "mv d e"],
  ["d whiteout", "e dir", "e/f file"],
);
changes(
  "what a lower whiteout hides is not compared with",
  ["mkdir d; echo x > d/f", "rm -r d", "mkdir d; echo x > d/f"],
  ["d dir", "d/f file"],
);
changes("a whiteout of what a lower layer has deleted already is nothing", ["echo x > f", "rm f", "touch f; rm f"], []);
changes(
  "deleting below an opaque directory of a lower layer",
  ["mkdir d; touch d/old", "rm -r d; mkdir d; touch d/new", "rm d/new"],
  ["d dir", "d/new whiteout"],
);

test("of all attributes only security.capability is kept, and its change alone is a change", needsRoot, async (t) => {
  const stack = new Stack(t);
  const capability = Uint8Array.of(1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  stack.step("echo x > f; touch -d @5 f");
  const entries = stack.step(":", (merged) => {
    lsetxattr(join(merged, "f"), "security.capability", capability);
    lsetxattr(join(merged, "f"), "user.note", Uint8Array.of(1));
  });
  assert.deepEqual(
    entries.map(({ entry }) => entry.xattrs),
    [{ "security.capability": capability }],
  );
  assert.deepEqual(stack.step(": >> f"), []);
});

test("sockets are left out, and a file that one replaces is deleted", needsRoot, async (t) => {
  const stack = new Stack(t);
  stack.step("echo x > f");
  const entries = stack.step("rm f", (merged) => {
    for (const name of ["f", "new"]) mknod(join(merged, name), 0o140644); // S_IFSOCK
  });
  assert.deepEqual(summary(entries.map(({ entry }) => entry)), ["f whiteout"]);
});

test("mount points that are still empty are ignored, used ones are not", needsRoot, async (t) => {
  const base = temporary(t);
  const upper = join(base, "upper");
  mkdirSync(join(upper, "proc"), { recursive: true });
  mkdirSync(join(upper, "dev"));
  mkdirSync(join(upper, "etc"));
  writeFileSync(join(upper, "dev/used"), "x");
  writeFileSync(join(upper, "etc/resolv.conf"), "");
  const ignore = ["/proc", "/dev", "/etc", "/etc/resolv.conf"];
  const entries = diff({ upper, lowers: [], overlayXattrs: "trusted", ignore }, check);
  assert.deepEqual(summary(entries.map(({ entry }) => entry)), ["dev dir", "dev/used file"]);
});

test("a file whose name would be a deletion in the image stops the build", needsRoot, async (t) => {
  const stack = new Stack(t);
  const entries = stack.step("touch .wh.f");
  await assert.rejects(
    stack.roundTrip(entries),
    (error) => error instanceof BuildError && error.code === "UNSUPPORTED",
  );
});
