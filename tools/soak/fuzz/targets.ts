// What is fuzzed: each target takes random choices and gives an input, and what to do with it. Only a BuildError that is
// not INTERNAL may come of it, about a place that the text has.

import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { BuildError } from "../../../builder/core/errors.ts";
import { bytePath } from "../../../builder/core/bytes/byte-path.ts";
import { BadPattern, compileGlob } from "../../../builder/core/patterns/glob.ts";
import { compilePatterns } from "../../../builder/core/patterns/pattern.ts";
import { convert } from "../../../builder/dockerfile/convert/convert.ts";
import type { ConvertOptions, ConvertWorld } from "../../../builder/dockerfile/convert/plan.ts";
import { readIgnore } from "../../../builder/dockerfile/dockerignore.ts";
import { expandWord, expandWords } from "../../../builder/dockerfile/expand.ts";
import { readDockerfile } from "../../../builder/dockerfile/instructions.ts";
import { lintAnswer } from "../../../builder/dockerfile/subrequests/lint.ts";
import { outline } from "../../../builder/dockerfile/subrequests/outline.ts";
import { targets } from "../../../builder/dockerfile/subrequests/targets.ts";
import { DEFAULTS, smallWorld } from "../../../test/dockerfile/convert-world.ts";
import { mutated, word } from "./mutate.ts";
import type { Random } from "./random.ts";

/** One input, and the work to do with it. */
export interface Trial {
  readonly target: string;
  readonly input: string;
  run(): Promise<void>;
}

const FIXTURES = path.join(import.meta.dirname, "../../../fixtures");
const NEVER = new AbortController().signal;

/** Makes trials from the Dockerfiles and ignore files of the fixtures. */
export function trials(): (random: Random) => Trial {
  const dockerfiles = textsOf("{dockerfile,conformance}/**/{Dockerfile,*.Dockerfile}");
  const ignores = textsOf("conformance/**/*.dockerignore");
  return (random) => {
    switch (random.below(8)) {
      case 0:
        return expansion(random);
      case 1:
        return ignoring(random, mutated(random, ignores));
      case 2:
        return globbing(random);
      default:
        return dockerfile(random, mutated(random, dockerfiles));
    }
  };
}

function textsOf(pattern: string): string[] {
  return globSync(pattern, { cwd: FIXTURES }).map((file) => readFileSync(path.join(FIXTURES, file), "utf8"));
}

function dockerfile(random: Random, input: string): Trial {
  const bytes = random.once(10) ? Buffer.from(input, "latin1") : Buffer.from(input);
  const options: ConvertOptions = {
    ...DEFAULTS,
    target: random.pick([undefined, undefined, undefined, "build", "x"]),
    check: random.pick([undefined, undefined, "skip=all", "experimental=all;error=true"]),
    buildArgs: new Map(random.once(2) ? [] : [["A", word(random)]]),
    allow: random.once(2) ? [] : ["network.host", "security.insecure"],
    allStages: random.once(3),
    multiPlatform: random.once(4),
  };
  return {
    target: "dockerfile",
    input,
    run: () =>
      told(input, async () => {
        const read = readDockerfile(bytes, "Dockerfile", { check: options.check });
        targets(read, bytes);
        lintAnswer({ name: "Dockerfile", bytes }, read.findings, undefined);
        if (random.once(4)) await outline(read, bytes, options, world(), NEVER);
        else await convert(read, options, world(), NEVER);
      }),
  };
}

/** As the small world, but with nearly every image: mistakes are to be found behind FROM, too. */
function world(): ConvertWorld {
  const small = smallWorld();
  return {
    ...small,
    resolveImage: (name, platform) =>
      small.resolveImage(/^(full|foreign|late|triggers)|x/.test(name) ? name : "plain", platform),
  };
}

function expansion(random: Random): Trial {
  const input = word(random);
  const variables = new Map([
    ["A", word(random)],
    ["b", "a/b\nc"],
  ]);
  const flags = {
    rawQuotes: random.once(2),
    rawEscapes: random.once(2),
    skipQuotes: random.once(2),
    skipUnset: random.once(2),
  };
  const escape = random.pick(["\\", "`"]);
  return {
    target: "word",
    input,
    run: () =>
      told(undefined, async () => {
        expandWord(input, variables, escape, flags);
        expandWords(input, variables, escape, flags);
      }),
  };
}

function ignoring(random: Random, input: string): Trial {
  const names = Array.from(
    { length: 20 },
    () =>
      word(random)
        .replaceAll(/\/+/g, "/")
        .replaceAll(/^\/|\/$/g, "") || "a",
  );
  return {
    target: "ignore file",
    input,
    run: () =>
      told(undefined, async () => {
        const patterns = compilePatterns(readIgnore(input));
        const walk = patterns.walk();
        for (const name of names) {
          patterns.matchesPath(bytePath(name));
          walk.visit(bytePath(name), name.length % 2 === 0);
        }
      }),
  };
}

function globbing(random: Random): Trial {
  const input = word(random);
  const name = bytePath(word(random));
  return {
    target: "wildcard",
    input,
    run: () =>
      told(undefined, async () => {
        try {
          compileGlob(input)(name);
        } catch (error) {
          if (!(error instanceof BadPattern)) throw error;
          throw new BuildError("DOCKERFILE", error.message);
        }
      }),
  };
}

/** Runs the work; throws when what it throws is not what people are told of a mistake of theirs. */
async function told(text: string | undefined, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof BuildError) || error.code === "INTERNAL") throw error;
    if (error.message === "" || /\n\s+at .*:\d+:\d+/.test(`${error.message}\n${error.hint ?? ""}`))
      throw new Error(`not a message for people: ${error.message}`, { cause: error });
    const { startLine, endLine } = error.location?.range ?? { startLine: 1, endLine: 1 };
    // As the file was read: what is no UTF-8 may have been written as other lines.
    const lines = (error.location?.text ?? text ?? "").split("\n").length;
    if (text !== undefined && (startLine < 1 || startLine > lines || endLine < startLine))
      throw new Error(`line ${startLine} to ${endLine} of ${lines}: ${error.message}`, { cause: error });
    throw error;
  }
}
