// Texts like real ones, and then not.

import type { Random } from "./random.ts";

/** What a mutation may put in: words that mean something to the language. */
const WORDS: readonly string[] = [
  ..."FROM RUN COPY ADD ENV ARG LABEL EXPOSE VOLUME USER WORKDIR SHELL STOPSIGNAL HEALTHCHECK ONBUILD CMD ENTRYPOINT MAINTAINER AS scratch plain full NONE".split(
    " ",
  ),
  ..."--from= --chown= --chmod= --link --parents --exclude= --checksum= --keep-git-dir --unpack --mount=type=bind,target=/x --mount=type=cache,id=a --mount=type=secret,env=A --mount=type=ssh --mount=type=tmpfs,size=1g --network=none --security=insecure --device= --platform=linux/arm64 --interval=1s --retries=3".split(
    " ",
  ),
  ..."$A ${A} ${A:-b} ${A:+b} ${A:?b} ${A#a*} ${A##*/} ${A%.*} ${A%%a} ${A/a/b} ${A//a/b} ${ ${A:- ${A/ } $ $$ $1 $@ \\$".split(
    " ",
  ),
  ..."<<EOF <<-EOF <<'EOF' << EOF <<< 3<<E EOF # \" ' \\ ` [ ] { } , = : / * ** ? ! | && ; @ ~".split(" "),
  '["a", "b"]',
  "# syntax=docker/dockerfile:1\n",
  "# escape=`\n",
  "# check=skip=all;error=true\n",
  "# check=experimental=all\n",
  " \\\n",
  "\n",
  "\r\n",
  "\n\n",
  "\t",
  "\v",
  "\u00a0",
  "\u2028",
  "\ufeff",
  "\0",
  "é",
  "😀",
  "\ud800",
  "https://h/x.git#main:dir",
  "git@h:x",
  "1-65535/udp",
  "999999999999999999999",
  "__proto__",
  "constructor",
];

const MOST_CHARS = 64 * 1024;

/** A text of the corpus, changed here and there. */
export function mutated(random: Random, corpus: readonly string[]): string {
  let text = random.pick(corpus);
  const times = 1 + random.below(random.once(4) ? 40 : 6);
  for (let time = 0; time < times; time++) text = mutatedOnce(random, text, corpus).slice(0, MOST_CHARS);
  return text;
}

/** A word of bits that the language knows. */
export function word(random: Random): string {
  const parts = Array.from({ length: random.below(random.once(20) ? 500 : 12) }, () => random.pick(WORDS));
  return parts.join(random.pick(["", "", " "])).slice(0, MOST_CHARS);
}

function mutatedOnce(random: Random, text: string, corpus: readonly string[]): string {
  const [from, to] = range(random, text.length);
  const before = text.slice(0, from);
  const part = text.slice(from, to);
  const after = text.slice(to);
  switch (random.below(11)) {
    case 0:
      return before + after;
    case 1:
      return before + part + part + after;
    case 2:
      return before + part.repeat(1 + random.below(random.once(10) ? 3000 : 8)) + after;
    case 3:
    case 4:
      return before + random.pick(WORDS) + part + after;
    case 5:
      return before + random.pick(WORDS) + after;
    case 6:
      return before + String.fromCharCode(random.below(random.once(2) ? 128 : 65_536)) + part + after;
    case 7:
      return before + random.pick(corpus) + after;
    case 8:
      return linesSwapped(random, text);
    case 9:
      return before + part.toUpperCase() + after;
    default:
      return before + Array.from(part).reverse().join("") + after;
  }
}

/** Short ranges more often than long ones. */
function range(random: Random, length: number): [number, number] {
  const from = random.below(length + 1);
  const size = random.once(4) ? random.below(length - from + 1) : random.below(12);
  return [from, Math.min(length, from + size)];
}

function linesSwapped(random: Random, text: string): string {
  const lines = text.split("\n");
  const [a, b] = [random.below(lines.length), random.below(lines.length)];
  return lines
    .with(a, lines[b] ?? "")
    .with(b, lines[a] ?? "")
    .join("\n");
}
