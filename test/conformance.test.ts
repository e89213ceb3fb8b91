// Dockerfile builds whose results were measured with BuildKit: every case of fixtures/conformance is built and its image
// compared with the golden, by code that the engine does not use. `CASES='copy-*' make test FILES=test/conformance.test.ts`
// builds some of them, TESTS=whole all of them (else every third), CONFORMANCE=all also those of fixtures/conformance/more
// (`make soak` does).

import assert from "node:assert/strict";
import * as fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { after, before, suite, test } from "node:test";

import { buildCase } from "./conformance/build-case.ts";
import { type Case, FIXTURES, flagsOf, readCase, readGolden, whyNot } from "./conformance/case.ts";
import { compare, type Got } from "./conformance/compare.ts";
import { type Image, type KnownLayers, readImages, readKnownLayers } from "./conformance/image.ts";
import { layOut, layOutBases } from "./conformance/lay-out.ts";
import { openLayout } from "./conformance/oci-layout.ts";
import { serve } from "./conformance/www.ts";
import { becomeRoot } from "./support/become-root.ts";
import { isPlayed } from "./support/sample.ts";

const noSandbox = await becomeRoot();

suite("BuildKit's images", { concurrency: 2, skip: noSandbox ?? false }, () => {
  let folder = "";
  let bases = "";
  const known: KnownLayers = new Map();

  before(() => {
    process.umask(0o022);
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "tsbuild-conformance-"));
    fs.chmodSync(folder, 0o755);
    bases = path.join(folder, "bases");
    layOutBases(bases);
    for (const name of fs.readdirSync(bases)) {
      for (const [digest, layer] of readKnownLayers(openLayout(path.join(bases, name)))) known.set(digest, layer);
    }
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  const sets = process.env["CONFORMANCE"] === "all" ? "{cases,more}" : "cases";
  const wanted = fs.globSync(`${sets}/${process.env["CASES"] ?? "*"}`, { cwd: FIXTURES }).toSorted();
  const isAsked = Boolean(process.env["CASES"] || process.env["CONFORMANCE"]);
  for (const place of wanted.filter((_, number) => isAsked || isPlayed(number))) {
    const it = readCase(place);
    const name = path.basename(place);
    test(name, { skip: whyNot(it) ?? false }, async () => {
      const own = path.join(folder, name);
      fs.mkdirSync(own);
      const differences = compare(readGolden(it), await buildAndRead(it, own));
      assert.equal(differences.map(([level, what]) => `${level}: ${what}\n`).join(""), "");
      fs.rmSync(own, { recursive: true, force: true });
    });
  }

  async function buildAndRead(it: Case, own: string): Promise<Got> {
    await using server = await serve(it);
    const { context, dockerfile } = layOut(it, own, server?.url);
    const image = path.join(own, "image.tar");
    const remote = it.context_url?.replace("@WWW@", server?.url ?? "");
    const error = await buildCase({
      flags: [
        ...flagsOf(it, { folder: own, www: server?.url, bases }),
        ...["--file", remote === undefined ? dockerfile : it.dockerfile],
        ...["--output", `type=oci,dest=${image}`],
      ],
      context: remote ?? context,
      environment: it.args.env ?? {},
      root: path.join(keepsCache(dockerfile) ? own : folder, "store"),
    });
    if (error !== undefined) return { error, images: [] };
    const { created, mtime } = it.compare;
    return { error, images: withPlaces(readImages(openLayout(image), known, { created, mtime }), own, server?.url) };
  }
});

/** What a cache mount keeps is of one case. All else shares a store: no step may be taken for another case's. */
function keepsCache(dockerfile: string): boolean {
  return fs.existsSync(dockerfile) && fs.readFileSync(dockerfile, "utf8").includes("type=cache");
}

/** The goldens do not know where a case was laid out. */
function withPlaces(images: readonly Image[], folder: string, www: string | undefined): Image[] {
  const text = JSON.stringify(images).replaceAll(folder, "@CASE@");
  return JSON.parse(www === undefined ? text : text.replaceAll(www, "@WWW@")) as Image[];
}
