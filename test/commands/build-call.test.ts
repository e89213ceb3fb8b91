// `--check` and `--call` through the whole program: texts, JSON and exit codes are buildx's.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";

const TSBUILD = new URL("../../bin/tsbuild.js", import.meta.url).pathname;
let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsbuild-test-"));
});
after(() => rm(folder, { recursive: true }));

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function build(dockerfile: string, ...args: string[]): Promise<Outcome> {
  await writeFile(join(folder, "Dockerfile"), dockerfile);
  await writeFile(join(folder, ".dockerignore"), "*.log\n");
  const { status, stdout, stderr } = spawnSync(process.execPath, [TSBUILD, "build", "--progress=none", ...args, "."], {
    encoding: "utf8",
    cwd: folder,
    env: { ...process.env, TSBUILD_ROOT: join(folder, "root") },
    input: "",
  });
  return { status, stdout, stderr };
}

const RULES = "https://docs.docker.com/go/dockerfile/rule";
const RULE = "--------------------";

suite("check", () => {
  test("nothing to say: exit code 0", async () => {
    const { status, stdout, stderr } = await build("FROM scratch\nCOPY a /\n", "--check");
    assert.deepEqual([status, stdout, stderr], [0, "Check complete, no warnings found.\n", ""]);
  });

  test("findings of all stages, by line, with the lines around them: exit code 1", async () => {
    const { status, stdout, stderr } = await build(
      "FROM scratch AS unused\nCOPY a.log /\nfrom scratch\nCMD a \\\n  b\n",
      "--call=check",
    );
    assert.deepEqual([status, stderr], [1, ""]);
    assert.equal(
      stdout,
      `Check complete, 3 warnings have been found!

WARNING: CopyIgnoredFile - ${RULES}/copy-ignored-file/
Attempting to Copy file "a.log" that is excluded by .dockerignore
Dockerfile:2
${RULE}
   1 |     FROM scratch AS unused
   2 | >>> COPY a.log /
   3 |     from scratch
   4 |     CMD a \\
${RULE}

WARNING: ConsistentInstructionCasing - ${RULES}/consistent-instruction-casing/
Command 'from' should match the case of the command majority (uppercase)
Dockerfile:3
${RULE}
   1 |     FROM scratch AS unused
   2 |     COPY a.log /
   3 | >>> from scratch
   4 |     CMD a \\
   5 |       b
${RULE}

WARNING: JSONArgsRecommended - ${RULES}/json-args-recommended/
JSON arguments recommended for CMD to prevent unintended behavior related to OS signals
Dockerfile:4
${RULE}
   3 |     from scratch
   4 | >>> CMD a \\
   5 | >>>   b
   6 |     
${RULE}
`,
    );
  });

  test("with a target only what it needs, with ignorestatus exit code 0, in raw form no summary", async () => {
    const text = "FROM scratch AS a\nMAINTAINER x\nFROM scratch AS b\nCMD a\n";
    const { status, stdout } = await build(text, "--call=check,format=raw,ignorestatus=true", "--target=a");
    assert.equal(status, 0);
    assert.match(stdout, /^\nWARNING: MaintainerDeprecated - /);
    assert.doesNotMatch(stdout, /JSONArgsRecommended/);
    const one = await build(text, "--check", "--target=a");
    assert.match(one.stdout, /^Check complete, 1 warning has been found!\n/);
  });

  test("as JSON, in the order in which they were made", async () => {
    const text = "FROM scratch\nWORKDIR a\nMAINTAINER \\\n x\n";
    const { status, stdout } = await build(text, "--call=check,format=json");
    assert.equal(status, 1);
    const lines = (...numbers: number[]): object => ({
      ranges: numbers.map((line) => ({ start: { line }, end: { line } })),
    });
    assert.deepEqual(JSON.parse(stdout), {
      warnings: [
        {
          ruleName: "MaintainerDeprecated",
          description: "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
          url: `${RULES}/maintainer-deprecated/`,
          detail: "Maintainer instruction is deprecated in favor of using label",
          location: lines(3, 4),
        },
        {
          ruleName: "WorkdirRelativePath",
          description:
            "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes",
          url: `${RULES}/workdir-relative-path/`,
          detail: 'Relative workdir "a" can have unexpected results if the base image changes',
          location: lines(2),
        },
      ],
      sources: [{ filename: "Dockerfile", data: Buffer.from(text).toString("base64"), language: "Dockerfile" }],
    });
    assert.equal(JSON.parse((await build("FROM scratch\n", "--call=check,format=json")).stdout).warnings, null);
  });

  test("what a build would fail with fails the check, after what was found before: exit code 1", async () => {
    const text = "FROM scratch\nMAINTAINER x\nRUNN y\n";
    const { status, stdout, stderr } = await build(text, "--check");
    assert.equal(status, 1);
    assert.match(stdout, /^Check complete, 1 warning has been found!\n\nWARNING: MaintainerDeprecated /);
    assert.match(stderr, /^ERROR: Dockerfile:3: .*unknown instruction: RUNN \(did you mean RUN\?\)\n/);
    const json = JSON.parse((await build(text, "--call=check,format=json")).stdout);
    assert.equal(json.warnings.length, 1);
    assert.deepEqual(json.buildError, {
      message: "dockerfile parse error on line 3: unknown instruction: RUNN (did you mean RUN?)",
      location: { ranges: [{ start: { line: 3 }, end: { line: 3 } }] },
    });
  });

  test("a base image that is not there is an error of the check", async () => {
    const { status, stderr } = await build("FROM oci-none.invalid/x\n", "--check");
    assert.equal(status, 1);
    assert.match(stderr, /^ERROR: Dockerfile:1: /);
  });

  test("nothing is run, and no image made", async () => {
    const { status, stdout } = await build("FROM scratch\nRUN false\n", "--check", "-t", "x", "--iidfile=id");
    assert.deepEqual([status, stdout], [0, "Check complete, no warnings found.\n"]);
    assert.equal(existsSync(join(folder, "id")), false);
  });
});

suite("directives", () => {
  const strict = "# check=error=true\nFROM scratch\nMAINTAINER x\n";

  test("error=true fails the build with exit code 65, and the findings are told", async () => {
    const { status, stderr } = await build(strict, "--progress=plain", "-o", "type=cacheonly");
    assert.equal(status, 65);
    assert.match(stderr, /\n 1 warning found .*\n - MaintainerDeprecated: .* \(Dockerfile:3\)\n/);
    assert.match(stderr, /\nERROR: lint violation found for rules: MaintainerDeprecated\n/);
    assert.equal((await build(strict, "--check")).status, 1);
  });

  test("BUILDKIT_DOCKERFILE_CHECK counts instead of the file's own directive", async () => {
    const arg = (value: string): string => `--build-arg=BUILDKIT_DOCKERFILE_CHECK=${value}`;
    assert.equal((await build(strict, "-o", "type=cacheonly", arg("skip=all"))).status, 0);
    assert.equal((await build("FROM scratch\nMAINTAINER x\n", "-o", "type=cacheonly", arg("error=true"))).status, 65);
    const wrong = await build(strict, arg("eror=true"));
    assert.equal(wrong.status, 125);
    assert.match(wrong.stderr, /^ERROR: failed to parse BUILDKIT_DOCKERFILE_CHECK: invalid check option "eror"\n/);
  });

  test("warnings of a build stand in the metadata file when asked for", async () => {
    process.env["BUILDX_METADATA_WARNINGS"] = "1";
    try {
      await build("FROM scratch\nMAINTAINER x\n", "-o", "type=oci,dest=image.tar", "--metadata-file=m.json");
    } finally {
      delete process.env["BUILDX_METADATA_WARNINGS"];
    }
    const [warning, ...more] = readJson("m.json")["buildx.build.warnings"];
    assert.equal(more.length, 0);
    assert.equal(
      Buffer.from(warning.short, "base64").toString(),
      "MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label (line 2)",
    );
    assert.deepEqual(warning.range, [{ start: { line: 2 }, end: { line: 2 } }]);
  });
});

const PARAMETERS = `
ARG inherited=tch
ARG unused=abc\${inherited}
# sfx is a suffix
ARG sfx="cra\${inherited}"

FROM s\${sfx} AS first
# this is not assigned to anything
ARG FOO=123
# BAR is a number
ARG BAR=456
RUN --mount=type=secret,target=/etc/passwd,required=true --mount=type=ssh true

# check=skip=all
FROM scratch AS third
ARG ABC=a
# token will show up
# check=skip=all
ARG token
RUN --mount=type=secret,id=second\${BAR} --mount=type=secret,id=second\${BAR},required true

# target defines build target
FROM third AS target
COPY --from=first /etc/passwd /
RUN --mount=type=ssh,id=ssh3,required true

FROM scratch AS other
ARG OTHER
RUN --mount=type=secret,id=unused true
`;

suite("outline", () => {
  test("arguments, secrets and agents of the target and of what it needs", async () => {
    const args = ["--call=outline", "--target=target", "--build-arg=BAR=678"];
    const { status, stdout, stderr } = await build(PARAMETERS, ...args);
    assert.deepEqual([status, stderr], [0, ""]);
    assert.equal(
      stdout.replaceAll(/ +$/gm, ""),
      `TARGET:      target
DESCRIPTION: defines build target

BUILD ARG   VALUE    DESCRIPTION
inherited   tch
sfx         cratch   is a suffix
FOO         123
BAR         678      is a number
ABC         a
token                will show up

SECRET   REQUIRED
passwd   true
second

SSH       REQUIRED
default
ssh3      true

`,
    );
  });

  test("as JSON", async () => {
    const { stdout } = await build("ARG A=1\nARG A=${A}2\nFROM scratch\nARG A\n", "--call=outline,format=json");
    assert.deepEqual(JSON.parse(stdout), {
      args: [{ name: "A", value: "12", location: { ranges: [{ start: { line: 2 }, end: { line: 2 } }] } }],
      sources: [Buffer.from("ARG A=1\nARG A=${A}2\nFROM scratch\nARG A\n").toString("base64")],
    });
  });

  test("an argument that others are made of is listed with them", async () => {
    const text =
      "ARG FOO=123\nARG ABC=abc\nARG DEF=def\nARG FOO=${FOO}${ABC}\nARG BAR=${FOO}456\nARG FOO=${FOO}456${BAR}\nFROM scratch\nARG FOO\n";
    const { stdout } = await build(text, "--call=outline,format=json");
    const args: { name: string; value: string }[] = JSON.parse(stdout).args;
    assert.deepEqual(
      args.map(({ name, value }) => `${name}=${value}`),
      ["ABC=abc", "BAR=123abc456", "FOO=123abc456123abc456"],
    );
  });

  test("a file that cannot be built has none", async () => {
    const { status, stdout, stderr } = await build("FROM scratch\nEXPOSE x\n", "--call=outline");
    assert.deepEqual([status, stdout], [65, ""]);
    assert.match(stderr, /^ERROR: Dockerfile:2: invalid containerPort: x\n/);
  });
});

suite("targets", () => {
  test("the stages as they are written, images not looked up", async () => {
    const { status, stdout } = await build(
      "# build makes it\nFROM none.invalid/x AS build\nFROM $X\n# last is the last\nFROM --platform=$P build AS Last\n",
      "--call=targets",
    );
    assert.equal(status, 0);
    assert.equal(
      stdout,
      "TARGET         DESCRIPTION\nbuild          makes it\n               \nlast (default) is the last\n",
    );
  });

  test("as JSON", async () => {
    const text = "FROM --platform=$P $X AS Last\n";
    const { stdout } = await build(text, "--call=targets,format=json");
    assert.equal(
      stdout,
      `{
  "targets": [
    {
      "name": "last",
      "default": true,
      "base": "$X",
      "platform": "$P",
      "location": {
        "ranges": [
          {
            "start": {
              "line": 1
            },
            "end": {
              "line": 1
            }
          }
        ]
      }
    }
  ],
  "sources": [
    "${Buffer.from(text).toString("base64")}"
  ]
}
`,
    );
  });
});

suite("other requests", () => {
  test("the requests describe themselves", async () => {
    const { stdout } = await build("FROM scratch\n", "--call=subrequests.describe");
    assert.match(stdout, /^NAME {17}VERSION DESCRIPTION\noutline {14}1\.0\.0 {3}List all parameters/);
    const json = JSON.parse((await build("FROM scratch\n", "--call=subrequests.describe,format=json")).stdout);
    assert.deepEqual(
      json.map(({ name }: { name: string }) => name),
      ["frontend.outline", "frontend.targets", "frontend.subrequests.describe"],
    );
  });

  test("an answer stands in the metadata file, by the frontend's names", async () => {
    await build("FROM scratch\nMAINTAINER x\n", "--check", "--metadata-file=m.json");
    const written = readJson("m.json");
    assert.equal(written["result.json"].warnings.length, 1);
    assert.equal(written["result.statuscode"], "1");
    assert.match(written["result.txt"], /^\nWARNING: MaintainerDeprecated/);
  });

  test("build is a build, and an unknown request is a usage error", async () => {
    assert.equal((await build("FROM scratch\n", "--call=build", "-o", "type=cacheonly")).status, 0);
    const { status, stderr } = await build("FROM scratch\n", "--call=outlin");
    assert.equal(status, 125);
    assert.equal(stderr, 'ERROR: --call: unsupported request "outlin"\ndid you mean outline?\n');
    assert.equal((await build("FROM scratch\n", "--call=check,format=yaml")).status, 125);
  });
});

/** Whatever it holds: what a test names of it must be there. */
function readJson(name: string): ReturnType<typeof JSON.parse> {
  return JSON.parse(readFileSync(join(folder, name), "utf8"));
}
