// The small readers and writers of the conversion.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { csvFields } from "../../builder/dockerfile/convert/run/csv.ts";
import { readPort } from "../../builder/dockerfile/convert/config/expose.ts";
import { parseGitUrl } from "../../builder/dockerfile/convert/copy/git-url.ts";
import { formatDuration, quote } from "../../builder/dockerfile/convert/config/go-text.ts";
import { modeSpec, ownerSpec } from "../../builder/dockerfile/convert/copy/owner.ts";
import { copyDestination } from "../../builder/dockerfile/convert/paths.ts";
import { isSignal } from "../../builder/dockerfile/convert/config/signals.ts";
import { nearest } from "../../builder/dockerfile/convert/suggest.ts";

suite("text as Go prints it", () => {
  test("a quoted string escapes what is not printable and keeps what is", () => {
    assert.equal(quote('a"b\\c\n\t\x00\x7f é 漢 😀'), '"a\\"b\\\\c\\n\\t\\x00\\x7f é 漢 😀"');
    assert.equal(quote("\u00a0\u200b\u{e0001}"), '"\\u00a0\\u200b\\U000e0001"');
  });

  test("a duration has the largest unit first and no zero tail", () => {
    const cases: readonly (readonly [number, string])[] = [
      [0, "0s"],
      [1, "1ns"],
      [1500, "1.5µs"],
      [2_000_000, "2ms"],
      [1_000_000_001, "1.000000001s"],
      [60e9, "1m0s"],
      [3_661.5e9, "1h1m1.5s"],
      [-90e9, "-1m30s"],
    ];
    for (const [ns, text] of cases) assert.equal(formatDuration(ns), text);
  });
});

suite("git URLs", () => {
  test("http needs .git, ssh and scp forms do not", () => {
    assert.deepEqual(parseGitUrl("https://h/r.git"), { remote: "https://h/r.git" });
    assert.deepEqual(parseGitUrl("ssh://git@h/r"), { remote: "ssh://git@h/r" });
    assert.deepEqual(parseGitUrl("git@h:r#v1:a/../b"), { remote: "git@h:r", ref: "v1", subdir: "b" });
    for (const text of ["https://h/r", "./git@h:r", "a/b.git", "ftp://h/r.git", "git@h"]) {
      assert.equal(parseGitUrl(text), undefined, text);
    }
  });

  test("parameters say what the fragment says, and must agree with it", () => {
    const url = "https://h/r.git";
    assert.deepEqual(parseGitUrl(`${url}?ref=v1&subdir=a&commit=abc&keep-git-dir`), {
      remote: url,
      ref: "v1",
      subdir: "a",
      checksum: "abc",
      keepGitDir: true,
    });
    assert.equal(parseGitUrl(`${url}?branch=main`)?.ref, "refs/heads/main");
    assert.throws(() => parseGitUrl(`${url}?ref=v2#v1`), /ref conflicts: "v1" vs "v2"/);
    assert.throws(() => parseGitUrl(`${url}?tag=a&branch=b`), /branch conflicts with tag/);
    assert.throws(() => parseGitUrl(`${url}?ref=`), /query "ref" has no value/);
  });
});

suite("owners and modes", () => {
  test("numbers and root are ids, what else there is are names", () => {
    assert.deepEqual(ownerSpec("root:0", true), { user: 0, group: 0 });
    assert.deepEqual(ownerSpec("5:", true), { user: 5, group: 0 });
    assert.deepEqual(ownerSpec(":5", true), { user: 0, group: 5 });
    assert.deepEqual(ownerSpec("1000", true), { user: 1000 });
    assert.deepEqual(ownerSpec("web:5", false), { user: "web", group: 5 });
    assert.deepEqual(ownerSpec("4294967294", false), { user: "4294967294" });
  });

  test("a mode is octal or a symbolic expression", () => {
    assert.deepEqual(modeSpec("0755"), { octal: 0o755 });
    assert.deepEqual(modeSpec("a=rX,u+w,g-s"), { symbolic: "a=rX,u+w,g-s" });
    assert.deepEqual(modeSpec("go=u"), { symbolic: "go=u" });
    for (const text of ["8", "17777", "u", "u+q", "755 "]) assert.throws(() => modeSpec(text), /invalid chmod/, text);
  });
});

test("a destination says whether it is a directory", () => {
  const cases = {
    "": "/w/",
    ".": "/w/",
    "./": "/w/",
    a: "/w/a",
    "a/.": "/w/a/",
    "/": "/",
    "/a/../b/": "/b/",
    "../x": "/x",
  };
  for (const [written, path] of Object.entries(cases)) assert.equal(copyDestination("/w", written), path, written);
});

test("a port specification names ports and a protocol, and may name a host", () => {
  assert.deepEqual(readPort("80-82/UDP").ports, ["80/udp", "81/udp", "82/udp"]);
  assert.deepEqual(readPort("[::1]:8080:80").ports, ["80/tcp"]);
  for (const text of ["", "a", "80/x", "90-80", "65536", "300.0.0.1:1:1", "1-2:3-5"])
    assert.throws(() => readPort(text), text);
});

test("signals have names, with or without SIG, and numbers", () => {
  for (const name of ["SIGTERM", "kill", "9", "RTMIN+15", "SIGRTMAX-14"]) assert.ok(isSignal(name), name);
  for (const name of ["", "0", "SIG", "TERMINATE", "RTMIN+16", "RTMAX-15", "RTMIN+01"])
    assert.ok(!isSignal(name), name);
});

test("a field in quotes may hold commas and quotes", () => {
  assert.deepEqual(csvFields('type=bind,"source=a,b","c""d",'), ["type=bind", "source=a,b", 'c"d', ""]);
  for (const line of ['a"b', '"a', '"a"b']) assert.throws(() => csvFields(line), /csv/, line);
});

test("the nearest name is at most two edits away", () => {
  assert.equal(nearest("biuld", ["base", "build"]), "build");
  assert.equal(nearest("build", ["build", "buil"]), undefined);
  assert.equal(nearest("x", ["build"]), undefined);
});
