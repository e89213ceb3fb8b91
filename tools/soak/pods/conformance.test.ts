// BuildKit's images once more, built by a process inside a pod: pods.test.ts runs this file there, with POD_LEVEL for the
// pod's level and CASES for some cases. A case is right on every level, or it needs a RUN where none can be had.

import assert from "node:assert/strict";
import path from "node:path";
import process from "node:process";
import { globSync, readFileSync } from "node:fs";
import { after, before, suite, test } from "node:test";
import { NamespaceNeeded } from "../../../builder/core/system/namespace.ts";
import { buildCase } from "../../../test/conformance/build-case.ts";
import { type Case, readCase, whyNot } from "../../../test/conformance/case.ts";
import { LaidOutCases, wantedCases } from "../../../test/conformance/laid-out-cases.ts";
import { becomeRoot } from "../../../test/support/become-root.ts";

const noSandbox = await becomeRoot();
const level = process.env["POD_LEVEL"];

suite(`BuildKit's images in a pod, level ${level}`, () => {
  let cases: LaidOutCases;
  before(() => {
    process.umask(0o022);
    cases = new LaidOutCases();
  });
  after(() => cases[Symbol.dispose]());

  test("a step has a sandbox, or it is said why not", () => {
    if (level === "restricted")
      assert.match(noSandbox ?? "", /^RUN needs namespaces, but this process may not make any/);
    else assert.equal(noSandbox, undefined);
  });

  for (const place of wantedCases()) {
    const it = readCase(place);
    test(path.basename(place), { skip: whyNot(it) ?? false }, async () => {
      let isRefused = false;
      const differences = await cases.play(it, async ({ flags, context, environment, folder, keepsCache }) => {
        const root = path.join(keepsCache ? folder : cases.folder, "store");
        try {
          return await buildCase({ flags, context, environment, root });
        } catch (error) {
          if (noSandbox === undefined || !(error instanceof NamespaceNeeded)) throw error;
          isRefused = true;
          return noSandbox;
        }
      });
      if (isRefused) return assert.ok(mayRun(it), `refused, though nothing is run: ${noSandbox}`);
      assert.equal(differences.map(([what, how]) => `${what}: ${how}\n`).join(""), "");
    });
  }
});

/** Whether anything of it is a RUN, be it a trigger of its base. */
function mayRun(it: Case): boolean {
  const files = globSync("**/*ockerfile*", { cwd: it.folder }).map((name) => path.join(it.folder, name));
  const bases = [...it.bases, ...Object.values(it.args.contexts ?? {})].join(" ");
  const run = /^\s*(?:onbuild\s+)?run\b/im;
  return bases.includes("onbuild-base") || files.some((file) => run.test(readFileSync(file, "utf8")));
}
