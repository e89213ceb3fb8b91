// The conformance cases through the unmodified docker buildx and the daemon: the images must be those that the command
// line makes. A few of them; CASES='copy-*' plays some others, CONFORMANCE=all each of them (`make soak` does).

import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { after, before, suite, test } from "node:test";
import { readCase, whyNot } from "../conformance/case.ts";
import type { BuildCase } from "../conformance/laid-out-cases.ts";
import { areAsked, LaidOutCases, wantedCases } from "../conformance/laid-out-cases.ts";
import { dockerPlugin } from "../support/docker-clients.ts";
import type { ChildDaemon } from "./child-daemon.ts";
import { runClient, startEmptyDaemon, whyNoDaemon } from "./child-daemon.ts";

/** What else than a Dockerfile in a folder goes between client and daemon. */
const FEW: ReadonlySet<string> = new Set([
  "attr-xattr-context", // attributes, through the tunnel
  "platform-multi", // an index
  "secret-from-client-env",
]);

const buildx = dockerPlugin("docker-buildx");
const skip = buildx === undefined ? "needs docker buildx" : whyNoDaemon();

suite("BuildKit's images, through buildx", { skip }, () => {
  let cases: LaidOutCases;
  let daemon: ChildDaemon;

  before(async () => {
    process.umask(0o022);
    cases = new LaidOutCases();
    daemon = await startEmptyDaemon("cases");
    await runClient(buildx ?? "", ["create", "--name", "tsbuild", "--driver", "remote", daemon.address], {
      BUILDX_CONFIG: join(daemon.folder, "buildx"),
    });
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
    cases[Symbol.dispose]();
  });

  const build: BuildCase = async ({ flags, context, environment }) => {
    const own = { BUILDX_CONFIG: join(daemon.folder, "buildx"), BUILDX_BUILDER: "tsbuild", BUILDKIT_PROGRESS: "plain" };
    try {
      await runClient(buildx ?? "", ["build", "--no-cache", "--provenance=false", ...flags, context], {
        ...own,
        ...environment,
      });
      return undefined;
    } catch (error) {
      // An exit status, and a message that ends what the client says; anything else is a fault of its own.
      const { code, stderr } = error as { readonly code?: unknown; readonly stderr?: string };
      const message = /^ERROR: (.*)$/m.exec(stderr ?? "")?.[1];
      if (code !== 1 || message === undefined || message.includes("Unavailable")) throw error;
      return message;
    }
  };

  for (const it of wantedCases().map(readCase)) {
    if (!areAsked && !FEW.has(it.name)) continue;
    test(it.name, { skip: whyNot(it) ?? false }, async () => {
      const differences = await cases.play(it, build);
      assert.equal(differences.map(([level, what]) => `${level}: ${what}\n`).join(""), "");
    });
  }
});
