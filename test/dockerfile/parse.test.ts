// Stage 1: line rules.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { BuildError } from "../../builder/core/errors.ts";
import { parse } from "../../builder/dockerfile/parse.ts";
import type { RawNode } from "../../builder/dockerfile/parse.ts";

const nodes = (text: string): readonly RawNode[] => parse(Buffer.from(text), "Dockerfile").nodes;
const originals = (text: string): string[] => nodes(text).map((node) => node.original);
const failure = (bytes: string | Uint8Array): BuildError => {
  try {
    parse(Buffer.from(bytes), "Dockerfile").faults.throwIfAny();
  } catch (error) {
    if (error instanceof BuildError) return error;
    throw error;
  }
  return assert.fail("nothing was thrown");
};

suite("lines", () => {
  test("a continuation is joined without a space, and keeps the indentation of the next line", () => {
    const [, run] = nodes("FROM a\nRUN one \\\n   two\\\nthree\n");
    assert.deepEqual(run?.args, ["one    twothree"]);
    assert.deepEqual([run?.startLine, run?.endLine], [2, 4]);
  });

  test("comments and empty lines within an instruction are passed over, and an empty one is noted", () => {
    const file = parse(Buffer.from("FROM a\nRUN one \\\n# no\n\n  # nor this \\\n two\n"), "Dockerfile");
    assert.deepEqual(file.nodes[1]?.args, ["one  two"]);
    assert.deepEqual(file.emptyContinuations, [6]);
  });

  test("a comment in a here-document belongs to it", () => {
    assert.equal(nodes("FROM a\nRUN <<E\n# kept\n\nE\n")[1]?.heredocs[0]?.content, "# kept\n\n");
  });

  test("an escaped escape character does not continue the line", () => {
    assert.deepEqual(originals("FROM a\nRUN x \\\\\nRUN y\n"), ["FROM a", "RUN x \\\\", "RUN y"]);
  });

  test("blanks may follow the continuation character", () => {
    assert.deepEqual(originals("FROM a\nRUN x \\ \t\n y\n"), ["FROM a", "RUN x  y"]);
  });

  test("a file may end within a continuation", () => {
    assert.deepEqual(originals("FROM a\nRUN x \\\n"), ["FROM a", "RUN x "]);
  });

  test("the escape directive changes the continuation character", () => {
    assert.deepEqual(originals("# escape=`\nFROM a\nRUN c:\\\nRUN y `\n z\n"), ["FROM a", "RUN c:\\", "RUN y  z"]);
  });

  test("a directive below anything else is a comment", () => {
    assert.equal(parse(Buffer.from("# hello\n# escape=`\nFROM a\n"), "D").escape, "\\");
    assert.equal(parse(Buffer.from("\n# escape=`\nFROM a\n"), "D").escape, "\\");
    assert.equal(parse(Buffer.from("# syntax=x\n#  ESCAPE = `  \nFROM a\n"), "D").escape, "`");
  });

  test("a byte order mark and CRLF line endings leave no trace", () => {
    const [from, run] = nodes("\ufeffFROM a\r\nRUN <<E\r\nx\r\nE\r\n");
    assert.deepEqual(from?.args, ["a"]);
    assert.equal(run?.heredocs[0]?.content, "x\r\n");
  });

  test("the comments above an instruction are its own; an empty comment drops those before it", () => {
    assert.deepEqual(
      nodes("# one\n#\n# two\n\n# three\nFROM a\nRUN b\n").map((node) => node.comments),
      [["two", "three"], []],
    );
  });
});

suite("here-documents", () => {
  const heredoc = (text: string): unknown => nodes(`FROM a\n${text}`)[1]?.heredocs;

  test("their names may be quoted, which keeps variables as they are", () => {
    const content = "x\n";
    const plain = { name: "E", expand: true, chomp: false, fd: 0, content };
    assert.deepEqual(heredoc("RUN <<E\nx\nE\n"), [plain]);
    assert.deepEqual(heredoc("RUN <<'E'\nx\nE\n"), [{ ...plain, expand: false }]);
    assert.deepEqual(heredoc('RUN 3<<"E" cat\nx\nE\n'), [{ ...plain, expand: false, fd: 3 }]);
    assert.deepEqual(heredoc("RUN cat << E\nx\nE\n"), [plain]);
  });

  test("<<- ends at an indented name; the tabs stay until the instruction is read", () => {
    assert.deepEqual(heredoc("RUN <<-E\n\tx\n\t\tE\n"), [
      { name: "E", expand: true, chomp: true, fd: 0, content: "\tx\n" },
    ]);
  });

  test("what is quoted, escaped, in JSON or a here-string begins none", () => {
    for (const line of ['RUN echo "<<E"', "RUN echo \\<<E", 'RUN ["<<E"]', "RUN cat <<<E", "CMD <<E", "RUN it's <<E"]) {
      assert.deepEqual(heredoc(`${line}\n`), [], line);
    }
  });

  test("ONBUILD may hold one", () => {
    assert.deepEqual(heredoc("ONBUILD RUN <<E\nx\nE\n"), [
      { name: "E", expand: true, chomp: false, fd: 0, content: "x\n" },
    ]);
  });

  test("one without end is refused, with the name that is missing", () => {
    const error = failure("FROM a\n\nRUN <<END\nx\n");
    assert.equal(error.message, "unterminated heredoc");
    assert.deepEqual(error.location?.range, { startLine: 3, endLine: 4 });
    assert.match(error.hint ?? "", /"END"/);
  });
});

suite("arguments", () => {
  const second = (line: string): RawNode | undefined => nodes(`FROM a\n${line}\n`)[1];

  test("flags stand first; quotes and escapes in them are resolved", () => {
    const node = second(`COPY --from=b --chown="a b" --x=\\" --y c d`);
    assert.deepEqual(node?.flags, ["--from=b", "--chown=a b", '--x="', "--y"]);
    assert.deepEqual(node?.args, ["c", "d"]);
  });

  test("a bare -- ends the flags", () => {
    const node = second("COPY --link -- --a b");
    assert.deepEqual([node?.flags, node?.args], [["--link"], ["--a", "b"]]);
  });

  test("a JSON array of strings is the exec form, and anything else the shell form", () => {
    assert.deepEqual(second('RUN [ "a", "b\\n\\u00e9" ]')?.args, ["a", "b\n\u00e9"]);
    for (const line of [`RUN ['a']`, `RUN ["a",`, `RUN ["a"] b`, "RUN [1e999]"])
      assert.equal(second(line)?.json, false, line);
    assert.deepEqual(second("RUN []"), { ...second("RUN []"), json: true, args: [] });
  });

  test("a JSON array with something else in it is refused", () => {
    const error = failure('FROM a\nCMD ["a", 1]\n');
    assert.equal(error.message, "when using JSON array syntax, arrays must be comprised of strings only");
    assert.equal(error.location?.range.startLine, 2);
  });

  test("ENV keeps quotes and escapes of its words, and knows its old form", () => {
    assert.deepEqual(second(`ENV a="b c" d=e\\ f g='h i'`)?.args, [
      "a",
      '"b c"',
      "=",
      "d",
      "e\\ f",
      "=",
      "g",
      "'h i'",
      "=",
    ]);
    assert.deepEqual(second("ENV a  b c=d ")?.args, ["a", "b c=d", ""]);
  });

  test("a word of ENV without = is refused, with its line if there are several", () => {
    const error = failure("FROM a\nENV a=b \\\n  c\n");
    assert.equal(error.message, `Syntax error - can't find = in "c". Must be of the form: name=value`);
    assert.equal(error.hint, '"c" is on line 3');
  });
});

suite("limits", () => {
  test("a line has at most 65535 bytes", () => {
    assert.equal(nodes(`FROM a\nRUN ${"x".repeat(65531)}\n`).length, 2);
    assert.match(failure(`FROM a\nRUN ${"x".repeat(65532)}\n`).message, /greater than max allowed size of 65535/);
    assert.match(failure(`FROM a\nRUN ${"ü".repeat(32766)}\n`).message, /greater than max allowed size/);
  });

  test("bytes that are not UTF-8 may stand in comments only", () => {
    const bytes = (text: string): Buffer => Buffer.from(text, "latin1");
    assert.equal(parse(bytes("# M\xfcller\nFROM a\nRUN x \\\n# \xe4\n y\n"), "D").nodes.length, 2);
    const error = failure(bytes("FROM a\nRUN x \\\n \xe4\n"));
    assert.equal(error.message, "line is not valid UTF-8");
    assert.equal(error.location?.range.startLine, 3);
  });

  test("a file without instructions is refused", () => {
    assert.equal(failure("\n# x\n \n").message, "file with no instructions");
  });

  test("ten megabytes and ten thousand instructions are read in bounded time", { timeout: 60_000 }, () => {
    assert.equal(nodes(`FROM a\nRUN ${"echo a \\\n".repeat(1_000_000)}`).length, 2);
    assert.equal(nodes(`FROM a\n${"RUN x\n".repeat(10_000)}`).length, 10_001);
  });

  test("any bytes are read, or refused with a BuildError", () => {
    const pieces = [
      "FROM a\n",
      "RUN ",
      "<<E",
      "\nE\n",
      "\\\n",
      "ONBUILD ",
      "ENV a=",
      '"',
      "'",
      "[",
      "]",
      "--x=",
      "\n",
      "#",
      " ",
      "$",
      "{",
      "`",
    ];
    const text = fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: "binary" })), { maxLength: 60 });
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 65_536 }),
      text.map((parts) => Buffer.from(parts.join(""))),
    );
    fc.assert(
      fc.property(bytes, (input) => {
        try {
          parse(input, "Dockerfile");
        } catch (error) {
          assert.ok(error instanceof BuildError);
        }
      }),
      { numRuns: 300 },
    );
  });
});
