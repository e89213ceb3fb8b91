// The program as few files: dist/tsbuild.cjs, its further parts and its workers. A command that has nothing to do spends
// most of its time on finding, reading and linking modules; in one file they cost a tenth of that. They are CommonJS,
// because there what a command does not use is not loaded either: a module of ours runs when it is first imported, and
// so does a package.

import path from "node:path";

import { build, type BuildOptions } from "esbuild";

import { bundled } from "./bundle/bundled.ts";
import { lateModules } from "./bundle/late-modules.ts";
import { buildParts, type Part } from "./bundle/parts.ts";

const ROOT = path.join(import.meta.dirname, "..");

/** The first is what a build reads of which everything is known. */
const PARTS: readonly Part[] = [
  {
    name: "tsbuild",
    roots: [
      "src/main.ts",
      "src/commands/build/build.ts",
      "src/commands/stdin.ts",
      "src/progress/plain.ts",
      "src/progress/tty.ts",
      "src/progress/tty-screen.ts",
      "builder/build.ts",
      "builder/namespace.ts",
      "builder/engine/recording/build-history.ts",
      "builder/engine/images/locations.ts",
      "builder/transport/oci-layout.ts",
    ],
  },
  // What it asks of a registry, where its base image is in one.
  {
    name: "registry",
    roots: [
      "builder/transport/registry/source.ts",
      "src/config/registries/registry-router.ts",
      "src/config/credentials/credentials.ts",
    ],
  },
  // What it makes steps with that are not known.
  {
    name: "steps",
    roots: [
      "builder/ops/file/run-file-op.ts",
      "builder/ops/exec.ts",
      "builder/executor/choose.ts",
      "builder/choose-snapshotter.ts",
      "builder/layer/compression/self-test.ts",
      "builder/engine/recording/step-memory.ts",
      "builder/disk/tree-size.ts",
      "builder/disk/collector.ts",
      "builder/store/download.ts",
      "builder/store/lock.ts",
    ],
  },
  { name: "more", roots: [] },
];

const WORKERS = {
  worker: "builder/layer/jobs/worker.ts",
  "local-worker": "builder/exporter/local-worker.ts",
  "mounts-worker": "builder/cache/mounts/mounts-worker.ts",
};

const BANNER = '"use strict";const IMPORT_META_URL=require("node:url").pathToFileURL(__filename).href;';

const OPTIONS: BuildOptions = {
  absWorkingDir: ROOT,
  bundle: true,
  // What npm installs stays where it is: it has native parts, and its own licences.
  packages: "external",
  format: "cjs",
  platform: "node",
  target: "node24",
  define: { "import.meta.url": "IMPORT_META_URL" },
  banner: { js: BANNER },
  // Names stay, so that a stack trace says something.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: "none",
  logLevel: "warning",
};

const plugins = [await bundled("valibot", ROOT, OPTIONS)];
await buildParts("src/main.ts", PARTS, "dist", { ...OPTIONS, plugins, banner: { js: BANNER + lateModules } });
await build({ ...OPTIONS, plugins, entryPoints: WORKERS, outdir: "dist", outExtension: { ".js": ".cjs" } });
