#!/bin/sh
":"; //bin/sh -c :; exec node -- "$0" "$@"
// To sh the line above becomes node; to Node it says nothing. Without the "--" Node takes --env-file, wherever it stands
// among the arguments, for its own (24.21, GetDataFromArgs): then it reads that file, and stops if it is not there.
//
// The first thing that runs, in JavaScript so old that an old Node still reads it: it says what is wrong with that
// Node instead of failing on a word it does not know. It starts no second process: one would stand between signals,
// the terminal and the sandbox. It is CommonJS (package.json beside it says so), for which Node starts less of itself
// than for a module; what Node has is asked for one by one.
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
  start(process.getBuiltinModule("module"), process.getBuiltinModule("fs"));
}

function start(module, fs) {
  // Who is process 1 of a container gets no signal that it does not handle. What comes until the program's own handlers
  // are there is told to them: Node passes signals on when nothing else runs.
  process.on("SIGTERM", function () {});
  process.on("SIGINT", function () {});
  keepHeapSmall();
  enableCompileCache(module, fs);
  const main = __dirname.replace(/[^/]*$/, "dist/tsbuild.cjs");
  if (!fs.existsSync(main)) {
    fail("tsbuild is not built: " + main + " is missing", "run `make` in the checkout first");
    return;
  }
  // The program always ends by process.exit. Where it runs out of things to wait for instead, something it waited for
  // can no longer happen, and Node alone would call that a success.
  process.once("beforeExit", function () {
    console.error("tsbuild: internal error: stopped with work unfinished");
    process.exit(EXIT_INTERNAL);
  });
  try {
    require(main);
  } catch (error) {
    console.error(error);
    process.exit(EXIT_INTERNAL);
  }
}

/**
 * A builder shares its machine, or a small pod, with what it runs. V8 lets garbage pile up to three times what is in
 * use before it looks; half of it again is enough here, and costs no time that could be measured. What is young is one
 * MiB then, and one thread clears that sooner than several that have to wait for each other, above all where there are
 * few processors. Before any code is compiled: compiled code is kept for the flags it was made with.
 */
function keepHeapSmall() {
  const v8 = process.getBuiltinModule("v8");
  v8.setFlagsFromString("--semi-space-growth-factor=1");
  v8.setFlagsFromString("--no-parallel-scavenge");
  v8.setFlagsFromString("--heap-growing-percent=50");
}

/**
 * Keeps compiled code in the user's own cache folder. Not in Node's default, a folder under /tmp that another user may
 * have prepared; and not in the folder of somebody else whose HOME we were given (sudo): what lies there is run. Node
 * keeps what the first run compiled: builds have a cache of their own, so that it holds what builds need.
 */
function enableCompileCache(module, fs) {
  const cacheHome = process.env.XDG_CACHE_HOME;
  const owned = cacheHome || process.env.HOME;
  if (process.env.NODE_COMPILE_CACHE || !owned || owned[0] !== "/") return;
  try {
    if (fs.statSync(owned).uid !== process.getuid()) return;
    const words = process.argv.slice(2);
    const isBuild = words.includes("build") && !words.includes("--help") && !words.includes("-h");
    const folder = (cacheHome || owned + "/.cache") + "/tsbuild/node";
    module.enableCompileCache(folder + (isBuild ? "/build" : "/other"));
  } catch {
    // No such folder: without a cache the start takes 30 ms longer; nothing else changes.
  }
}

function fail(what, hint) {
  console.error("tsbuild: " + what);
  console.error("         " + hint);
  process.exitCode = EXIT_CONFIGURATION;
}
