// Images made by hand, whose every byte is known, for the commands that look at images.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { tarOf } from "../layer/support.ts";
import type { CraftedImage } from "../support/crafted-layout.ts";
import { CraftedLayout, zstd } from "../support/crafted-layout.ts";
import { runCommand } from "../support/run-command.ts";

export const temp = mkdtempSync(join(tmpdir(), "tsbuild-look-"));
after(() => rmSync(temp, { recursive: true, force: true }));
export const root = join(temp, "store");

export const BINARY = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7) & 0xff));
export const ODD_NAME = Buffer.from([0x6f, 0xff, 0x0a, 0x1b, 0x5b, 0x32, 0x4a]).toString("latin1");

export const lower = tarOf([
  { name: "bin", type: "symlink", link: "usr/bin" },
  { name: "dev/" },
  { name: "dev/null", type: "char", major: 1, minor: 3, mode: 0o666 },
  { name: "etc/" },
  { name: "etc/passwd", content: "root:x:0:0\n", mtimeNs: 1_600_000_000_500_000_000n },
  { name: "etc/gone", content: "x".repeat(1000) },
  { name: "etc/self", type: "symlink", link: "/etc/passwd" },
  { name: "usr/bin/" },
  { name: "usr/bin/tool", content: BINARY, mode: 0o4755, uid: 3, gid: 4 },
  { name: "usr/bin/same", type: "hardlink", link: "usr/bin/tool", mode: 0o4755, uid: 3, gid: 4 },
]);
export const upper = tarOf([
  { name: "etc/" },
  { name: "etc/.wh.gone" },
  { name: "etc/passwd", content: "root:x:0:0\nme:x:1:1\n" },
  { name: "opt/", mode: 0o1777 },
  { name: `opt/${ODD_NAME}`, content: "odd" },
]);
export const HISTORY = [
  { created: "2020-01-01T00:00:00Z", created_by: "ADD base.tar / # buildkit", comment: "buildkit.dockerfile.v0" },
  { created: "2020-01-02T00:00:00Z", created_by: "ENV A=1", empty_layer: true },
  { created: "2020-01-03T00:00:00Z", created_by: `RUN ${"very ".repeat(20)}long\u001b[2J` },
];
export const RUNTIME = { Env: ["PATH=/bin", "A=1"], Cmd: ["sh", "-c", "a b"], Labels: { "a.b": "\u001b]0;title" } };
export const configured: NonNullable<CraftedImage["config"]> = (it) => ({ ...it, config: RUNTIME, history: HISTORY });

export const layout = new CraftedLayout(join(temp, "layout"));
layout.image("base", { layers: [lower], config: (it) => ({ ...it, history: HISTORY.slice(0, 1) }) });
export const top = layout.image("app", { layers: [lower, upper], config: configured });
layout.image("zstd", { layers: [lower, upper], config: configured, ...zstd });
export const of = (name: string, path = ""): string => `oci:${layout.folder}:${name}${path}`;
export const run = runCommand;
