// Secrets in bytes and in output, against a search that is slow and plain.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { ByteSearch, StreamSearch } from "../../builder/core/bytes/byte-search.ts";
import { Masker } from "../../builder/guard/masker.ts";

/** Few letters, so that strings overlap, repeat and are parts of each other. */
const text = (minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength, maxLength });
const bytes = (word: string): Buffer => Buffer.from(word, "latin1");

/** Cuts at any places. */
function cut(whole: Buffer, at: readonly number[]): Buffer[] {
  const places = [0, ...at.map((n) => n % (whole.length + 1)), whole.length].toSorted((a, b) => a - b);
  return places.slice(1).map((end, i) => whole.subarray(places[i], end));
}

/** Every byte that belongs to a string is withheld; bytes in a row are one. */
function slowlyMasked(whole: string, words: readonly string[]): string {
  const hidden = [...whole].map((_, at) =>
    words.some((word) => {
      for (let from = Math.max(0, at - word.length + 1); from <= at; from++)
        if (whole.startsWith(word, from)) return true;
      return false;
    }),
  );
  // Two that touch are one as well.
  return [...whole].map((char, at) => (!hidden[at] ? char : at > 0 && hidden[at - 1] ? "" : "<withheld>")).join("");
}

suite("Secrets in bytes", () => {
  test("every string that stands in a stream is found, however the stream is cut", () => {
    fc.assert(
      fc.property(
        fc.array(text(2, 9), { minLength: 1, maxLength: 8 }),
        text(0, 60),
        fc.array(fc.nat(), { maxLength: 6 }),
        (words, whole, cuts) => {
          const found = new Set<number>();
          const stream = new StreamSearch(new ByteSearch(words.map(bytes)), found);
          for (const piece of cut(bytes(whole), cuts)) stream.push(piece);
          const wanted = new Set(words.filter((word) => whole.includes(word)));
          // Of equal strings one is enough.
          assert.deepEqual(new Set([...found].map((number) => words[number])), wanted);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("after a new start nothing is found across it", () => {
    const found = new Set<number>();
    const stream = new StreamSearch(new ByteSearch([bytes("secret")]), found);
    stream.push(bytes("sec"));
    stream.restart();
    stream.push(bytes("ret"));
    assert.equal(found.size, 0);
  });
});

suite("Secrets in output", () => {
  test("exactly their bytes are withheld, however the output is cut", () => {
    fc.assert(
      fc.property(
        fc.array(text(2, 9), { minLength: 1, maxLength: 8 }),
        text(0, 60),
        fc.array(fc.nat(), { maxLength: 6 }),
        (words, whole, cuts) => {
          const masker = new Masker();
          masker.add({ plain: words.map(bytes), encoded: [] });
          const stream = masker.stream();
          const passed = cut(bytes(whole), cuts).map((piece) => stream.push(piece));
          assert.equal(Buffer.concat([...passed, stream.end()]).toString("latin1"), slowlyMasked(whole, words));
          assert.equal(masker.text(whole), slowlyMasked(whole, words));
        },
      ),
      { numRuns: 700 },
    );
  });

  test("what cannot become a secret is passed on at once", () => {
    const masker = new Masker();
    masker.add({ plain: [bytes("secret")], encoded: [] });
    const stream = masker.stream();
    assert.equal(stream.push(bytes("name: ")).toString(), "name: ");
    assert.equal(stream.push(bytes("a sec")).toString(), "a ");
    assert.equal(stream.push(bytes("ond\n")).toString(), "second\n");
    assert.equal(stream.push(bytes("secr")).toString(), "");
    assert.equal(stream.end().toString(), "secr");
  });

  test("a secret that becomes known while there is output is withheld from then on", () => {
    const masker = new Masker();
    const stream = masker.stream();
    assert.equal(stream.push(bytes("token")).toString(), "token");
    masker.add({ plain: [bytes("token")], encoded: [] });
    assert.equal(stream.push(bytes("token")).toString(), "<withheld>");
  });
});
