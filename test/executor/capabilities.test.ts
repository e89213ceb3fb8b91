// Which capabilities a program has when a person adds and drops some, by docker's rules.

import assert from "node:assert/strict";
import { test } from "node:test";
import { adjustedCapabilities, ALL_CAPABILITIES, DEFAULT_CAPABILITIES } from "../../builder/executor/sandbox-policy.ts";

test("without a wish they are Docker's default ones", () => {
  assert.equal(adjustedCapabilities([], []), DEFAULT_CAPABILITIES);
});

test("names are written with or without CAP_, in any case", () => {
  const added = adjustedCapabilities(["sys_time", "CAP_NET_ADMIN"], ["cap_mknod"]);
  assert.deepEqual(
    new Set(added),
    new Set([...DEFAULT_CAPABILITIES.filter((name) => name !== "CAP_MKNOD"), "CAP_SYS_TIME", "CAP_NET_ADMIN"]),
  );
  assert.throws(() => adjustedCapabilities(["bogus"], []), /"bogus" is not a capability/);
  assert.throws(() => adjustedCapabilities([], ["bogus"]), /"bogus" is not a capability/);
});

test("ALL added is all but what is dropped by name, ALL dropped leaves what is added by name", () => {
  assert.deepEqual(adjustedCapabilities(["ALL"], []), ALL_CAPABILITIES);
  assert.deepEqual(adjustedCapabilities(["all"], ["CHOWN"]), ALL_CAPABILITIES.filter((name) => name !== "CAP_CHOWN")); // prettier-ignore
  assert.deepEqual(adjustedCapabilities(["KILL", "chown"], ["ALL"]), ["CAP_CHOWN", "CAP_KILL"]);
  assert.deepEqual(adjustedCapabilities([], ["ALL"]), []);
});

test("one that is added and dropped is added", () => {
  assert.ok(adjustedCapabilities(["MKNOD"], ["MKNOD"]).includes("CAP_MKNOD"));
});
