// Dockerfile builds whose results were measured with BuildKit: every case of fixtures/conformance is built and its image
// compared with the golden, by code that the engine does not use. `CASES='copy-*' make test FILES=test/conformance.test.ts`
// builds some of them, TESTS=whole five sixths as root, and the others are an ordinary user's (test/support/sample.ts);
// CONFORMANCE=all also those of fixtures/conformance/more
// (`make soak` does).

import assert from "node:assert/strict";
import path from "node:path";
import process from "node:process";
import { after, before, suite, test } from "node:test";

import { buildCase } from "./conformance/build-case.ts";
import { readCase, whyNot } from "./conformance/case.ts";
import { areAsked, LaidOutCases, wantedCases } from "./conformance/laid-out-cases.ts";
import { becomeRoot } from "./support/become-root.ts";
import { isPlayedInTurn } from "./support/sample.ts";

const noSandbox = await becomeRoot();

suite("BuildKit's images", { concurrency: 2, skip: noSandbox ?? false }, () => {
  let cases: LaidOutCases;

  before(() => {
    process.umask(0o022);
    cases = new LaidOutCases();
  });
  after(() => cases[Symbol.dispose]());

  for (const place of wantedCases().filter((_, number) => areAsked || isPlayedInTurn(number))) {
    const it = readCase(place);
    test(path.basename(place), { skip: whyNot(it) ?? false }, async () => {
      const differences = await cases.play(it, ({ flags, context, environment, folder, keepsCache }) =>
        buildCase({ flags, context, environment, root: path.join(keepsCache ? folder : cases.folder, "store") }),
      );
      assert.equal(differences.map(([level, what]) => `${level}: ${what}\n`).join(""), "");
    });
  }
});
