import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { BuildError } from "../../builder/core/errors.ts";
import { setMtimeNs } from "../../builder/core/system/syscall.ts";
import { formatPax, formatPaxTime, parsePax, parsePaxTime } from "../../builder/layer/tar/pax.ts";
import type { TarHeader, TarType } from "../../builder/layer/tar/tar-format.ts";
import { TarReader } from "../../builder/layer/tar/tar-reader.ts";
import { encodeTarHeader } from "../../builder/layer/tar/tar-writer.ts";
import type { Member } from "./support.ts";
import { headerOf, readTar, tarOf, temporary } from "./support.ts";

const has = (program: string): boolean => spawnSync(program, ["--version"]).status === 0;

/** Bytes 1-255 without slash: any name that Linux takes. */
const nameBytes = fc
  .array(
    fc.integer({ min: 1, max: 255 }).filter((byte) => byte !== 0x2f),
    { minLength: 1, maxLength: 150 },
  )
  .map((bytes) => Buffer.from(bytes).toString("latin1"));
const names = fc.array(nameBytes, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));

const headers = fc.record({
  name: names,
  type: fc.constantFrom<TarType>("file", "dir", "symlink", "hardlink", "char", "block", "fifo"),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 0xfffffffe }),
  gid: fc.integer({ min: 0, max: 0xfffffffe }),
  mtimeNs: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 63n }),
  link: names,
  xattrs: fc.option(
    fc.dictionary(fc.stringMatching(/^user\.[a-z.]{1,9}$/), fc.uint8Array({ maxLength: 40 }), {
      minKeys: 1,
      maxKeys: 3,
    }),
    { nil: undefined },
  ),
  content: fc.uint8Array({ maxLength: 1500 }),
});

test("any header and content survive writing and reading, however the bytes are cut", () => {
  fc.assert(
    fc.property(fc.array(headers, { maxLength: 5 }), fc.integer({ min: 1, max: 3000 }), (list, pieceBytes) => {
      const members: Member[] = list.map(({ content, link, xattrs, ...header }) => ({
        ...header,
        link: header.type === "symlink" || header.type === "hardlink" ? link : "",
        ...(xattrs === undefined ? {} : { xattrs: { ...xattrs } }),
        ...(header.type === "file" ? { content } : {}),
      }));
      const read = readTar(tarOf(members), pieceBytes);
      assert.equal(read.length, members.length);
      read.forEach(({ header, content }, i) => {
        const member = members[i];
        assert.ok(member !== undefined);
        const wanted = headerOf(member);
        const isDirectory = wanted.type === "dir";
        assert.deepEqual({ ...header, name: isDirectory ? header.name.slice(0, -1) : header.name }, wanted);
        assert.deepEqual(content, Buffer.from(member.content ?? ""));
      });
    }),
    { numRuns: 300 },
  );
});

test("pax records count their own length at every border", () => {
  for (let length = 0; length < 1200; length++) {
    const records = new Map([["k", "v".repeat(length)]]);
    assert.deepEqual(parsePax(formatPax(records)), [...records]);
  }
});

test("pax times keep nanoseconds and sign", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n }), (ns) => parsePaxTime(formatPaxTime(ns)) === ns),
  );
  assert.equal(formatPaxTime(-1_500_000_000n), "-1.5");
  assert.equal(parsePaxTime("1.0000000019"), 1_000_000_001n);
});

test("a plain file needs one block, in the bytes that Go's archive/tar writes", () => {
  const header = encodeTarHeader(
    headerOf({ name: "etc/hello", content: "x", mode: 0o755, uid: 7, gid: 8, mtimeNs: 1_600_000_000_000_000_000n }),
  );
  assert.equal(header.length, 512);
  const text = Buffer.from(header).toString("latin1");
  assert.equal(text.slice(0, 10), "etc/hello\0");
  assert.equal(
    text.slice(100, 157),
    "0000755\x000000007\x000000010\x0000000000001\x0013727410000\x00011155\x00 0".replace(
      "011155",
      text.slice(148, 154),
    ),
  );
  assert.equal(text.slice(257, 265), "ustar\x0000");
  assert.equal(text.slice(329, 345), "0000000\x000000000\x00");
});

test("what no ustar field holds is kept: 9 GiB, large ids, old times", () => {
  const header = { ...headerOf({ name: "f", uid: 2_097_152, gid: 4_000_000_000, mtimeNs: -1n }), size: 9 * 2 ** 30 };
  const read: TarHeader[] = [];
  const reader = new TarReader({
    begin: (found) => void read.push(found),
    data: () => undefined,
    end: () => undefined,
  });
  reader.push(encodeTarHeader(header));
  assert.deepEqual(read, [header]);
});

for (const format of ["v7", "oldgnu", "gnu", "ustar", "posix"]) {
  test(`archives of GNU tar are read: ${format}`, { skip: has("tar") ? false : "no tar" }, (t) => {
    const root = temporary(t);
    mkdirSync(join(root, "tree/sub"), { recursive: true });
    writeFileSync(join(root, "tree/file"), "hello");
    writeFileSync(join(root, "tree/empty"), "");
    chmodSync(join(root, "tree/file"), 0o4750);
    symlinkSync("file", join(root, "tree/link"));
    linkSync(join(root, "tree/file"), join(root, "tree/z-hard"));
    setMtimeNs(join(root, "tree/file"), 1_234_567_890_123_456_789n);
    const isLong = format === "gnu" || format === "oldgnu" || format === "posix";
    if (isLong) {
      writeFileSync(join(root, "tree", "n".repeat(150)), "long");
      symlinkSync("t".repeat(180), join(root, "tree/longlink"));
    }
    if (format !== "v7") execFileSync("mkfifo", [join(root, "tree/pipe")]);
    execFileSync("tar", ["--format", format, "--sort=name", "--owner=5", "--group=6", "-cf", "t.tar", "tree"], {
      cwd: root,
    });
    const members = new Map(
      readTar(readFileSync(join(root, "t.tar"))).map(({ header, content }) => [header.name, { header, content }]),
    );
    const file = members.get("tree/file");
    assert.deepEqual(
      [file?.header.mode, file?.header.uid, file?.header.gid, file?.content.toString()],
      [0o4750, 5, 6, "hello"],
    );
    assert.equal(file?.header.mtimeNs, format === "posix" ? 1_234_567_890_123_456_789n : 1_234_567_890_000_000_000n);
    assert.deepEqual(
      [members.get("tree/link")?.header.type, members.get("tree/link")?.header.link],
      ["symlink", "file"],
    );
    assert.deepEqual(
      [members.get("tree/z-hard")?.header.type, members.get("tree/z-hard")?.header.link],
      ["hardlink", "tree/file"],
    );
    assert.equal(members.get("tree/sub/")?.header.type, "dir");
    assert.equal(members.get("tree/empty")?.header.size, 0);
    if (format !== "v7") assert.equal(members.get("tree/pipe")?.header.type, "fifo");
    if (isLong) {
      assert.equal(members.get(`tree/${"n".repeat(150)}`)?.content.toString(), "long");
      assert.equal(members.get("tree/longlink")?.header.link, "t".repeat(180));
    }
  });
}

for (const kind of [
  ["gnu"],
  ["posix", "--sparse-version=0.0"],
  ["posix", "--sparse-version=0.1"],
  ["posix", "--sparse-version=1.0"],
]) {
  test(`sparse files are read: ${kind.join(" ")}`, { skip: has("tar") ? false : "no tar" }, (t) => {
    const root = temporary(t);
    const file = join(root, "sparse");
    const fd = openSync(file, "w");
    for (let i = 0; i < 30; i++) writeSync(fd, `piece ${i}`, i * 200_000);
    closeSync(fd);
    truncateSync(file, 7_000_000);
    execFileSync("tar", ["--format", ...kind, "-S", "-cf", "t.tar", "sparse"], { cwd: root });
    const bytes = readFileSync(join(root, "t.tar"));
    assert.ok(bytes.length < 1_000_000, "tar did not make it sparse");
    for (const pieceBytes of [1 << 20, 777]) {
      const [member] = readTar(bytes, pieceBytes);
      assert.equal(member?.header.name, "sparse");
      assert.equal(member?.header.size, 7_000_000);
      assert.ok(member?.content.equals(readFileSync(file)));
    }
  });
}

test(
  "GNU tar and Python read what we write",
  { skip: has("tar") && has("python3") ? false : "no tar or python3" },
  (t) => {
    const root = temporary(t);
    const long = `${"d".repeat(90)}/${"n".repeat(120)}`;
    const members: Member[] = [
      { name: "a/" },
      {
        name: "a/f",
        content: "text",
        uid: 3_000_000,
        mtimeNs: 1_500_000_000n,
        xattrs: { "user.x": Uint8Array.of(0, 255, 10, 61) },
      },
      { name: `${"p".repeat(80)}/${"q".repeat(80)}`, content: "split" },
      { name: long, content: "pax" },
      { name: Buffer.from("ünï", "utf8").toString("latin1"), content: "u" },
      { name: "l", type: "symlink", link: "x".repeat(150) },
      { name: "h", type: "hardlink", link: "a/f" },
    ];
    writeFileSync(join(root, "t.tar"), tarOf(members));
    const listed = execFileSync("tar", ["--quoting-style=literal", "-tf", "t.tar"], { cwd: root, encoding: "latin1" })
      .trim()
      .split("\n");
    assert.deepEqual(
      listed,
      members.map(({ name }) => name),
    );
    const script =
      "import tarfile,json;print(json.dumps([[m.name,m.uid,m.mtime,m.linkname,m.size] for m in tarfile.open('t.tar')]))";
    const python = JSON.parse(execFileSync("python3", ["-c", script], { cwd: root, encoding: "utf8" })) as unknown[][];
    assert.deepEqual(python[1], ["a/f", 3_000_000, 1.5, "", 4]);
    assert.equal(python[3]?.[0], long);
    assert.equal(python[4]?.[0], "ünï");
    assert.equal(python[5]?.[3], "x".repeat(150));
  },
);

test("global pax records hold for all that follows, and local ones overrule them", () => {
  const global = paxMember(
    "g",
    new Map([
      ["uid", "77"],
      ["mtime", "5"],
    ]),
  );
  const local = paxMember("x", new Map([["uid", "78"]]));
  const [first, second] = [tarOf([{ name: "a" }]).subarray(0, 512), tarOf([{ name: "b" }])];
  const members = readTar(Buffer.concat([global, first, local, second]));
  assert.deepEqual(
    members.map(({ header }) => [header.uid, header.mtimeNs]),
    [
      [77, 5_000_000_000n],
      [78, 5_000_000_000n],
    ],
  );
});

function paxMember(type: string, records: ReadonlyMap<string, string>): Buffer {
  const body = formatPax(records);
  const member = tarOf([{ name: "pax", content: body }]).subarray(0, 1024);
  member.write(type, 156, "latin1");
  member.fill(0x20, 148, 156);
  const sum = member.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  member.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return member;
}

test("what is no tar, cut or damaged is refused", () => {
  const whole = tarOf([
    { name: "a", content: "x".repeat(1000) },
    { name: "b", content: "y" },
  ]);
  const invalid = (bytes: Buffer, why: RegExp): void =>
    assert.throws(
      () => readTar(bytes),
      (error) => error instanceof BuildError && error.code === "ARCHIVE_INVALID" && why.test(error.message),
    );
  invalid(
    Buffer.from("this is a text file and no archive ".repeat(40)),
    /it is no tar: it does not begin with a header/,
  );
  invalid(Buffer.from("this is a text file"), /it is no tar: it has 19 bytes, less than a header/);
  for (const length of [100, 511]) invalid(whole.subarray(0, length), /no tar/);
  for (const length of [513, 1000, 2000]) invalid(whole.subarray(0, length), /truncated/);
  const damaged = Buffer.from(whole);
  damaged[5] = 0x41;
  invalid(damaged, /no tar/);
  const later = Buffer.from(whole);
  later[1536 + 5] = 0x41;
  invalid(later, /checksum is wrong/);
  const unknown = Buffer.from(tarOf([{ name: "a" }]));
  unknown.write("M", 156, "latin1");
  invalid(unknown, /no tar/);
  assert.deepEqual(readTar(Buffer.alloc(0)), []);
  assert.deepEqual(readTar(Buffer.alloc(1024)), []);
});

test("random damage never gives anything but ARCHIVE_INVALID", () => {
  const whole = tarOf([
    { name: "a", content: "x".repeat(1000), uid: 3_000_000 },
    { name: "l", type: "symlink", link: "y".repeat(200) },
  ]);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 }),
      (changes) => {
        const bytes = Buffer.from(whole);
        for (const [at, value] of changes) bytes[at] = value;
        try {
          readTar(bytes);
        } catch (error) {
          assert.ok(error instanceof BuildError && error.code === "ARCHIVE_INVALID", String(error));
        }
      },
    ),
    { numRuns: 500 },
  );
});
