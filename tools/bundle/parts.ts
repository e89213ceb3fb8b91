// The program in several files, so that a command reads what it needs and little else. Node reads, checks and looks up
// the compiled code of a file as a whole, however little of it runs.
//
// A module belongs to the first part that reaches it from its roots without an import() between; what no part reaches is
// in the last. Between parts, an import becomes a look-up in the other part's table of modules, made where the import
// stood: a module still runs once, and when it is first imported.

import path from "node:path";

import { build, type BuildOptions, type Metafile, type Plugin } from "esbuild";

import { bundledName } from "./bundled.ts";

/** A file of the program: `name` without ending, and the modules it is made for, relative to the checkout. */
export interface Part {
  readonly name: string;
  readonly roots: readonly string[];
}

/** Which part each module is in, and who asks whom for modules. */
interface Division {
  /** Module, relative to the checkout, to part. */
  readonly partOf: ReadonlyMap<string, string>;
  /** Part to those of its modules that other parts import. */
  readonly asked: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Writes `parts` into `folder`, the first with `entry` to run. Throws esbuild's errors; an Error for a root that is not there. */
export async function buildParts(
  entry: string,
  parts: readonly Part[],
  folder: string,
  options: BuildOptions,
): Promise<void> {
  const root = options.absWorkingDir ?? ".";
  const { metafile } = await build({ ...options, entryPoints: [entry], outdir: folder, metafile: true, write: false });
  const division = divide(metafile, parts);
  await Promise.all(
    parts.map(({ name }, at) => {
      const table = [...(division.asked.get(name) ?? [])].map((id) => {
        const specifier = bundledName(id) ?? `./${id}`;
        return `${JSON.stringify(id)}:()=>require(${JSON.stringify(specifier)})`;
      });
      const run = at === 0 ? `require("./${entry}");` : "";
      return build({
        ...options,
        stdin: { contents: `exports.modules={${table.join()}};${run}`, resolveDir: root, sourcefile: `${name}.cjs` },
        outfile: path.join(folder, `${name}.cjs`),
        plugins: [otherParts(root, name, division), ...(options.plugins ?? [])],
      });
    }),
  );
}

function divide({ inputs }: Metafile, parts: readonly Part[]): Division {
  const partOf = new Map<string, string>();
  for (const { name, roots } of parts) for (const id of roots) reach(id, name);
  const last = parts.at(-1)?.name ?? "";
  for (const id of Object.keys(inputs)) if (!partOf.has(id)) partOf.set(id, last);

  const asked = new Map<string, Set<string>>(parts.map(({ name }) => [name, new Set()]));
  for (const [id, { imports }] of Object.entries(inputs)) {
    for (const { path: imported } of imports) {
      const home = partOf.get(imported);
      if (home !== undefined && home !== partOf.get(id)) asked.get(home)?.add(imported);
    }
  }
  return { partOf, asked };

  function reach(id: string, name: string): void {
    if (partOf.has(id)) return;
    const input = inputs[id];
    if (input === undefined) throw new Error(`${id}, a root of ${name}.cjs, is not in the program`);
    partOf.set(id, name);
    for (const { path: imported, kind, external } of input.imports)
      if (kind !== "dynamic-import" && external !== true) reach(imported, name);
  }
}

function otherParts(root: string, name: string, { partOf }: Division): Plugin {
  return {
    name: "other-parts",
    setup(part) {
      part.onResolve({ filter: /^\.\.?\/.*\.ts$/ }, ({ path: specifier, resolveDir }) => {
        const id = path.relative(root, path.join(resolveDir, specifier));
        return partOf.get(id) === name ? undefined : { path: id, namespace: "part" };
      });
      for (const id of partOf.keys()) {
        const bundled = bundledName(id);
        if (bundled === undefined || partOf.get(id) === name) continue;
        part.onResolve({ filter: new RegExp(`^${bundled}$`) }, () => ({ path: id, namespace: "part" }));
      }
      part.onLoad({ filter: /.*/, namespace: "part" }, ({ path: id }) => ({
        contents: `module.exports=require("./${partOf.get(id)}.cjs").modules[${JSON.stringify(id)}]();`,
      }));
      part.onResolve({ filter: /^\.\/.*\.cjs$/, namespace: "part" }, ({ path: file }) => ({
        path: file,
        external: true,
      }));
    },
  };
}
