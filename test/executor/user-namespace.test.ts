// Becoming root of a user namespace, as whichever user runs this.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { findLauncher } from "../../builder/executor/find-launcher.ts";
import { formatMappings, mappingsFor, parseSubordinateIds } from "../../builder/executor/subordinate-ids.ts";
import { isPrivileged } from "../../builder/executor/rights.ts";
import { isInsideUserNamespace, planUserNamespace } from "../../builder/executor/user-namespace.ts";

const module = fileURLToPath(new URL("../../builder/executor/user-namespace.ts", import.meta.url));
const rights = fileURLToPath(new URL("../../builder/executor/rights.ts", import.meta.url));

/** Plans and enters a namespace, and says inside what it is; exit code 7. */
const PROGRAM = `
  const m = await import(${JSON.stringify(module)});
  const { isPrivileged } = await import(${JSON.stringify(rights)});
  if (m.isInsideUserNamespace(process.env)) {
    console.log(JSON.stringify({ uid: process.getuid(), privileged: isPrivileged(), plan: await m.planUserNamespace(process.env), env: process.env.KEPT }));
    process.exit(7);
  }
  const plan = await m.planUserNamespace(process.env);
  if (plan.kind === "direct") process.exit(9);
  const code = await m.enterUserNamespace(["--input-type=module", "-e", process.env.PROGRAM], process.env, plan);
  process.exit(code);
`;

test("root needs no namespace", { skip: isPrivileged() ? false : "not root here" }, async () => {
  assert.deepEqual(await planUserNamespace({}), { kind: "direct", notes: [] });
  assert.equal(isInsideUserNamespace({}), false);
});

test(
  "an ordinary user becomes root of a namespace and keeps exit code and environment",
  { skip: whyNotAsUser() ?? false },
  () => {
    // Root runs it as nobody, who has no subordinate ids; others as themselves.
    const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    const run = spawnSync(process.execPath, ["--input-type=module", "-e", PROGRAM], {
      encoding: "utf8",
      cwd: "/",
      env: { PATH: process.env["PATH"], PROGRAM, KEPT: "a b" },
      ...user,
    });
    assert.equal(run.status, 7, run.stderr);
    const inside: unknown = JSON.parse(run.stdout);
    assert.deepEqual(inside, { uid: 0, privileged: true, plan: { kind: "direct", notes: [] }, env: "a b" });
  },
);

function whyNotAsUser(): string | undefined {
  if (findLauncher() === undefined) return "tsbuild-launcher was not built (make)";
  if (process.getuid?.() !== 0) return isPrivileged() ? "already privileged" : undefined;
  try {
    // Root may read what nobody may not: look at the modes of the way down.
    for (let path = module; path !== "/"; path = dirname(path))
      if (!othersMayEnter(path)) return `"${path}" is closed to the user nobody`;
    return othersMayEnter(process.execPath) ? undefined : "Node is closed to the user nobody";
  } catch (error) {
    return String(error);
  }
}

function othersMayEnter(path: string): boolean {
  const look = spawnSync("/usr/bin/setpriv", [
    "--reuid",
    "65534",
    "--clear-groups",
    "--regid",
    "65534",
    "test",
    "-r",
    path,
  ]);
  accessSync(path, constants.R_OK);
  return look.status === 0;
}

test("subordinate ids are found by name and by number, all ranges", () => {
  const text = "# comment\nann:100000:65536\nbob:1:2\n1000:300000:10\nann:bad\nann:500000:0\n";
  assert.deepEqual(parseSubordinateIds(text, "ann", 1000), [
    { first: 100000, count: 65536 },
    { first: 300000, count: 10 },
  ]);
});

test("root inside is the user, and the ranges follow without a gap", () => {
  const mappings = mappingsFor(1000, [
    { first: 100000, count: 65536 },
    { first: 300000, count: 10 },
  ]);
  assert.equal(formatMappings(mappings, " "), "0 1000 1 1 100000 65536 65537 300000 10");
});
