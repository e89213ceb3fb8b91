// A store that has built a tree before gives the image of the changed tree that an empty one gives, with the same files
// in it, though it takes most of both from the layer before.

import assert from "node:assert/strict";
import { chmodSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { whyNoBusybox } from "../support/busybox.ts";
import { Room, Workshop } from "./workshop.ts";

const DOCKERFILE = `\
FROM fixture:busybox
COPY tree /tree
RUN cd /tree && find . | sort | while read -r f; do stat -c '%n %f %s %Y %N' "$f"; cat "$f" 2>/dev/null; done | sha256sum
`;
/** Large enough for blocks of the layer to be remembered. */
const [FILES, BYTES] = [240, 20_000];
const OLD = 1_600_000_000;

suite("a changed context", { skip: whyNoBusybox() ?? false }, () => {
  let workshop: Workshop;
  before(async () => (workshop = await Workshop.open()));
  after(() => workshop.close());

  test("content, modes, times, names, kinds and links that changed are as in a cold build", async () => {
    const room = workshop.room({ Dockerfile: DOCKERFILE });
    const tree = join(room.context, "tree");
    for (let number = 0; number < FILES; number++) put(join(tree, `d${number % 12}/f${number}`), `${number} `);
    linkSync(join(tree, "d0/f0"), join(tree, "d0/other-name"));
    symlinkSync("f1", join(tree, "d1/link"));
    const first = await built(room);

    put(join(tree, "d1/f1"), "other ");
    chmodSync(join(tree, "d2/f2"), 0o755);
    utimesSync(join(tree, "d3/f3"), OLD + 7, OLD + 7);
    renameSync(join(tree, "d4/f4"), join(tree, "d4/renamed"));
    renameSync(join(tree, "d5"), join(tree, "moved"));
    rmSync(join(tree, "d6"), { recursive: true });
    writeFileSync(join(tree, "d6"), "a file now");
    rmSync(join(tree, "d7/f7"));
    mkdirSync(join(tree, "d7/f7"));
    rmSync(join(tree, "d0/other-name"));
    linkSync(join(tree, "d8/f8"), join(tree, "d8/a-name-before"));
    rmSync(join(tree, "d1/link"));
    symlinkSync("f13", join(tree, "d1/link"));

    const changed = await built(room);
    const empty = workshop.room({});
    const cold = await built(new Room(empty.home, room.context, empty.root));
    assert.notDeepEqual(changed, first);
    assert.deepEqual(changed, cold);
  });
});

/** A file of always the same size and time. */
function put(path: string, text: string): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text.repeat(BYTES).slice(0, BYTES));
  utimesSync(path, OLD, OLD);
}

/** The image, and what the step saw; times are those of the files. */
async function built(room: Room): Promise<{ readonly digest: string; readonly seen: string }> {
  const { stdout, stderr } = await room.succeed(["-o", "type=oci,dest=out.tar"], {
    env: { SOURCE_DATE_EPOCH: "4000000000" },
  });
  const digest = /^digest +(sha256:\w{64})$/m.exec(`${stdout}${stderr}`)?.[1] ?? "";
  const seen = /^#\d+ [0-9.]+ (\w{64}) {2}-$/m.exec(stderr)?.[1] ?? "";
  assert.notEqual(digest, "", stderr);
  assert.notEqual(seen, "", stderr);
  return { digest, seen };
}
