// A package whose code is taken into the program's files.

import { globSync, readFileSync } from "node:fs";
import path from "node:path";

import { build, type BuildOptions, type Plugin } from "esbuild";

/** Of esbuild's names for what is taken in: "bundled:NAME". */
const BUNDLED = "bundled";

/** What such a package is called in the source, from esbuild's name for it; undefined for all else. */
export function bundledName(id: string): string | undefined {
  return id.startsWith(`${BUNDLED}:`) ? id.slice(BUNDLED.length + 1) : undefined;
}

/**
 * Takes in of package `name` what modules below `root` use of it, all of which import it as one name (`import * as`).
 * For one that every command needs and that offers much more than we use: finding, reading and running it whole costs a
 * short command as much as all modules of our own.
 */
export async function bundled(name: string, root: string, options: BuildOptions): Promise<Plugin> {
  const offered = Object.keys((await import(name)) as object);
  const used = namesUsed(name, root);
  const contents = `export {${offered.filter((each) => used.has(each)).join()}} from ${JSON.stringify(name)};`;
  // By itself first: of a module that runs late, as all do in the program's files, everything is kept.
  const { outputFiles } = await build({
    ...options,
    stdin: { contents, resolveDir: root },
    packages: "bundle",
    format: "esm",
    banner: {},
    write: false,
  });
  return {
    name: `bundled-${name}`,
    setup(part) {
      part.onResolve({ filter: new RegExp(`^${name}$`) }, () => ({ path: name, namespace: BUNDLED }));
      part.onLoad({ filter: /.*/, namespace: BUNDLED }, () => ({ contents: outputFiles[0]?.text ?? "" }));
    },
  };
}

/**
 * What modules name after "NAME.", where they import the package as NAME: also types, and in comments. Throws for a
 * module that imports it in another way: what that one uses would be missing where it runs.
 */
function namesUsed(name: string, root: string): Set<string> {
  const used = new Set<string>();
  for (const file of globSync("{builder,src}/**/*.ts", { cwd: root })) {
    const text = readFileSync(path.join(root, file), "utf8");
    const [, local] = new RegExp(`^import \\* as (\\w+) from "${name}"`, "m").exec(text) ?? [];
    if (local === undefined && new RegExp(`["']${name}["']`).test(text))
      throw new Error(`${file}: ${name} is imported with "import * as" or not at all, see tools/bundle/bundled.ts`);
    if (local === undefined) continue;
    for (const [, word = ""] of text.matchAll(new RegExp(`\\b${local}\\.(\\w+)`, "g"))) used.add(word);
  }
  return used;
}
