// The workloads of `make bench`: each writes a context and says what is timed.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Workload {
  readonly name: string;
  /** Writes the build context; `rootfs` is a tar.xz of a small root file system with a shell. */
  readonly write: (directory: string, rootfs: Uint8Array) => void;
  /** "warm": the build is made once before, unmeasured; "cold": the builder's cache is empty. */
  readonly start: "warm" | "cold";
  /** Whether the result goes to an archive. */
  readonly archive: boolean;
}

export const WORKLOADS: readonly Workload[] = [
  {
    name: "warm no-op",
    start: "warm",
    archive: false,
    write: (directory, rootfs) =>
      base(directory, rootfs, [
        "WORKDIR /app",
        "COPY . .",
        "RUN ls > /list",
        "ENV A=1",
        "RUN echo $A > /a",
        'CMD ["/bin/sh"]',
      ]),
  },
  {
    name: "30 tiny RUN",
    start: "cold",
    archive: false,
    write: (directory, rootfs) =>
      base(
        directory,
        rootfs,
        Array.from({ length: 30 }, (_, number) => `RUN echo step ${number} > /s${number} && mkdir -p /d/${number}`),
      ),
  },
  {
    name: "400 MB layer to an archive",
    start: "cold",
    archive: true,
    // Half noise, half text: compresses like a usual layer.
    write: (directory, rootfs) =>
      base(directory, rootfs, [
        "RUN mkdir /big && for i in 1 2 3 4 5 6 7 8 9 10; do head -c 20M /dev/urandom > /big/n$i && head -c 20M /dev/urandom | tr -c a-z ' ' > /big/t$i || exit 1; done",
      ]),
  },
  {
    name: "1 GB layer to an archive",
    start: "cold",
    archive: true,
    write: (directory, rootfs) =>
      base(directory, rootfs, [
        "RUN mkdir /big && head -c 600M /dev/urandom > /big/noise && head -c 400M /dev/urandom | tr -c a-z ' ' > /big/text",
      ]),
  },
  {
    name: "COPY of 20,000 files",
    start: "cold",
    archive: false,
    write: (directory, rootfs) => {
      base(directory, rootfs, ["COPY tree /tree", "RUN ls /tree > /list"]);
      for (let folder = 0; folder < 400; folder++) {
        const path = join(directory, "tree", `package-${folder}`, "lib");
        mkdirSync(path, { recursive: true });
        for (let file = 0; file < 50; file++)
          writeFileSync(
            join(path, `module-${file}.js`),
            `exports.value = ${folder * file};\n`.repeat(1 + ((folder * 31 + file * 17) % 300)),
          );
      }
    },
  },
];

function base(directory: string, rootfs: Uint8Array, lines: readonly string[]): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "rootfs.tar.xz"), rootfs);
  writeFileSync(join(directory, ".dockerignore"), "Dockerfile\n");
  writeFileSync(join(directory, "Dockerfile"), ["FROM scratch", "ADD rootfs.tar.xz /", ...lines, ""].join("\n"));
}
