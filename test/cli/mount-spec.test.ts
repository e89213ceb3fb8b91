// `--volume`, `--mount`, `--tmpfs`, `--env-file` and id maps: what they mean, and what is wrong with those that mean nothing.

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import { parseEnvFile } from "../../src/cli/values/env-file.ts";
import { parseIdRange } from "../../src/cli/values/id-map-spec.ts";
import { parseMount, parseTmpfs, parseVolume } from "../../src/cli/values/mount-spec.ts";

test("--volume", () => {
  const bind = (source: string, target: string, readonly = false) => ({ kind: "bind", source, target, readonly });
  assert.deepEqual(parseVolume("/a:/b"), bind("/a", "/b"));
  assert.deepEqual(parseVolume("/a/../c/:/b/./d//"), bind("/c", "/b/d"));
  assert.deepEqual(parseVolume("./a:/b:ro"), bind(resolve("a"), "/b", true));
  assert.deepEqual(parseVolume("..:/b:rw,rprivate,cached"), bind(resolve(".."), "/b"));
  for (const [text, why] of [
    ["name:/b", /"name" is the name of a volume/],
    ["/only", /names no place on this machine/],
    ["/a:b", /must be absolute/],
    ["/a:/", /cannot be "\/"/],
    ["/a:/b/..", /cannot be "\/"/],
    ["/a:/b:ro:x", /too many parts/],
    ["/a:/b:z", /"z" is not supported/],
    ["/a:/b:shared", /"shared" is not supported/],
  ] as const)
    assert.throws(() => parseVolume(text), why, text);
});

test("--mount", () => {
  const source = resolve("a");
  assert.deepEqual(parseMount("type=bind,source=a,target=/b"), { kind: "bind", source, target: "/b", readonly: false });
  for (const word of ["readonly", "ro", "readonly=true", "ro=1"])
    assert.deepEqual(parseMount(`type=bind,src=a,dst=/b,${word}`), {
      kind: "bind",
      source,
      target: "/b",
      readonly: true,
    });
  assert.deepEqual(parseMount('type=bind,"src=a,b",destination=/b,ro=false'), {
    kind: "bind",
    source: resolve("a,b"),
    target: "/b",
    readonly: false,
  });
  assert.deepEqual(parseMount("type=tmpfs,target=/t,tmpfs-size=2m,tmpfs-mode=1770"), {
    kind: "tmpfs",
    target: "/t",
    readonly: false,
    sizeBytes: 2 << 20,
    mode: 0o1770,
  });
  for (const [text, why] of [
    ["source=a,target=/b", /a volume is asked for/],
    ["type=volume,target=/b", /a volume is asked for/],
    ["type=npipe,target=/b", /type "npipe" is not supported/],
    ["type=bind,target=/b", /it has no source/],
    ["type=bind,source=a", /must be absolute/],
    ["type=bind,source=a,target=/b,bind-propagation=shared", /"bind-propagation" is not supported for type bind/],
    ["type=tmpfs,source=a,target=/b", /"source" is not supported for type tmpfs/],
    ["type=tmpfs,target=/b,tmpfs-mode=9", /the mode "9" is not octal/],
    ["type=bind,source=a,target=/b,ro=maybe", /neither true nor false/],
  ] as const)
    assert.throws(() => parseMount(text), why, text);
});

test("--tmpfs", () => {
  assert.deepEqual(parseTmpfs("/t"), { kind: "tmpfs", target: "/t", noexec: true });
  assert.deepEqual(parseTmpfs("/t:rw,exec,nosuid,nodev,size=64k,mode=755,uid=5,gid=6"), {
    kind: "tmpfs",
    target: "/t",
    noexec: false,
    readonly: false,
    sizeBytes: 65_536,
    mode: 0o755,
    uid: 5,
    gid: 6,
  });
  assert.throws(() => parseTmpfs("t"), /must be absolute/);
  assert.throws(() => parseTmpfs("/t:huge=always"), /"huge=always" is not supported/);
  assert.throws(() => parseTmpfs("/t:uid=root"), /"root" is not an id/);
});

test("--env-file", () => {
  const text = "\uFEFFA=1\r\n#B=2\n\n  C= spaced = \nBARE\nEMPTY=\n";
  assert.deepEqual(parseEnvFile(text, "f"), ["A=1", "C= spaced = ", "BARE", "EMPTY="]);
  assert.throws(() => parseEnvFile("A=1\n=x\n", '"f"'), /"f", line 2: there is no name before "="/);
  assert.throws(() => parseEnvFile("export A=1", '"f"'), /line 1: the name "export A" holds a space/);
});

test("--uid-map", () => {
  assert.deepEqual(parseIdRange("0:100000:65536", "--uid-map"), { containerId: 0, hostId: 100_000, size: 65_536 });
  for (const text of ["", "0:1", "0:1:0", "a:b:c", "0:1:1:1", "0:4294967295:1", "-1:0:1"])
    assert.throws(() => parseIdRange(text, "--uid-map"), /is not a range of ids/, text);
});
