// Which packages the program needs at run time: package.json's dependencies and what they need in turn, found where npm
// put them. node_modules holds the developers' tools and the pinned Node besides.

import { cpSync, existsSync, readFileSync } from "node:fs";
import path from "node:path";

import * as v from "valibot";

const Manifest = v.object({
  dependencies: v.optional(v.record(v.string(), v.string()), {}),
  optionalDependencies: v.optional(v.record(v.string(), v.string()), {}),
});

/** Folders of the packages to ship, relative to `root`, parents first. Throws when one that is not optional is missing. */
export function productionModules(root: string): readonly string[] {
  const found = new Set<string>();
  collect(root, "", found);
  return [...found].toSorted();
}

function collect(root: string, folder: string, found: Set<string>): void {
  const manifest = readManifest(path.join(root, folder, "package.json"));
  const names = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
  for (const name of names) {
    const module = resolve(root, folder, name);
    if (module === undefined) {
      if (name in manifest.optionalDependencies) continue;
      throw new Error(`${folder || "package.json"} needs ${name}, which is not in node_modules: run make`);
    }
    if (found.has(module)) continue;
    found.add(module);
    collect(root, module, found);
  }
}

/** As Node looks a package up: in the folder's own node_modules, then outwards. */
function resolve(root: string, folder: string, name: string): string | undefined {
  for (let at = folder; ; at = path.dirname(at)) {
    const candidate = path.join(at, "node_modules", name);
    if (existsSync(path.join(root, candidate, "package.json"))) return candidate;
    if (at === "" || at === ".") return undefined;
  }
}

/** Copies them below `target`, without what only other systems or a compiler would read. */
export function copyModules(root: string, target: string): void {
  for (const module of productionModules(root)) {
    cpSync(path.join(root, module), path.join(target, module), {
      recursive: true,
      filter: (source) => isNeeded(path.relative(path.join(root, module), source), module),
    });
  }
}

/** A package's own node_modules is copied as the packages it holds. node-pty is 63 MB, of which 1 MB is for Linux. */
function isNeeded(file: string, module: string): boolean {
  const [top = "", second = "", ...rest] = file.split(path.sep);
  if (top === "node_modules") return false;
  if (module !== path.join("node_modules", "node-pty")) return true;
  if (top === "build") return second === "" || (second === "Release" && !rest.join("/").startsWith("obj"));
  return ["", "lib", "package.json", "LICENSE", "typings"].includes(top);
}

function readManifest(file: string): v.InferOutput<typeof Manifest> {
  return v.parse(Manifest, JSON.parse(readFileSync(file, "utf8")));
}
