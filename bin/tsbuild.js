#!/bin/sh
":"; //bin/sh -c :; exec node -- "$0" "$@"
// To sh the line above becomes node; to Node it says nothing. Without the "--" Node takes --env-file, wherever it stands
// among the arguments, for its own (24.21, GetDataFromArgs): then it reads that file, and stops if it is not there.
//
// The first thing that runs, in JavaScript so old that an old Node still reads it: it says what is wrong with that
// Node instead of failing on a word it does not know. It starts no second process: one would stand between signals,
// the terminal and the sandbox.
import fs from "fs";
import module from "module";
import path from "path";
import { fileURLToPath } from "url";
import v8 from "v8";

const NEEDED_MAJOR = 24;
/** sysexits(3): EX_CONFIG and EX_SOFTWARE. */
const EXIT_CONFIGURATION = 78;
const EXIT_INTERNAL = 70;

if (Number(process.versions.node.split(".")[0]) < NEEDED_MAJOR) {
  fail(
    "tsbuild needs Node " + NEEDED_MAJOR + " or newer, but this is Node " + process.versions.node,
    "found at " + process.execPath + "; put a newer one first on PATH, or use `make install`, which brings its own",
  );
} else {
  keepHeapSmall();
  enableCompileCache();
  const main = new URL("../dist/src/main.js", import.meta.url);
  if (fs.existsSync(main)) {
    // The program always ends by process.exit. Where it runs out of things to wait for instead, something it waited for
    // can no longer happen, and Node alone would call that a success.
    process.once("beforeExit", function () {
      console.error("tsbuild: internal error: stopped with work unfinished");
      process.exit(EXIT_INTERNAL);
    });
    findOwnModulesFast(new URL(".", main).href.replace(/src\/$/, ""));
    import(main).catch(function (error) {
      console.error(error);
      process.exit(EXIT_INTERNAL);
    });
  } else {
    fail("tsbuild is not built: " + fileURLToPath(main) + " is missing", "run `make` in the checkout first");
  }
}

/**
 * A builder shares its machine, or a small pod, with what it runs. V8 lets garbage pile up to three times what is in
 * use before it looks; half of it again is enough here, and costs no time that could be measured.
 */
function keepHeapSmall() {
  v8.setFlagsFromString("--semi-space-growth-factor=1");
  v8.setFlagsFromString("--heap-growing-percent=50");
}

/**
 * Keeps compiled code in the user's own cache folder. Not in Node's default, a folder under /tmp that another user may
 * have prepared; and not in the folder of somebody else whose HOME we were given (sudo): what lies there is run.
 */
function enableCompileCache() {
  const cacheHome = process.env.XDG_CACHE_HOME;
  const owned = cacheHome || process.env.HOME;
  if (process.env.NODE_COMPILE_CACHE || !owned || !path.isAbsolute(owned)) return;
  try {
    if (fs.statSync(owned).uid !== process.getuid()) return;
    module.enableCompileCache(path.join(cacheHome || path.join(owned, ".cache"), "tsbuild", "node"));
  } catch {
    // No such folder: without a cache the start takes 30 ms longer; nothing else changes.
  }
}

/**
 * Our modules name each other by their exact files. Node would still look for each of them on disk, in several places:
 * for two hundred modules that is a sixth of a short run. What is not ours goes Node's way.
 */
function findOwnModulesFast(dist) {
  if (!module.registerHooks) return;
  module.registerHooks({
    resolve(specifier, context, next) {
      const parent = context.parentURL;
      if (!/^\.\.?\/.*\.js$/.test(specifier) || !parent || !parent.startsWith(dist)) return next(specifier, context);
      return { url: new URL(specifier, parent).href, format: "module", shortCircuit: true };
    },
  });
}

function fail(what, hint) {
  console.error("tsbuild: " + what);
  console.error("         " + hint);
  process.exitCode = EXIT_CONFIGURATION;
}
