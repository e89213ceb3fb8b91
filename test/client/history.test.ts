// `tsbuild builds --host`: what a daemon remembers, in the same words as what this machine does.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { CommandContext } from "../../src/commands/command.ts";
import { builds } from "../../src/commands/builds/builds.ts";
import { COMMANDS } from "../../src/commands/command-table.ts";
import { images } from "../../src/commands/images/images.ts";
import { parseArguments } from "../../src/cli/flags.ts";
import { build, DOCKERFILE, folder, NEVER } from "../daemon/running-daemon.ts";
import { offerOf } from "../support/build-client.ts";

const TAR = [{ type: "tar", attrs: new Map<string, string>() }];

test("builds of a daemon are listed, shown, told again, exported and forgotten", async () => {
  const offer = offerOf({ Dockerfile: DOCKERFILE, a: "A" });
  await build("1st-build", offer, TAR, { "label:l": "v" });
  await assert.rejects(build("2nd-build", offer, TAR, { target: "nowhere" }));
  assert.match(
    await said("ls"),
    /^BUILD ID .*\n2nd-build +Dockerfile --target nowhere +Error .*\n1st-build +Dockerfile +Completed /,
  );
  assert.equal(await said("ls", "--filter=status=completed", "--format={{.Ref}} {{.Steps}}"), "1st-build 5\n");
  assert.match(await said("show", "1st"), /^Build: +1st-build\n[\s\S]*Output: +tar\n[\s\S]* \[1\/1\] COPY \. \/\n/);
  assert.match(await said("show", "^0", "--json"), /"status": "error"[\s\S]*"failure": \{\n\s*"message": ".*nowhere/);
  assert.match(await said("logs", "1st-build"), /#\d \[1\/1\] COPY \. \/\n#\d DONE/);
  assert.match(await said("report", "1st-build"), /<title>[\s\S]*COPY \. \//);
  const [record = ""] = (await said("export", "1st-build")).split("\n");
  assert.equal((JSON.parse(record) as { readonly id: string }).id, "1st-build");
  await assert.rejects(said("logs", "1st-build:99"), { code: "USAGE", message: /has no step "99"/ });
  assert.equal(await said("rm", "2nd"), "2nd-build\n");
  await assert.rejects(said("show", "2nd"), { code: "USAGE", message: /remembers no build "2nd"/ });
  assert.equal(await said("rm", "--all"), "1st-build\n");
  await assert.rejects(said("logs"), { code: "INPUT_MISSING", message: /remembers no build$/ });
});

test("what means this machine's store refuses where TSBUILD_HOST names a daemon, unless a flag names a store", async () => {
  const ofThisStore = COMMANDS.filter(({ ofThisStore }) => ofThisStore === true);
  const names = [
    "run",
    "bundle",
    "shell",
    "pull",
    "push",
    "save",
    "load",
    "why",
    "images",
    "tag",
    "rmi",
    "fsck",
    "verify",
  ];
  assert.deepEqual(ofThisStore.map(({ name }) => name).toSorted(), names.toSorted());
  for (const { name, load } of ofThisStore) {
    const command = await load();
    await assert.rejects(command({ ...contextOf(["x"]), ofThisStore: `tsbuild ${name}` }), {
      code: "UNSUPPORTED",
      message: new RegExp(`^tsbuild ${name} means this machine's store, and TSBUILD_HOST names unix:`),
    });
  }
  const named = contextOf([`--root=${join(folder, "own")}`]);
  assert.equal(await images({ ...named, ofThisStore: "tsbuild images" }), 0);
});

let printed = "";

async function said(...args: readonly string[]): Promise<string> {
  printed = "";
  assert.equal(await builds(contextOf(args)), 0);
  return printed;
}

function contextOf(args: readonly string[]): CommandContext {
  return {
    args,
    globals: parseArguments([], []),
    environment: { TSBUILD_HOST: `unix://${join(folder, "one.sock")}` },
    signal: NEVER,
    signals: { listen: () => ({ [Symbol.dispose]: () => undefined }) },
    print: async (data) => void (printed += data.toString()),
    outcome: { debug: false, told: false },
  };
}
