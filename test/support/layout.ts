// Who may import whom, as data, and the reading of the imports that it is held against. It allows: a room that is not
// listed may be imported by nobody and may import nothing, until somebody writes down what it is for.

import { globSync, readFileSync } from "node:fs";
import path from "node:path";

/** What a room may import besides itself and `core`. A room is a folder of builder/, or `src/` and a folder of src/. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  graph: [],
  dockerfile: ["graph"],
  llb: ["graph"],
  solver: ["graph"],
  layer: [],
  store: [],
  image: [],
  executor: [],
  snapshot: ["layer"],
  transport: ["image", "layer", "store"],
  source: ["layer", "store", "transport", "image"],
  attest: ["graph", "image", "layer", "store"],
  records: ["graph", "image", "layer", "store"],
  guard: ["graph", "image", "layer", "store"],
  cache: ["graph", "image", "layer", "solver", "store", "transport"],
  // Garbage collection and the account of the disk look at what the others keep.
  disk: ["cache", "image", "layer", "records", "snapshot", "store"],
  ops: ["graph", "solver", "source", "executor", "snapshot", "layer", "store"],
  exporter: ["image", "layer", "snapshot", "store", "transport"],
  bundle: ["image", "layer", "snapshot"],
  // The files that lie in builder/ itself: what one can ask of the engine. They and the parts they share, in
  // builder/engine, are the only places that know every room.
  builder: ["any room of builder"],
  engine: ["any room of builder"],
  "src/progress": [],
  "src/cli": [],
  // The types of what it answers the engine with: routes to registries.
  "src/config": ["transport"],
  // Pages are drawn from records; what a terminal must not see, a page must not either.
  "src/report": ["records", "src/progress", "src/cli"],
  "src/commands": ["builder", "any room of src"],
  // BuildKit's API as both of its sides speak it: messages, calls, transfers of files.
  "src/api": [],
  "src/daemon": ["builder", "any room of src"],
  "src/client": ["builder", "any room of src"],
  "src/bake": ["builder", "any room of src"],
  // src/main.ts.
  src: ["builder", "any room of src"],
};

/** The rooms, or the one file, that may import a package or a module of Node; `any` may everywhere. */
const PACKAGES: Readonly<Record<string, readonly string[] | "any">> = {
  koffi: ["core"],
  "dockerfile-ast": ["dockerfile"],
  "tar-stream": ["builder/layer/tar/archive.ts"],
  aws4fetch: ["builder/transport/cloud/aws-sign.ts"],
  fflate: ["layer"],
  "node-liblzma": ["layer"],
  "spdx-expression-parse": ["attest"],
  "unbzip2-stream": ["layer"],
  "smol-toml": ["src/config", "attest"],
  "node-pty": ["executor"],
  execa: ["executor", "source", "src/config"],
  valibot: "any",
  yaml: ["src/bake"],
  "@bufbuild/protobuf": ["src/api"],
  "node:http2": ["src/api"],
  "node:http": ["transport", "source", "src/daemon", "src/client"],
  "node:https": ["transport", "source", "src/daemon", "src/client"],
  "node:sqlite": ["cache", "disk", "builder/engine/space.ts", "builder/attest/sbom/rpm-databases.ts"],
};

/** One import of one file, both relative to the repository: the file imported, or the package's name. */
export interface Import {
  readonly from: string;
  readonly specifier: string;
  /** The path of a relative import, relative to the repository. */
  readonly target?: string;
}

/** Every import of the sources below `root`. */
export function readImports(root: string): readonly Import[] {
  return sources(root).flatMap((from) => parseImports(from, readFileSync(path.join(root, from), "utf8")));
}

/** The TypeScript files of builder/ and src/, relative to `root`. */
export function sources(root: string): readonly string[] {
  return globSync("{builder,src}/**/*.ts", { cwd: root }).toSorted();
}

const IMPORTS = [
  /^(?:import|export)\s[\w\s*{},$]*?\bfrom\s*"([^"]+)"/gm,
  /^import\s*"([^"]+)"/gm,
  /\bimport\(\s*"([^"]+)"/g,
  /\bnew Worker\(\s*new URL\(\s*["`](\.[^"`$]+)/g,
];

/** Static, dynamic, type and re-exporting imports, and the files that workers are started from. */
export function parseImports(from: string, text: string): readonly Import[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "");
  const found = IMPORTS.flatMap((pattern) => [...code.matchAll(pattern)]).toSorted((a, b) => a.index - b.index);
  return found.map(([, specifier = ""]) => {
    if (!specifier.startsWith(".")) return { from, specifier };
    return { from, specifier, target: path.join(path.dirname(from), specifier) };
  });
}

/** Why an import is not allowed, as a sentence; undefined when it is. */
export function judge(it: Import): string | undefined {
  const room = roomOf(it.from);
  const rules = ROOMS[room];
  if (rules === undefined) return `${it.from} is in ${room}, which test/support/layout.ts does not list yet`;
  return it.target === undefined ? judgePackage(it, room) : judgeRoom(it, room, rules, roomOf(it.target));
}

function judgeRoom(it: Import, room: string, rules: readonly string[], target: string): string | undefined {
  const allowed =
    target === room ||
    target === "core" ||
    rules.includes(target) ||
    (rules.includes("any room of builder") && target in ROOMS && !target.startsWith("src")) ||
    (rules.includes("any room of src") && target in ROOMS && target.startsWith("src"));
  if (allowed) return undefined;
  return `${it.from} imports ${it.specifier}: ${room} may import ${["core", ...rules].join(", ")}`;
}

function judgePackage(it: Import, room: string): string | undefined {
  const name = packageOf(it.specifier);
  const users = PACKAGES[name];
  if (users === "any" || (users === undefined && name.startsWith("node:"))) return undefined;
  if (users === undefined) return `${it.from} imports ${name}, which test/support/layout.ts does not list yet`;
  if (users.includes(room) || users.includes(it.from)) return undefined;
  return `${it.from} imports ${name}: only ${users.join(", ")} may`;
}

/** `builder/layer/tar/read.ts` is in `layer`, `src/cli/flags.ts` in `src/cli`, `builder/build.ts` in `builder`. */
function roomOf(file: string): string {
  const [top = "", folder = "", ...rest] = file.split("/");
  if (rest.length === 0) return top;
  return top === "builder" ? folder : `${top}/${folder}`;
}

function packageOf(specifier: string): string {
  if (specifier.startsWith("node:")) return specifier;
  const [scope = "", name = ""] = specifier.split("/");
  return scope.startsWith("@") ? `${scope}/${name}` : scope;
}
