// --attest, --provenance and --sbom, with buildx's grammar.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import type { Attestations } from "../../src/cli/values/attest-spec.ts";
import { parseAttestations } from "../../src/cli/values/attest-spec.ts";
import { BUILD_FLAGS } from "../../src/cli/flags/build-flags.ts";
import { parseArguments } from "../../src/cli/flags.ts";

const parse = (...words: readonly string[]): Attestations | undefined =>
  parseAttestations(parseArguments(BUILD_FLAGS, words));

/** What `--provenance=true` means. */
const DEFAULT = {
  mode: "max",
  version: "v1",
  builderId: "",
  fileName: "provenance.json",
  isReproducible: false,
  inlineOnly: false,
  needsAllMaterials: false,
} as const;

suite("asked for", () => {
  // prettier-ignore
  const cases: readonly (readonly [string, Attestations | undefined])[] = [
    ["", undefined],
    ["--provenance=true", { provenance: DEFAULT }],
    ["--provenance mode=max", { provenance: DEFAULT }],
    ["--provenance=mode=full", { provenance: DEFAULT }],
    ["--attest type=provenance", { provenance: DEFAULT }],
    ["--provenance=mode=min,version=v0.2,builder-id=https://x,filename=p.json,reproducible=true,inline-only=1,complete-materials=true", {
      provenance: { mode: "min", version: "v0.2", builderId: "https://x", fileName: "p.json", isReproducible: true, inlineOnly: true, needsAllMaterials: true },
    }],
    ["--provenance=true --reproducible", { provenance: { ...DEFAULT, isReproducible: true } }],
    ["--provenance=reproducible=false --reproducible", { provenance: DEFAULT }],
    ["--sbom=true", { sbom: {} }],
    ["--attest=type=sbom --attest=type=provenance,mode=min", { provenance: { ...DEFAULT, mode: "min" }, sbom: {} }],
    ["--attest=TYPE=sbom", { sbom: {} }],
    // What is said last counts, the shorthands come after --attest.
    ["--sbom=false --attest=type=sbom", undefined],
    ["--attest=type=provenance,mode=min --attest=type=provenance", { provenance: DEFAULT }],
    ["--provenance=false --sbom=0", undefined],
    ["--attest=type=sbom,disabled=true", undefined],
    ["--attest=type=provenance --provenance=disabled=true", undefined],
  ];
  for (const [text, expected] of cases)
    test(text || "nothing", () => assert.deepEqual(parse(...text.split(" ").filter((word) => word !== "")), expected));
});

suite("wrong", () => {
  // prettier-ignore
  const cases: readonly (readonly [string, BuildError["code"], RegExp])[] = [
    ["--attest=mode=max", "USAGE", /attestation type not specified/],
    ["--attest=type=vex", "USAGE", /unknown attestation type "vex"/],
    ["--attest=sbom", "USAGE", /invalid field "sbom"/],
    ["--provenance=mode=all", "USAGE", /mode="all" is none of min, max/],
    ["--provenance=version=v2", "USAGE", /version="v2" is none of v1, v0\.2/],
    ["--provenance=mod=max", "USAGE", /unexpected key "mod"/],
    ["--provenance=inline-only=perhaps", "USAGE", /neither true nor false/],
    ["--provenance=filename=../x", "USAGE", /must be a name without folders/],
    ["--provenance=maybe", "USAGE", /invalid field "maybe"/],
    ["--provenance=capture-usage=true", "UNSUPPORTED", /capture-usage is not supported/],
    ["--sbom=generator=docker/scanner", "UNSUPPORTED", /the generator "docker\/scanner" is not run/],
    ["--sbom=depth=1", "USAGE", /unexpected key "depth"/],
  ];
  for (const [text, code, message] of cases)
    test(text, () =>
      assert.throws(
        () => parse(text),
        (error) => error instanceof BuildError && error.code === code && message.test(error.message),
      ),
    );
});

test("a flag with a value of its own never takes the next word", () => {
  const { values, positionals } = parseArguments(BUILD_FLAGS, ["--squash", "all", "--squash=all"]);
  assert.deepEqual([values.get("squash"), positionals], [["all"], ["all"]]);
  assert.deepEqual(parseArguments(BUILD_FLAGS, ["--squash", "."]).values.get("squash"), ["new"]);
});
