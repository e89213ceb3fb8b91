// Dockerfiles in fixtures/dockerfile and the plans they become. UPDATE=1 writes the plans anew: read the difference.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { suite, test } from "node:test";
import type { ConvertOptions } from "../../builder/dockerfile/convert/plan.ts";
import { planText } from "./convert-text.ts";
import { convertText } from "./convert-world.ts";

const FIXTURES = path.join(import.meta.dirname, "../../fixtures/dockerfile");

const CASES: Readonly<Record<string, Partial<ConvertOptions>>> = {
  "arg-scope": {
    buildArgs: new Map([
      ["GIVEN", "given"],
      ["UNUSED", "x"],
    ]),
  },
  stages: { labels: new Map([["built", "by hand"]]), noCache: ["build"] },
  "copy-forms": {},
  "add-remote": {},
  "run-forms": {
    allow: ["network.host", "security.insecure"],
    hostname: "box",
    buildArgs: new Map([
      ["http_proxy", "http://p:1"],
      ["NO_PROXY", "local"],
      ["B", "given"],
    ]),
  },
  "run-mounts": { buildArgs: new Map([["BUILDKIT_CACHE_MOUNT_NS", "ns"]]) },
  config: { epochSeconds: 1700000000 },
  triggers: { buildArgs: new Map([["TAG", "v1"]]) },
  platforms: {
    implicitPlatform: false,
    targetPlatform: { os: "linux", architecture: "arm", variant: "v7" },
    multiPlatform: true,
  },
  contexts: {},
  checks: {},
};

suite("a Dockerfile becomes a graph, a config and a history", () => {
  for (const [name, options] of Object.entries(CASES)) {
    test(name, async () => {
      const folder = path.join(FIXTURES, name);
      const text = readFileSync(path.join(folder, "Dockerfile"), "utf8");
      const found = planText(await convertText(text, { ...options, ...(name === "checks" ? { target: "two" } : {}) }));
      const file = path.join(folder, "graph.txt");
      if (process.env["UPDATE"] === "1") writeFileSync(file, found);
      assert.equal(found, readFileSync(file, "utf8"));
    });
  }
});
