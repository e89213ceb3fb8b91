// A push or a pull of one image in a process of its own, which may be killed, or asked for its memory afterwards:
// `push|pull|fetch STORE NAME DIGEST`. A fetch is a pull that does not look into the layers.

import { readFileSync } from "node:fs";
import process from "node:process";
import { parseDigest } from "../../builder/core/digest.ts";
import { parseReference } from "../../builder/core/image/reference.ts";
import { openStore } from "../../builder/store/open.ts";
import { openRegistry } from "../../builder/transport/registry/source.ts";
import { optionsFor, pull, pullAll, push } from "./registry-workbench.ts";
import { loadImage } from "./sample-image.ts";

const [what, root = "", name = "", digest = ""] = process.argv.slice(2);
const store = await openStore(root);
const before = peakBytes();
if (what === "push") await push(store, await loadImage(store, parseDigest(digest)), name, optionsFor());
else if (what === "pull") await pull(store, name, optionsFor());
else {
  await using source = await openRegistry(parseReference(name), optionsFor());
  await pullAll(source, store);
}
process.stdout.write(`${peakBytes() - before}\n`);

/** The most memory that the process ever had. */
function peakBytes(): number {
  return 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
}
