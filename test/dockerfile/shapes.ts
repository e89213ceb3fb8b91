// Dockerfiles of many shapes, as long as one likes, for seeing that work grows with the file and not with its square.

/** A text of about n pieces, and an n that takes some milliseconds. */
export type Shape = readonly [n: number, make: (n: number) => string];

const FROM = "FROM plain\n";
const many = (n: number, piece: (at: number) => string): string =>
  Array.from({ length: n }, (_, at) => piece(at)).join("");
/** Pieces of one instruction, each on a line of its own. */
const folded = (n: number, piece: (at: number) => string): string => many(n, (at) => `${piece(at)} \\\n`);

export const SHAPES: Readonly<Record<string, Shape>> = {
  "ENV, names that differ": [2500, (n) => FROM + many(n, (at) => `ENV A${at}=x\n`)],
  "ENV, one instruction": [2500, (n) => `${FROM}ENV ${folded(n, (at) => `A${at}=x`)}\n`],
  "ENV, one name": [2500, (n) => FROM + many(n, () => "ENV A=$A\n")],
  "ENV, each from the one before": [2500, (n) => FROM + many(n, (at) => `ENV A${at + 1}=$A${at}\n`)],
  "ARG, names that differ": [2500, (n) => FROM + many(n, (at) => `ARG A${at}=x\n`)],
  "ARG, one instruction": [2500, (n) => `${FROM}ARG ${folded(n, (at) => `A${at}=x`)}\n`],
  "ARG, one name": [2500, (n) => FROM + many(n, () => "ARG A=x\n")],
  "ARG with a comment each": [
    1500,
    (n) => `${FROM}${many(n, (at) => `# A${at} is one\n`)}ARG ${folded(n, (at) => `A${at}=x`)}\n`,
  ],
  "ARG before FROM": [2500, (n) => many(n, (at) => `ARG A${at + 1}=$A${at}\n`) + FROM],
  "ARG before FROM, and in stages": [
    600,
    (n) =>
      many(n, (at) => `ARG A${at}=x\n`) +
      many(n, (at) => `FROM plain AS s${at}\nARG A${at}\n`) +
      FROM +
      many(n, (at) => `COPY --from=s${at} / /\n`),
  ],
  "LABEL, keys that differ": [2500, (n) => FROM + many(n, (at) => `LABEL A${at}=x\n`)],
  "LABEL, one instruction": [2500, (n) => `${FROM}LABEL ${folded(n, (at) => `A${at}=x`)}\n`],
  EXPOSE: [2500, (n) => FROM + many(n, (at) => `EXPOSE ${at % 65_536}\n`)],
  "EXPOSE, ranges": [25, (n) => `${FROM}EXPOSE ${many(n, () => "1-1000 ")}\n`],
  VOLUME: [2500, (n) => FROM + many(n, (at) => `VOLUME /v${at}\n`)],
  WORKDIR: [2500, (n) => FROM + many(n, (at) => `WORKDIR /a${at}\n`)],
  USER: [2500, (n) => FROM + many(n, (at) => `USER u${at}\n`)],
  CMD: [2500, (n) => FROM + many(n, (at) => `CMD x${at}\n`)],
  ENTRYPOINT: [2500, (n) => FROM + many(n, (at) => `ENTRYPOINT x${at}\n`)],
  HEALTHCHECK: [2500, (n) => FROM + many(n, (at) => `HEALTHCHECK CMD x${at}\n`)],
  SHELL: [2500, (n) => FROM + many(n, (at) => `SHELL ["a${at}"]\n`)],
  STOPSIGNAL: [2500, (n) => FROM + many(n, (at) => `STOPSIGNAL ${(at % 60) + 1}\n`)],
  MAINTAINER: [2500, (n) => FROM + many(n, (at) => `MAINTAINER ${at}\n`)],
  ONBUILD: [2500, (n) => FROM + many(n, (at) => `ONBUILD RUN x${at}\n`)],
  "ONBUILD, and a child": [2500, (n) => `FROM plain AS a\n${many(n, (at) => `ONBUILD ENV A${at}=x\n`)}FROM a\n`],
  "ONBUILD, and many children": [
    1000,
    (n) => `FROM plain AS a\n${many(n, () => "USER a\n")}ONBUILD USER b\n${many(n, () => "FROM a\n")}`,
  ],
  RUN: [2500, (n) => FROM + many(n, (at) => `RUN x${at}\n`)],
  "RUN behind many ARG": [2500, (n) => `${FROM}${many(n, (at) => `ARG A${at}=x\n`)}RUN x\n`],
  "RUN with a mount": [1500, (n) => FROM + many(n, (at) => `RUN --mount=type=cache,target=/x${at} x\n`)],
  "RUN, many mounts": [500, (n) => `${FROM}RUN ${folded(n, (at) => `--mount=type=tmpfs,target=/x${at}`)}x\n`],
  "RUN, mounts of stages": [
    400,
    (n) =>
      many(n, (at) => `FROM plain AS s${at}\nRUN y${at}\n`) +
      `${FROM}RUN ${folded(n, (at) => `--mount=from=s${at},target=/x${at}`)}x\n`,
  ],
  "RUN, options of a mount": [1000, (n) => `${FROM}RUN --mount=type=secret,id=a${",required=true".repeat(n)} x\n`],
  COPY: [2500, (n) => FROM + many(n, (at) => `COPY a${at} /\n`)],
  "COPY, many sources": [2500, (n) => `${FROM}COPY ${folded(n, (at) => `a${at}`)}/d/\n`],
  "COPY, many exclusions": [2500, (n) => `${FROM}COPY ${folded(n, (at) => `--exclude=a${at}`)}a /d/\n`],
  "COPY --from, a chain": [
    1500,
    (n) => `FROM plain AS s0\n${many(n, (at) => `FROM plain AS s${at + 1}\nCOPY --from=s${at} / /\n`)}`,
  ],
  "COPY --from, images": [1500, (n) => FROM + many(n, (at) => `COPY --from=plain a${at} /\n`)],
  "COPY, here-documents": [1500, (n) => FROM + many(n, (at) => `COPY <<E /x${at}\n$A\nE\n`)],
  "ADD, URLs": [1500, (n) => `${FROM}ADD ${folded(n, (at) => `https://h/x${at}`)}/\n`],
  stages: [2500, (n) => many(n, (at) => `FROM plain AS s${at}\nRUN x\n`)],
  "stages of one name": [2500, (n) => many(n, () => "FROM plain AS s\n")],
  "stages in a chain": [2500, (n) => `FROM plain AS s0\n${many(n, (at) => `FROM s${at} AS s${at + 1}\n`)}`],
  "stages in a chain, with ENV": [
    1500,
    (n) => `FROM plain AS s0\n${many(n, (at) => `FROM s${at} AS s${at + 1}\nENV A${at}=1\n`)}`,
  ],
  "stages in a chain, with ARG": [
    1500,
    (n) => `FROM plain AS s0\n${many(n, (at) => `FROM s${at} AS s${at + 1}\nARG A${at}=1\n`)}`,
  ],
  "stages in a chain, with ONBUILD": [
    1500,
    (n) => `FROM plain AS s0\n${many(n, (at) => `FROM s${at} AS s${at + 1}\nONBUILD RUN x${at}\n`)}`,
  ],
  "stages in a chain of triggers": [
    500,
    (n) =>
      many(n, (at) => `FROM plain AS t${n - at}\nONBUILD COPY --from=u${n - at + 1} / /\n`) +
      `FROM plain AS u${n + 1}\n` +
      many(n, (at) => `FROM t${n - at} AS u${n - at}\n`) +
      "FROM u1\n",
  ],
  "unknown variables": [1500, (n) => FROM + many(n, (at) => `ENV A${at}=$B${at}\n`)],
  "unknown variables in one word": [2500, (n) => `${FROM}LABEL a=${many(n, (at) => `$B${at}\\\n`)}\n`],
  "unknown variables in FROM": [1500, (n) => many(n, (at) => `ARG A${at}\n`) + many(n, (at) => `FROM plain$X${at}\n`)],
  "names that lint rules dislike": [1500, (n) => FROM + many(n, (at) => `Env PASSWORD${at} x\n`)],
  "rules switched off": [2500, (n) => FROM + many(n, (at) => `# check=skip=A${at}\nRUN x\n`)],
  "a long list of rules": [
    800,
    (n) => `# check=skip=${many(n, (at) => `R${at},`)}\n${FROM}${many(n, () => "# check=skip=A\nRUN x\n")}`,
  ],
  "a long word": [15_000, (n) => `${FROM}LABEL a=${"x".repeat(n)}\n`],
  "a long line": [15_000, (n) => `${FROM}RUN ${"x ".repeat(n / 2)}\n`],
  "a long name": [12_000, (n) => `${FROM}ARG ${"x".repeat(n)}y\nLABEL a=$${"x".repeat(n)}z\n`],
  "a long stage name": [15_000, (n) => `FROM plain AS a${"-b".repeat(n / 2)}\n`],
  "a long image name": [15_000, (n) => `FROM a${"-b".repeat(n / 2)}\n`],
  "a long platform": [15_000, (n) => `FROM --platform=linux${"/b".repeat(n / 2)} plain\n`],
  "a long keyword": [15_000, (n) => `${FROM}${"X".repeat(n)}\n`],
  "a long owner": [15_000, (n) => `${FROM}COPY --chown=${"1".repeat(n)} a /\n`],
  "a long mode": [15_000, (n) => `${FROM}COPY --chmod=${"u+x,".repeat(n / 4)}g=r a /\n`],
  "a long URL": [15_000, (n) => `${FROM}ADD https://h/${"a/".repeat(n / 2)} /\n`],
  "a long git URL": [15_000, (n) => `${FROM}ADD https://h/x.git?${"ref=a&".repeat(n / 6)} /\n`],
  "a long duration": [15_000, (n) => `${FROM}HEALTHCHECK --interval=${"1ms".repeat(n / 3)} CMD x\n`],
  "a long directive": [15_000, (n) => `# syntax${" ".repeat(n)}= docker/dockerfile:1${" ".repeat(n)}\n${FROM}`],
  "here-document marks": [15_000, (n) => `${FROM}RUN ${"<<a ".repeat(n / 4)}\n${"a\n".repeat(n / 4)}`],
  "less-than signs": [15_000, (n) => `${FROM}RUN ${"<".repeat(n)}\n`],
  "a long here-document": [50_000, (n) => `${FROM}COPY <<E /x\n${"hello $A world\n".repeat(n)}E\n`],
  "a long indented here-document": [50_000, (n) => `${FROM}COPY <<-E /x\n${"\t\t\thello\n".repeat(n)}E\n`],
  "a long continuation": [20_000, (n) => `${FROM}RUN a${" && b \\\n".repeat(n)}\n`],
  "comments in a continuation": [20_000, (n) => `${FROM}RUN a \\\n${"# c\n".repeat(n)}b\n`],
  "empty lines in a continuation": [20_000, (n) => `${FROM}RUN a \\\n${"\n".repeat(n)}b\n`],
  "quotes over many lines": [20_000, (n) => `${FROM}ENV A="${"x\\\n".repeat(n)}"\n`],
  "an unknown word in a long instruction": [10_000, (n) => `${FROM}ENV ${"B=1 \\\n".repeat(n)} C\n`],
  "variables in one word": [20_000, (n) => `${FROM}ENV A=1\nENV B=${"$A\\\n".repeat(n)}\n`],
  "braces in one word": [20_000, (n) => `${FROM}ENV A=1\nENV B=${"${A}\\\n".repeat(n)}\n`],
  "double quotes in one word": [15_000, (n) => `${FROM}ENV B=${'"a"'.repeat(n / 3)}\n`],
  "single quotes in one word": [15_000, (n) => `${FROM}ENV B=${"'a'".repeat(n / 3)}\n`],
  "escapes in one word": [15_000, (n) => `${FROM}ENV B=${"\\\\".repeat(n / 2)}\n`],
  "defaults in defaults": [120, (n) => `${FROM}ENV A=${"${b:-".repeat(n)}x${"}".repeat(n)}\n`],
  "a pattern replaced": [7500, (n) => `${FROM}ENV V=${"ab".repeat(n)}\nENV W=\${V//a/x}\n`],
  "a pattern with stars replaced": [
    7500,
    (n) => `${FROM}ENV V=${"a".repeat(n)}\nENV W=\${V//${"a*".repeat(n / 2)}b/x}\n`,
  ],
  "the longest prefix with stars": [7500, (n) => `${FROM}ENV V=${"a".repeat(n)}\nENV W=\${V##${"a*".repeat(n / 2)}}\n`],
  "the shortest suffix with stars": [7500, (n) => `${FROM}ENV V=${"a".repeat(n)}\nENV W=\${V%${"*a".repeat(n / 2)}}\n`],
  "a JSON array": [15_000, (n) => `${FROM}CMD [${'"a",'.repeat(n / 4)}"b"]\n`],
  "a JSON array without end": [15_000, (n) => `${FROM}CMD [${'"a",'.repeat(n / 4)}"b"\n`],
  "JSON arrays in each other": [15_000, (n) => `${FROM}CMD ${"[".repeat(n)}\n`],
  "spaces before": [15_000, (n) => `${FROM}${" ".repeat(n)}RUN x\n`],
  "spaces between": [15_000, (n) => `${FROM}RUN${" ".repeat(n)}x\n`],
  "spaces behind": [15_000, (n) => `${FROM}RUN x${" ".repeat(n)}\n`],
  comments: [50_000, (n) => "# a\n".repeat(n) + FROM],
  "carriage returns": [10_000, (n) => FROM + "USER x\r\n".repeat(n)],
  "ONBUILD in ONBUILD": [4000, (n) => `${FROM}${"ONBUILD ".repeat(n)}RUN x\n`],
};
