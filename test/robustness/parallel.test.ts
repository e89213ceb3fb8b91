// Several processes on one store at once, and the same build on two stores: all succeed, with the same digests.

import assert from "node:assert/strict";
import { readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { whyNoBusybox } from "../support/busybox.ts";
import { type Ended, type Room, Running, Workshop } from "./workshop.ts";

const DOCKERFILE = `\
FROM fixture:busybox AS made
RUN mkdir /made && for i in 1 2 3 4 5 6 7 8; do echo $i >/made/$i; done; ln /made/1 /made/one; ln -s 1 /made/first; mkfifo /made/p
FROM fixture:busybox
COPY --from=made /made /copied
COPY file /
RUN rm -r /root && echo x >>/file && mkdir -p /a/b/c && touch /a/b/c/d
WORKDIR /work
`;

suite("builds beside each other", { skip: whyNoBusybox() ?? false }, () => {
  let workshop: Workshop;
  before(async () => (workshop = await Workshop.open()));
  after(() => workshop.close());

  test("four processes on one store, of the same and of other Dockerfiles, all succeed; equal ones have equal digests", async () => {
    const room = workshop.room({
      Dockerfile: DOCKERFILE,
      other: "FROM fixture:busybox\nRUN echo other >/other\nCOPY file /\n",
      file: "hello\n",
    });
    const start = (file: string, number: number): Promise<Ended> => {
      return room.build(["--reproducible", "-f", join(room.context, file), "-t", `x:${number}`]);
    };
    const ended = await Promise.all(["Dockerfile", "other", "Dockerfile", "Dockerfile"].map(start));
    for (const { code, stderr } of ended) assert.equal(code, 0, stderr);
    const digests = ended.map(digestOf);
    assert.deepEqual([digests[2], digests[3]], [digests[0], digests[0]]);
    assert.notEqual(digests[1], digests[0]);
    const images = await new Running(["--root", room.root, "images"], room.home).ended;
    for (const number of [0, 1, 2, 3]) assert.match(images.stdout, new RegExp(`x\\S*[: ]+${number}`), images.stdout);
    assert.deepEqual(room.temporaries(), []);
    const again = await room.succeed(["--reproducible"]);
    assert.doesNotMatch(again.stderr, /\] RUN [^\n]*\n#\d+ DONE/);
  });

  test("--reproducible: other stores, context times and umasks, the same bytes", async () => {
    const [one, two] = [fresh(1_000_000_000), fresh(1_500_000_000)];
    const first = await one.succeed(["--reproducible", "-o", "type=oci,dest=out.tar"]);
    await new Promise((resolve) => setTimeout(resolve, 1100)); // another second by the clock
    const second = await two.succeed(["--reproducible", "-o", "type=oci,dest=out.tar"], {
      wrapper: ["/bin/sh", "-c", 'umask 077; exec "$@"', "sh"],
    });
    assert.equal(digestOf(second), digestOf(first));
    assert.deepEqual(readFileSync(join(two.home, "out.tar")), readFileSync(join(one.home, "out.tar")));
  });

  test("SOURCE_DATE_EPOCH alone does the same with what is later than it; a new epoch is another image", async () => {
    const [one, two] = [fresh(1_710_000_000), fresh(1_720_000_000)];
    const env = { SOURCE_DATE_EPOCH: "1700000000" };
    const first = await one.succeed([], { env });
    const second = await two.succeed(["--reproducible"], { env });
    assert.equal(digestOf(second), digestOf(first));
    const other = await two.succeed([], { env: { SOURCE_DATE_EPOCH: "1700000001" } });
    assert.notEqual(digestOf(other), digestOf(first));
  });

  test("the copy snapshotter makes the same image as the overlay", async () => {
    const [one, two] = [fresh(1_000_000_000), fresh(1_000_000_000)];
    const overlay = await one.succeed(["--reproducible", "--snapshotter", "overlay"]);
    const copy = await two.succeed(["--reproducible", "--snapshotter", "copy"]);
    assert.equal(digestOf(copy), digestOf(overlay));
  });

  function fresh(seconds: number): Room {
    const room = workshop.room({ Dockerfile: DOCKERFILE });
    const file = join(room.context, "file");
    writeFileSync(file, "hello\n");
    utimesSync(file, seconds, seconds);
    return room;
  }
});

function digestOf({ stdout }: Ended): string {
  return /^digest\s+(sha256:[0-9a-f]{64})$/m.exec(stdout)?.[1] ?? assert.fail(`no digest in ${stdout}`);
}
