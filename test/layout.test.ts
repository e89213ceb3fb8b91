// The architecture's import rules, held against every file of builder/ and src/ (docs/architecture.md tells why).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { suite, test } from "node:test";

import { judge, parseImports, readImports, sources } from "./support/layout.ts";

const ROOT = path.join(import.meta.dirname, "..");
const MAX_LINES = 400;
/** Files that are one long table. */
const TABLES = new Set(["builder/executor/seccomp/syscall-numbers.ts"]);

suite("layout", () => {
  test("every import is one that the table allows", () => {
    const faults = readImports(ROOT)
      .map(judge)
      .filter((fault) => fault !== undefined);
    assert.deepEqual(faults, []);
  });

  test(`no source file is longer than ${MAX_LINES} lines`, () => {
    const long = sources(ROOT)
      .filter((file) => !TABLES.has(file))
      .map((file) => ({ file, lines: readFileSync(path.join(ROOT, file), "utf8").split("\n").length - 1 }))
      .filter(({ lines }) => lines > MAX_LINES)
      .map(({ file, lines }) => `${file} has ${lines} lines: it probably holds two things`);
    assert.deepEqual(long, []);
  });
});

suite("the rules themselves", () => {
  const fault = (from: string, specifier: string): string | undefined => {
    const [it] = parseImports(from, `import { x } from "${specifier}";`);
    assert.ok(it);
    return judge(it);
  };

  test("a room may import itself, core and what it lists, and a fault names both sides", () => {
    assert.equal(fault("builder/layer/tar/read.ts", "../entry.ts"), undefined);
    assert.equal(fault("builder/layer/x.ts", "../core/digest.ts"), undefined);
    assert.equal(fault("builder/ops/run.ts", "../executor/executor.ts"), undefined);
    assert.equal(
      fault("builder/layer/x.ts", "../graph/vertex.ts"),
      "builder/layer/x.ts imports ../graph/vertex.ts: layer may import core",
    );
    assert.equal(
      fault("builder/solver/x.ts", "../ops/run.ts"),
      "builder/solver/x.ts imports ../ops/run.ts: solver may import core, graph",
    );
  });

  test("the engine does not know a door, and a door knows the engine's own files only", () => {
    assert.match(fault("builder/build.ts", "../src/cli/flags.ts") ?? "", /builder may import/);
    assert.equal(fault("src/commands/build.ts", "../../builder/build.ts"), undefined);
    assert.equal(fault("src/commands/build.ts", "../cli/flags.ts"), undefined);
    assert.match(fault("src/commands/build.ts", "../../builder/solver/solver.ts") ?? "", /src\/commands may import/);
    assert.match(fault("src/progress/plain.ts", "../cli/flags.ts") ?? "", /src\/progress may import core$/);
  });

  test("a package has its rooms, and an unlisted room or package is closed", () => {
    assert.equal(fault("builder/core/system/syscall.ts", "koffi"), undefined);
    assert.equal(fault("builder/store/x.ts", "koffi"), "builder/store/x.ts imports koffi: only core may");
    assert.equal(fault("builder/layer/tar/archive.ts", "tar-stream"), undefined);
    assert.match(fault("builder/layer/read.ts", "tar-stream") ?? "", /only builder\/layer\/tar\/archive.ts may/);
    assert.equal(fault("builder/layer/xz.ts", "node-liblzma/wasm"), undefined);
    assert.match(fault("builder/store/x.ts", "left-pad") ?? "", /does not list yet/);
    assert.match(fault("builder/kitchen/x.ts", "node:fs") ?? "", /kitchen, which .* does not list yet/);
    assert.match(fault("builder/store/x.ts", "node:sqlite") ?? "", /only cache, .* may/);
  });

  test("types, re-exports, late imports and workers count; comments do not", () => {
    const found = parseImports(
      "builder/layer/a.ts",
      [
        'import type { A } from "./a1.ts";',
        'export { b } from "./a2.ts";',
        'import "./a3.ts";',
        'const c = await import("./a4.ts");',
        "new Worker(new URL(`./a5${extname(import.meta.url)}`, import.meta.url));",
        'import {\n  d,\n} from "./a6.ts";',
        'const words = { from: "from", "import": "export" };',
        '// import { e } from "./no.ts";',
        '/** import { f } from "./no.ts"; */',
      ].join("\n"),
    );
    assert.deepEqual(
      found.map((it) => it.specifier),
      ["./a1.ts", "./a2.ts", "./a3.ts", "./a4.ts", "./a5", "./a6.ts"],
    );
  });
});
