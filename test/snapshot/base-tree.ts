// A small rootfs on disk: busybox, and something of every kind for a step to change.

import { chmodSync, copyFileSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BUSYBOX } from "../executor/step-fixture.ts";

/** Makes it below a folder; its path. */
export function makeBase(folder: string): string {
  const root = join(folder, "base");
  for (const name of ["a/sub", "bin", "dev", "etc", "proc", "sys", "tmp"])
    mkdirSync(join(root, name), { recursive: true });
  for (const name of ["a", "a/sub", "bin", "dev", "etc", "proc", "sys", "tmp"]) chmodSync(join(root, name), 0o755);
  copyFileSync(BUSYBOX, join(root, "bin/busybox"));
  for (const applet of [
    "cat",
    "chmod",
    "chown",
    "cp",
    "ln",
    "ls",
    "mkdir",
    "mkfifo",
    "mv",
    "printf",
    "rm",
    "stat",
    "test",
    "touch",
  ])
    symlinkSync("busybox", join(root, "bin", applet));
  for (const name of ["a/file", "a/second", "a/sub/deep", "etc/hosts", "etc/resolv.conf"])
    writeFileSync(join(root, name), `${name}\n`);
  writeFileSync(join(root, "other"), "other\n");
  writeFileSync(
    join(root, "etc/passwd"),
    "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/toor:/bin/sh\nguest:x:1000:1000::/home/guest:/bin/sh\n",
  );
  symlinkSync("file", join(root, "a/link"));
  // Whole seconds: busybox sets no others.
  utimesSync(join(root, "other"), 1_600_000_000, 1_600_000_000);
  return root;
}
