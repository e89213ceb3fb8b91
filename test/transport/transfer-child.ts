// A push or a pull of one image in a process of its own, which may be killed: `push|pull STORE NAME DIGEST`.

import process from "node:process";
import { parseDigest } from "../../builder/core/digest.ts";
import { openStore } from "../../builder/store/open.ts";
import { optionsFor, pull, push } from "./registry-workbench.ts";
import { loadImage } from "./sample-image.ts";

const [what, root = "", name = "", digest = ""] = process.argv.slice(2);
const store = await openStore(root);
if (what === "push") await push(store, await loadImage(store, parseDigest(digest)), name, optionsFor());
else await pull(store, name, optionsFor());
