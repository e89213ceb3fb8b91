import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BuildError } from "../../builder/core/errors.ts";
import { parseAnnotation } from "../../src/cli/values/annotation-spec.ts";
import { formatCsv, parseCsv } from "../../src/cli/values/csv.ts";
import { parseExtraHosts } from "../../src/cli/values/extra-host-spec.ts";
import { parseAssignments, parseLabels } from "../../src/cli/values/key-value.ts";
import { parseOutput } from "../../src/cli/values/output-spec.ts";
import { parseSecret } from "../../src/cli/values/secret-spec.ts";
import { parseSize } from "../../src/cli/values/sizes.ts";
import { parseSsh } from "../../src/cli/values/ssh-spec.ts";
import { parseUlimit } from "../../src/cli/values/ulimit-spec.ts";

function refuses(body: () => unknown, pattern: RegExp, code = "USAGE"): void {
  assert.throws(body, (error) => error instanceof BuildError && error.code === code && pattern.test(error.message));
}

test("a CSV record keeps quoted commas and doubled quotes", () => {
  assert.deepEqual(parseCsv('type=image,"name=a,b",x', "--output"), ["type=image", "name=a,b", "x"]);
});

test("CSV records are read back as they were written", () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 1 }), (fields) =>
      assert.deepEqual(parseCsv(formatCsv(fields), "--x"), fields),
    ),
  );
});

test("a bare quote and an open one are errors", () => {
  refuses(() => parseCsv('a"b', "--x"), /unquoted/);
  refuses(() => parseCsv('"ab', "--x"), /not closed/);
  refuses(() => parseCsv('"a"b', "--x"), /closing/);
});

test("an output that is only a path is a folder, and - a tar on standard output", () => {
  assert.deepEqual(parseOutput("out"), {
    type: "local",
    destination: "out",
    deleteExtra: false,
    platformSplit: undefined,
    attestationPrefix: undefined,
  });
  assert.deepEqual(parseOutput("-"), {
    type: "tar",
    destination: "-",
    platformSplit: undefined,
    attestationPrefix: undefined,
  });
});

test("an image output has all of its attributes", () => {
  const spec = parseOutput(
    'type=image,"name=a,b",push=true,compression=zstd,compression-level=19,force-compression=true,oci-mediatypes=true,annotation.Some.Key=v,annotation-index[linux/arm64].k=w',
  );
  assert.ok(spec.type === "image");
  assert.deepEqual(spec.image.names, ["a", "b"]);
  assert.equal(spec.image.compression, "zstd");
  assert.equal(spec.image.level, 19);
  assert.equal(spec.image.push, true);
  assert.equal(spec.image.forceCompression, true);
  assert.deepEqual(spec.image.annotations, [
    { place: "manifest", platform: "", key: "Some.Key", value: "v" },
    { place: "index", platform: "linux/arm64", key: "k", value: "w" },
  ]);
});

test("an output with something unknown in it is refused, never shortened", () => {
  refuses(() => parseOutput("type=foo"), /unknown type "foo"/);
  refuses(() => parseOutput("dest=x"), /type is required/);
  refuses(() => parseOutput("type=oci,dset=x"), /"dset" is no attribute/);
  refuses(() => parseOutput("type=local"), /dest is required for local exporter/);
  refuses(() => parseOutput("type=oci,compression=lzma"), /none of/);
  refuses(() => parseOutput("type=oci,compression=gzip,compression-level=10"), /between 0 and 9/);
  refuses(() => parseOutput("type=oci,compression=estargz"), /not supported yet/, "UNSUPPORTED");
  refuses(() => parseOutput("type=image,push=perhaps"), /neither true nor false/);
  refuses(() => parseOutput("type=local,dest"), /key=value pair/);
});

test("secrets are read as buildx reads them", () => {
  assert.deepEqual(parseSecret("id=a"), { id: "a" });
  assert.deepEqual(parseSecret("id=a,src=f"), { id: "a", path: "f" });
  assert.deepEqual(parseSecret("id=a,source=f,type=file"), { id: "a", path: "f" });
  assert.deepEqual(parseSecret("id=a,env=V"), { id: "a", variable: "V" });
  assert.deepEqual(parseSecret("type=env,id=a"), { id: "a", variable: "a" });
  assert.deepEqual(parseSecret("type=env,id=a,src=V"), { id: "a", variable: "V" });
  refuses(() => parseSecret("id=a,foo=b"), /unexpected key "foo"/);
  refuses(() => parseSecret("a"), /key=value pair/);
  refuses(() => parseSecret("src=f"), /id is missing/);
  refuses(() => parseSecret("id=a,type=vault"), /unsupported secret type "vault"/);
});

test("ssh, annotations, ulimits, sizes and hosts", () => {
  assert.deepEqual(parseSsh("default"), { id: "default", paths: [] });
  assert.deepEqual(parseSsh("x=a,b"), { id: "x", paths: ["a", "b"] });
  assert.deepEqual(parseAnnotation("a=b=c"), [{ place: "manifest", platform: "", key: "a", value: "b=c" }]);
  assert.deepEqual(parseAnnotation("index,manifest[linux/amd64]:k=v"), [
    { place: "index", platform: "", key: "k", value: "v" },
    { place: "manifest", platform: "linux/amd64", key: "k", value: "v" },
  ]);
  refuses(() => parseAnnotation("novalue"), /expected key=value/);
  refuses(() => parseAnnotation("layer:k=v"), /unknown annotation type "layer"/);
  assert.deepEqual(parseUlimit("nofile=1024"), { name: "nofile", soft: 1024, hard: 1024 });
  assert.deepEqual(parseUlimit("nofile=10:-1"), { name: "nofile", soft: 10, hard: -1 });
  refuses(() => parseUlimit("nofile"), /invalid ulimit argument/);
  refuses(() => parseUlimit("files=1"), /invalid ulimit type/);
  refuses(() => parseUlimit("nofile=2:1"), /less than or equal/);
  assert.equal(parseSize("64m", "--shm-size"), 67_108_864);
  assert.equal(parseSize("1.5GiB", "--shm-size"), 1_610_612_736);
  assert.equal(parseSize("512", "--shm-size"), 512);
  refuses(() => parseSize("lots", "--shm-size"), /invalid size/);
  assert.deepEqual(parseExtraHosts("a:1.2.3.4,b=::1,c:[::2],d=host-gateway"), [
    { host: "a", ip: "1.2.3.4" },
    { host: "b", ip: "::1" },
    { host: "c", ip: "::2" },
    { host: "d", ip: "host-gateway" },
  ]);
  refuses(() => parseExtraHosts("foo"), /bad format for add-host/);
  refuses(() => parseExtraHosts("foo:bar"), /invalid IP address/);
});

test("a bare build argument is the environment's and stays unset where that has none; a bare label is empty", () => {
  assert.deepEqual(
    [...parseAssignments(["A=1", "B", "C", "D="], "--build-arg", { B: "env" })],
    [
      ["A", "1"],
      ["B", "env"],
      ["D", ""],
    ],
  );
  assert.deepEqual(
    [...parseLabels(["a", "b=c=d"], "--label")],
    [
      ["a", ""],
      ["b", "c=d"],
    ],
  );
  refuses(() => parseLabels(["=x"], "--label"), /no name/);
});
