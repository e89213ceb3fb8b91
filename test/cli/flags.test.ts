import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { BuildError } from "../../builder/core/errors.ts";
import { BUILD_FLAGS } from "../../src/cli/flags/build-flags.ts";
import type { Flag } from "../../src/cli/flags.ts";
import { isOn, listOf, parseArguments, textOf } from "../../src/cli/flags.ts";
import { describeFlags } from "../../src/cli/help.ts";
import { RUN_FLAGS } from "../../src/cli/flags/run-flags.ts";
import { DIFF_FLAGS } from "../../src/commands/images/diff.ts";
import { HISTORY_FLAGS } from "../../src/commands/images/history.ts";
import { INSPECT_FLAGS } from "../../src/commands/images/inspect.ts";
import { LAYERS_FLAGS } from "../../src/commands/images/layers.ts";
import { LS_FLAGS } from "../../src/commands/images/ls.ts";
import { VALIDATE_FLAGS } from "../../src/commands/images/validate.ts";

const TABLE: readonly Flag[] = [
  { name: "tag", short: "t", kind: "list", state: "works", help: "" },
  { name: "file", short: "f", kind: "string", state: "works", help: "" },
  { name: "quiet", short: "q", kind: "boolean", state: "works", help: "" },
  { name: "pull", kind: "boolean", state: "works", help: "" },
  { name: "rm", kind: "boolean", state: "ignored", help: "" },
  { name: "squash", kind: "boolean", state: "ignored", help: "", note: "was removed" },
  { name: "sbom", kind: "string", state: "later", help: "", note: "none yet", harmless: /^false$/ },
  { name: "check", kind: "boolean", state: "later", help: "" },
];

const accepted: readonly [string, Record<string, readonly string[]>, readonly string[]][] = [
  ["--tag x .", { tag: ["x"] }, ["."]],
  ["--tag=x .", { tag: ["x"] }, ["."]],
  ["-t x .", { tag: ["x"] }, ["."]],
  ["-tx .", { tag: ["x"] }, ["."]],
  ["-t=x .", { tag: ["x"] }, ["."]],
  ["-t = .", { tag: ["="] }, ["."]],
  ["-qf file .", { quiet: ["true"], file: ["file"] }, ["."]],
  ["-qffile .", { quiet: ["true"], file: ["file"] }, ["."]],
  ["-qf=file .", { quiet: ["true"], file: ["file"] }, ["."]],
  ["-q=false .", { quiet: ["false"] }, ["."]],
  ["--quiet=false .", { quiet: ["false"] }, ["."]],
  ["--quiet=F .", { quiet: ["false"] }, ["."]],
  ["--quiet=1 .", { quiet: ["true"] }, ["."]],
  ["--quiet false", { quiet: ["true"] }, ["false"]],
  ["-t a -t b . -t c", { tag: ["a", "b", "c"] }, ["."]],
  ["-f a -f b", { file: ["b"] }, []],
  ["--file= .", { file: [""] }, ["."]],
  ["--file -", { file: ["-"] }, []],
  ["-f - -", { file: ["-"] }, ["-"]],
  ["--file --tag", { file: ["--tag"] }, []],
  ["--file -- x", { file: ["--"] }, ["x"]],
  ["-- --tag x", {}, ["--tag", "x"]],
  ["a -- -t", {}, ["a", "-t"]],
  ["--tag a=b=c", { tag: ["a=b=c"] }, []],
  ["--sbom=false", { sbom: ["false"] }, []],
  ["--check=false", { check: ["false"] }, []],
  ["--rm", { rm: ["true"] }, []],
];

for (const [line, values, positionals] of accepted) {
  test(`"${line}" is read as pflag reads it`, () => {
    const args = parseArguments(TABLE, line.split(" "));
    assert.deepEqual(Object.fromEntries(args.values), values);
    assert.deepEqual(args.positionals, positionals);
  });
}

const refused: readonly [string, string, string][] = [
  ["--bogus", "USAGE", "unknown flag: --bogus"],
  ["--bogus=x", "USAGE", "unknown flag: --bogus"],
  ["-z", "USAGE", "unknown shorthand flag: 'z' in -z"],
  ["-qz", "USAGE", "unknown shorthand flag: 'z' in -qz"],
  ["--tag", "USAGE", "flag needs an argument: --tag"],
  ["-t", "USAGE", "flag needs an argument: 't' in -t"],
  ["-qt", "USAGE", "flag needs an argument: 't' in -qt"],
  ["--=x", "USAGE", "bad flag syntax: --=x"],
  ["---tag", "USAGE", "bad flag syntax: ---tag"],
  ["--quiet=maybe", "USAGE", 'invalid argument "maybe" for "-q, --quiet" flag: neither true nor false'],
  ["--pull=", "USAGE", 'invalid argument "" for "--pull" flag: neither true nor false'],
  ["--sbom=true", "UNSUPPORTED", "--sbom is not supported yet"],
  ["--sbom true", "UNSUPPORTED", "--sbom is not supported yet"],
  ["--check", "UNSUPPORTED", "--check is not supported yet"],
];

for (const [line, code, message] of refused) {
  test(`"${line}" is refused: ${message}`, () => {
    assert.throws(
      () => parseArguments(TABLE, line.split(" ")),
      (error) => error instanceof BuildError && error.code === code && error.message === message,
    );
  });
}

test("a misspelt flag is answered with the nearest one that works", () => {
  const hintOf = (word: string): string | undefined => {
    try {
      parseArguments(BUILD_FLAGS, [word]);
    } catch (error) {
      if (error instanceof BuildError) return error.hint;
    }
    return undefined;
  };
  assert.equal(hintOf("--tga"), "did you mean --tag?");
  assert.equal(hintOf("--build-args"), "did you mean --build-arg?");
  assert.equal(hintOf("--xylophone"), "--help lists all flags");
});

test("an ignored flag leaves its note only when it was switched on", () => {
  assert.deepEqual(parseArguments(TABLE, ["--squash"]).notes, ["--squash: was removed"]);
  assert.deepEqual(parseArguments(TABLE, ["--squash=false", "--rm"]).notes, []);
});

test("without interspersed flags, everything after the first positional belongs to it", () => {
  const args = parseArguments(TABLE, ["-q", "image", "-t", "x", "--", "y"], { interspersed: false });
  assert.deepEqual(args.positionals, ["image", "-t", "x", "--", "y"]);
  assert.ok(isOn(args, "quiet"));
});

test("whatever the spelling, values and positionals come back as they were meant", () => {
  const value = fc.string({ maxLength: 6 });
  const spelled = fc.oneof(
    fc.tuple(fc.constant("tag"), value, fc.constantFrom("long", "long=", "short", "short=")),
    fc.tuple(fc.constant("quiet"), fc.constantFrom("true", "false"), fc.constantFrom("long=", "short=")),
    fc.tuple(
      fc.constant(""),
      value.filter((text) => text === "-" || !text.startsWith("-")),
      fc.constant("positional"),
    ),
  );
  fc.assert(
    fc.property(fc.array(spelled, { maxLength: 8 }), fc.array(value, { maxLength: 3 }), (parts, rest) => {
      const words: string[] = [];
      for (const [name, text, form] of parts) {
        if (form === "long") words.push(`--${name}`, text);
        else if (form === "long=") words.push(`--${name}=${text}`);
        else if (form === "short") words.push(`-${name[0]}`, text);
        // `-t=` is the value "=": pflag needs something after the equals sign.
        else if (form === "short=") words.push(...(text === "" ? [`--${name}=`] : [`-${name[0]}=${text}`]));
        else words.push(text);
      }
      const args = parseArguments(TABLE, [...words, "--", ...rest]);
      assert.deepEqual(
        listOf(args, "tag"),
        parts.filter(([name]) => name === "tag").map(([, text]) => text),
      );
      assert.equal(textOf(args, "quiet"), parts.findLast(([name]) => name === "quiet")?.[1]);
      assert.deepEqual(args.positionals, [...parts.filter(([name]) => name === "").map(([, text]) => text), ...rest]);
    }),
  );
});

for (const [command, table] of [
  ["build", BUILD_FLAGS],
  ["run", RUN_FLAGS],
  ["inspect", INSPECT_FLAGS],
  ["history", HISTORY_FLAGS],
  ["layers", LAYERS_FLAGS],
  ["ls", LS_FLAGS],
  ["diff", DIFF_FLAGS],
  ["validate", VALIDATE_FLAGS],
] as const) {
  test(`the help of ${command} lists every flag that works and no other`, () => {
    const listed = [...describeFlags(table).matchAll(/^  (?:-\w, |    )--([a-z-]+)/gm)].map((match) => match[1]);
    assert.deepEqual(
      listed,
      table
        .filter(({ state }) => state === "works")
        .map(({ name }) => name)
        .toSorted(),
    );
  });

  test(`no name or shorthand of ${command} stands for two flags`, () => {
    const names = table.map(({ name }) => name);
    const shorts = table.flatMap(({ short }) => short ?? []);
    assert.equal(new Set(names).size, names.length);
    assert.equal(new Set(shorts).size, shorts.length);
  });
}

/** The flags of `docker buildx build` (0.29 to 0.32) and of the classic builder, and what becomes of each here. */
const DOCKER_FLAGS = {
  works:
    "add-host allow annotation attest build-arg build-context cache-from cache-to call cgroup-parent check debug file iidfile label load metadata-file network no-cache no-cache-filter output platform print progress provenance pull push quiet sbom secret shm-size squash ssh tag target ulimit",
  ignored: "compress disable-content-trust force-rm isolation rm security-opt",
  later: "builder cpu-period cpu-quota cpu-shares cpuset-cpus cpuset-mems memory memory-swap policy resource",
} as const;

test("every flag of docker build works, is ignored for a reason, or is refused by its name", () => {
  for (const [state, names] of Object.entries(DOCKER_FLAGS)) {
    for (const name of names.split(" ")) {
      const flag = BUILD_FLAGS.find((candidate) => candidate.name === name);
      assert.equal(flag?.state, state, `--${name}`);
      if (state !== "later") continue;
      assert.throws(
        () => parseArguments(BUILD_FLAGS, [`--${name}=x`]),
        (error) =>
          error instanceof BuildError &&
          error.code === "UNSUPPORTED" &&
          error.message === `--${name} is not supported yet`,
      );
    }
  }
});

test("every flag of build that works is read by somebody", () => {
  const source = path.join(import.meta.dirname, "../../src");
  const read = new Set<string>();
  for (const file of ["cli", "client", "commands"].flatMap((folder) => filesIn(path.join(source, folder)))) {
    const code = readFileSync(file, "utf8");
    for (const [, name = ""] of code.matchAll(/\b(?:textOf|listOf|isOn|each|formOf)\(\w+, "([a-z-]+)"/g))
      read.add(name);
  }
  const works = BUILD_FLAGS.filter(({ state }) => state === "works").map(({ name }) => name);
  assert.deepEqual(
    works.filter((name) => !read.has(name)),
    [],
  );
});

function filesIn(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return names.filter((name) => name.endsWith(".ts")).map((name) => path.join(folder, name));
}
