// What the demo builds, and what its image must then show. The tests that give the image to other programs use it too.

import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

import { makeRootFileSystem } from "./rootfs.ts";

/** Of an image that is called demo. */
const SECOND_DOCKERFILE = `\
FROM demo AS build
WORKDIR /work
COPY greeting.txt .
RUN tr a-z A-Z < greeting.txt > shouted.txt

FROM demo
COPY --from=build /work/shouted.txt /etc/motd
RUN rm /usr/share/demo/old.txt
RUN rm -r /usr/share/demo/pages && mkdir /usr/share/demo/pages && echo new > /usr/share/demo/pages/third.html
CMD ["cat", "/etc/motd"]
`;

/** A shell script for the second image. */
export const LOOK_INSIDE = `\
cat /etc/motd
test -e /usr/share/demo/old.txt || echo "old.txt is deleted"
echo "pages:" $(ls /usr/share/demo/pages)
test -e /work || echo "nothing of the build stage is here"
`;

/** What the script prints. */
export const EXPECTED = `\
HELLO FROM TSBUILD
old.txt is deleted
pages: third.html
nothing of the build stage is here
`;

export interface DemoContexts {
  /** Build context of the image `demo`. */
  readonly base: string;
  /** Of the image on top of it. */
  readonly second: string;
  /** What the root file system is made of, for people. */
  readonly madeOf: string;
}

/** Writes both build contexts below `folder`. */
export async function writeContexts(folder: string): Promise<DemoContexts> {
  const { archive, shell, madeOf } = await makeRootFileSystem();
  const base = writeContext(path.join(folder, "demo"), {
    Dockerfile: `FROM scratch\nADD rootfs.tar.xz /\nCMD ["${shell}"]\n`,
    "rootfs.tar.xz": archive,
  });
  const second = writeContext(path.join(folder, "demo2"), {
    Dockerfile: SECOND_DOCKERFILE,
    "greeting.txt": "hello from tsbuild\n",
  });
  return { base, second, madeOf: `${madeOf} (${(archive.length / 1e6).toFixed(1)} MB)` };
}

function writeContext(folder: string, files: Readonly<Record<string, string | Uint8Array>>): string {
  mkdirSync(folder);
  for (const [file, content] of Object.entries(files)) writeFileSync(path.join(folder, file), content);
  return folder;
}
