// Platforms as containerd has them: which image runs where (the cases of containerd/platforms 1.0, Only), and which of
// several is taken.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import { formatPlatform, parsePlatform, platformRank } from "../../builder/core/image/platform.ts";

const ARM = ["linux/arm", "linux/arm/v5", "linux/arm/v6", "linux/arm/v7", "linux/arm/v8"];

interface Case {
  readonly runs: readonly string[];
  readonly runsNot: readonly string[];
}

const CASES: Readonly<Record<string, Case>> = {
  "linux/amd64": {
    runs: ["linux/amd64", "linux/amd64/v1", "linux/386"],
    runsNot: ["linux/amd64/v2", "linux/arm/v7", "linux/arm64", "windows/amd64"],
  },
  "linux/amd64/v2": {
    runs: ["linux/amd64", "linux/amd64/v1", "linux/amd64/v2", "linux/386"],
    runsNot: ["linux/amd64/v3", "linux/amd64/v4", "linux/arm64"],
  },
  "linux/386": { runs: ["linux/386", "linux/i386"], runsNot: ["linux/amd64"] },
  "windows/amd64": { runs: ["windows/amd64", "windows(10.0.17763)/amd64"], runsNot: ["linux/amd64", "windows/arm"] },
  "windows(10.0.17763.1)/amd64": {
    runs: ["windows/amd64", "windows(10.0.17763.5576)/amd64"],
    runsNot: ["windows(10.0.20348.2)/amd64"],
  },
  "linux/arm/v8": { runs: ARM, runsNot: ["linux/arm/v4", "linux/arm64"] },
  "linux/arm/v7": { runs: ARM.slice(0, 4), runsNot: ["linux/arm/v4", "linux/arm/v8", "linux/arm64"] },
  "linux/arm/v6": { runs: ["linux/arm/v5", "linux/arm/v6", "linux/armel"], runsNot: ["linux/arm", "linux/arm/v7"] },
  "linux/arm/v5": { runs: ["linux/arm/v5"], runsNot: ["linux/arm", "linux/arm/v4", "linux/arm/v6"] },
  "linux/arm/v4": { runs: ["linux/arm/v4"], runsNot: ["linux/arm", "linux/arm/v5"] },
  "linux/arm64/v9": {
    runs: [
      ...ARM,
      ...["", "/v8", "/v8.1", "/v8.2", "/v8.3", "/v8.4", "/v8.5", "/v9", "/v9.0"].map(
        (variant) => `linux/arm64${variant}`,
      ),
    ],
    runsNot: ["linux/arm/v4", "linux/arm64/v8.6", "linux/arm64/v9.1", "windows/arm"],
  },
  "linux/arm64/v9.2": {
    runs: ["linux/arm64/v9.1", "linux/arm64/v8.7"],
    runsNot: ["linux/arm64/v8.8", "linux/arm64/v9.3"],
  },
  "linux/arm64/v8.1": {
    runs: [...ARM, "linux/arm64", "linux/arm64/v8", "linux/arm64/v8.1"],
    runsNot: ["linux/arm64/v9"],
  },
  "linux/arm64": { runs: [...ARM, "linux/arm64", "linux/arm64/v8"], runsNot: ["linux/arm/v9", "linux/arm64/v9"] },
  "linux/s390x": { runs: ["linux/s390x"], runsNot: ["linux/ppc64le"] },
};

suite("platforms", () => {
  for (const [wanted, { runs, runsNot }] of Object.entries(CASES)) {
    test(`${wanted} runs what it runs, and nothing else`, () => {
      const rank = (candidate: string): number => platformRank(parsePlatform(wanted), parsePlatform(candidate));
      for (const candidate of runs) assert.ok(rank(candidate) > 0, candidate);
      for (const candidate of runsNot) assert.equal(rank(candidate), 0, candidate);
    });
  }

  const best = (wanted: string, offered: readonly string[]): string | undefined =>
    offered.toSorted(
      (a, b) =>
        platformRank(parsePlatform(wanted), parsePlatform(b)) - platformRank(parsePlatform(wanted), parsePlatform(a)),
    )[0];

  test("the nearest variant is the best, in whatever order they are offered", () => {
    assert.equal(best("linux/amd64/v3", ["linux/386", "linux/amd64", "linux/amd64/v2"]), "linux/amd64/v2");
    assert.equal(best("linux/amd64/v3", ["linux/amd64/v2", "linux/amd64/v3"]), "linux/amd64/v3");
    assert.equal(best("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"]), "linux/arm/v6");
    assert.equal(best("linux/arm64", ["linux/arm/v7", "linux/arm/v8", "linux/arm/v6"]), "linux/arm/v8");
    assert.equal(best("linux/arm64", ["linux/arm/v8", "linux/arm64/v8"]), "linux/arm64/v8");
    assert.equal(best("linux/arm64/v9.1", ["linux/arm64/v8.6", "linux/arm64/v9", "linux/arm64"]), "linux/arm64/v9");
    assert.equal(best("linux/arm64/v9", ["linux/arm64/v8.4", "linux/arm64/v8.5"]), "linux/arm64/v8.5");
  });

  test("are read with the version of an operating system", () => {
    const platform = parsePlatform("windows(10.0.17763)/amd64");
    assert.equal(platform.osVersion, "10.0.17763");
    assert.equal(formatPlatform(platform), "windows/amd64");
    assert.equal(parsePlatform("windows(10.0.17763)").os, "windows");
    for (const text of ["windows(10/amd64", "(10)/amd64", "linux/amd64(10)", "linux()/amd64"])
      assert.throws(
        () => parsePlatform(text),
        (error) => error instanceof BuildError && error.code === "USAGE",
        text,
      );
  });
});
