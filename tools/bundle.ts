// The program as few files: dist/tsbuild.cjs and its workers. A command that has nothing to do spends most of its time
// on finding, reading and linking modules; in one file they cost a tenth of that. It is CommonJS, because there what a
// command does not use is not loaded either: a module of ours runs when it is first imported, and so does a package.

import path from "node:path";

import { build } from "esbuild";

const ROOT = path.join(import.meta.dirname, "..");

await build({
  absWorkingDir: ROOT,
  entryPoints: {
    tsbuild: "src/main.ts",
    worker: "builder/layer/worker.ts",
    "local-worker": "builder/exporter/local-worker.ts",
    "mounts-worker": "builder/cache/mounts/mounts-worker.ts",
  },
  outdir: "dist",
  outExtension: { ".js": ".cjs" },
  bundle: true,
  // What npm installs stays where it is: it has native parts, and its own licences.
  packages: "external",
  format: "cjs",
  platform: "node",
  target: "node24",
  define: { "import.meta.url": "IMPORT_META_URL" },
  banner: { js: 'const IMPORT_META_URL=require("node:url").pathToFileURL(__filename).href;' },
  // Names stay, so that a stack trace says something.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: "none",
  logLevel: "warning",
});
