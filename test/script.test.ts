// Every file of fixtures/script is a test (five sixths of them as root where all is tried, else a sixth): its first comment says what
// must hold, then come whole command lines and the files they work on. test/support/script.ts says which commands there
// are.

import assert from "node:assert/strict";
import * as fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, suite, test } from "node:test";

import { type Base, buildBase, whyNoBusybox } from "./support/busybox.ts";
import { type LayerText, readImageText } from "./support/image-text.ts";
import { isPlayedInTurn } from "./support/sample.ts";
import { runScript, SkipScript } from "./support/script.ts";
import { parseTxtar } from "./support/txtar.ts";
import { splitWords } from "./support/words.ts";

const SCRIPTS = path.join(import.meta.dirname, "../fixtures/script");

suite("command lines", { skip: whyNoBusybox() ?? false }, () => {
  let folder = "";
  let base: Base | undefined;
  let layers: readonly LayerText[] = [];
  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "tsbuild-script-"));
    base = await buildBase(folder);
    layers = await readImageText(base.layout);
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  for (const [number, file] of fs.globSync("*.txtar", { cwd: SCRIPTS }).toSorted().entries()) {
    if (!isPlayedInTurn(number)) continue;
    const { comment, files } = parseTxtar(fs.readFileSync(path.join(SCRIPTS, file), "utf8"));
    test(`${file}: ${/^# (.*)/.exec(comment)?.[1] ?? "has no first comment"}`, async (t) => {
      assert.ok(base);
      const own = path.join(folder, file);
      const work = path.join(own, "work");
      const storeRoot = path.join(own, "store");
      fs.mkdirSync(work, { recursive: true });
      fs.cpSync(base.storeRoot, storeRoot, { recursive: true, verbatimSymlinks: true });
      for (const [name, content] of files) {
        fs.mkdirSync(path.dirname(path.join(work, name)), { recursive: true });
        fs.writeFileSync(path.join(work, name), content);
      }
      try {
        await runScript(comment, { folder: work, storeRoot, base: layers });
      } catch (error) {
        if (!(error instanceof SkipScript)) throw error;
        t.skip(error.message);
      }
    });
  }
});

suite("the script language", () => {
  test("words are split as a shell would, and variables replaced outside of single quotes", () => {
    const environment = { A: "one two" };
    assert.deepEqual(splitWords(`a 'b  $A' "c $A" d$A ${"${A}"}x --e='f g' # h`, environment), [
      "a",
      "b  $A",
      "c one two",
      "done two",
      "one twox",
      "--e=f g",
    ]);
    assert.throws(() => splitWords("a 'b", environment), /not closed/);
    assert.throws(() => splitWords("a $B", environment), /\$B is not set/);
  });

  test("an archive's files keep every byte, and none leads out of its folder", () => {
    const { comment, files } = parseTxtar("# say\ncmd\n-- a/b --\none\n\ntwo\n-- empty --\n-- c --\nno end");
    assert.equal(comment, "# say\ncmd\n");
    assert.deepEqual(
      [...files],
      [
        ["a/b", "one\n\ntwo\n"],
        ["empty", ""],
        ["c", "no end"],
      ],
    );
    assert.throws(() => parseTxtar("-- ../a --\n"), /leads out/);
    assert.throws(() => parseTxtar("-- a --\n-- a --\n"), /twice/);
  });
});
