// How a secret may be written, checked with the encoders that people use.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { suite, test } from "node:test";
import fc from "fast-check";
import { ByteSearch, StreamSearch } from "../../builder/core/bytes/byte-search.ts";
import { imageForms, logForms } from "../../builder/guard/forms.ts";
import { Masker } from "../../builder/guard/masker.ts";

function isFound(secret: string | Uint8Array, text: string | Uint8Array): boolean {
  const forms = imageForms(Buffer.from(secret));
  if (forms.length === 0) return false;
  const found = new Set<number>();
  new StreamSearch(new ByteSearch(forms), found).push(Buffer.from(text));
  return found.size > 0;
}

/** As `base64 -w width` and PEM. */
function wrapped(text: string, width: number): string {
  return text.replace(new RegExp(`.{${width}}`, "g"), "$&\n");
}

const secrets = fc
  .string({ unit: "grapheme", minLength: 6, maxLength: 120 })
  .filter((text) => /^[^\s].{4,}[^\s]$/su.test(text) && text.split(/\s/).some(({ length }) => length > 5));

suite("A secret is found", () => {
  test("in whatever way it is written, with anything around it", () => {
    fc.assert(
      fc.property(secrets, fc.string(), fc.string(), (secret, before, after) => {
        const around = (text: string): string => `${before}${text}${after}`;
        const hex = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
        const json = JSON.stringify(secret).slice(1, -1);
        const writings = [
          secret,
          encodeURIComponent(secret),
          encodeURIComponent(secret).replace(/%../g, (code) => code.toLowerCase()),
          encodeURIComponent(secret).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`),
          json,
          json.replace(/[^\0-\x7f]/g, hex),
          json.replace(/[<>&\u2028\u2029]/g, hex),
          json.replace(/[<>&='\u2028\u2029]/g, hex),
          json.replace(/[^\0-\x7f]/g, (char) => hex(char).replace(/[\da-f]{4}$/, (digits) => digits.toUpperCase())),
          secret.replaceAll("'", "'\\''"),
          Buffer.from(secret).toString("hex"),
          Buffer.from(secret).toString("hex").toUpperCase(),
        ];
        for (const writing of writings) assert.ok(isFound(secret, around(writing)), writing);
        for (const encoding of ["base64", "base64url"] as const)
          assert.ok(isFound(secret, Buffer.from(around(secret)).toString(encoding)), "base64 of something around it");
        const alone = Buffer.from(`${secret}\n`).toString("base64");
        const inside = Buffer.from(around(secret)).toString("base64");
        for (const width of [76, 64]) {
          assert.ok(isFound(secret, around(wrapped(alone, width))), `base64 -w ${width}`);
          assert.ok(isFound(secret, wrapped(inside, width)), `base64 -w ${width} of something around it`);
        }
        assert.ok(isFound(secret, wrapped(Buffer.from(around(secret)).toString("hex"), 60)), "xxd -p");
      }),
      { numRuns: 300 },
    );
  });

  test("in bytes that are no text", () => {
    const secret = Buffer.from("00ff80c3281b5b9d", "hex");
    assert.ok(isFound(secret, Buffer.concat([Buffer.from("x"), secret, Buffer.from("y")])));
    assert.ok(isFound(secret, Buffer.concat([Buffer.from("x"), secret]).toString("base64")));
  });

  test("by each line of a private key, also of one in a JSON file", () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = privateKey.export({ type: "pkcs1", format: "pem" }).toString();
    const lines = pem.split("\n").slice(1, -2);
    const account = JSON.stringify({ type: "service_account", private_key: pem });
    for (const line of lines.filter(({ length }) => length >= 16)) {
      assert.ok(isFound(pem, `key: ${line}`));
      assert.ok(isFound(account, `key: ${line}`));
    }
    assert.ok(!isFound(account, '{"type":"service_account"'), "what all such files have in common is no secret");
    assert.ok(!isFound(pem, "-----BEGIN RSA PRIVATE KEY-----"));
  });

  test("not by the line that all keys of OpenSSH begin with", () => {
    const first = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW";
    const second = "QyNTUxOQAAACBIc5vGDaGzYQpZ8Tb2nDdCvFjYc0m3a7v0n1bqJ8mXdwAAAJhP6Kq6T+iq";
    const key = `-----BEGIN OPENSSH PRIVATE KEY-----\n${first}\n${second}\n-----END OPENSSH PRIVATE KEY-----\n`;
    assert.ok(!isFound(key, first));
    assert.ok(isFound(key, second));
  });

  test("by the token in a file", () => {
    const netrc = "machine example.org login jane password npm_16C7e42F292c6912E7710c838347Ae178B4a";
    assert.ok(isFound(netrc, "//example.org/:_authToken=npm_16C7e42F292c6912E7710c838347Ae178B4a"));
    const json = { key_id: "x", auth_provider_x509_cert_url: "https://www.googleapis.com/oauth2/v1/certs" };
    assert.ok(!isFound(JSON.stringify(json), "auth_provider_x509_cert_url https://www.googleapis.com/oauth2/v1/certs"));
    const certificate =
      "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJ\n-----END CERTIFICATE-----";
    assert.ok(!isFound(`${certificate}\npassword`, certificate));
  });

  test("when it is long, by a part of it", () => {
    const secret = Array.from({ length: 9000 }, (_, at) => at.toString(36)).join("");
    assert.ok(isFound(secret, secret));
    assert.ok(isFound(secret, Buffer.from(secret).toString("base64")));
    assert.ok(isFound(secret, wrapped(Buffer.from(secret).toString("base64"), 76)));
    for (const odd of [`${secret}é<ü>`, "é/ü<".repeat(3000)]) {
      assert.ok(isFound(odd, encodeURIComponent(odd)));
      assert.ok(isFound(odd, JSON.stringify(`x${odd}`).replaceAll("<", "\\u003c")));
      assert.ok(isFound(odd, Buffer.from(`xy${odd}`).toString("base64")));
    }
    assert.ok(imageForms(Buffer.from(secret)).every(({ length }) => length <= 512));
  });
});

suite("A value that is too short", () => {
  for (const value of ["", "a", "12345", "true\n", "line1\nline2\n", " \n \n"]) {
    test(`is no secret: ${JSON.stringify(value)}`, () => {
      assert.deepEqual(imageForms(Buffer.from(value)), []);
      assert.deepEqual(logForms(Buffer.from(value)), { plain: [], encoded: [] });
    });
  }
});

test("Each line of a secret is withheld by itself in what is printed", () => {
  const masker = new Masker();
  masker.add(logForms(Buffer.from("machine example.org\n  login jane\n  password hunter-two\nx\n")));
  assert.equal(masker.text("got: password hunter-two, x"), "got: <withheld>, x");
  const long = "0123456789".repeat(200);
  masker.add(logForms(Buffer.from(long)));
  assert.equal(masker.text(`<${long}>`), "<<withheld>>");
  const left = masker.text(wrapped(Buffer.from(long).toString("base64"), 76)).replaceAll(/<withheld>|\s/g, "");
  assert.equal(left, "=");
});

test("No bit of a secret is left of its base64, wherever it begins, lines end and output is cut", () => {
  const other = fc.string({ unit: fc.constantFrom("-", ".", ":"), maxLength: 90 });
  const letters = fc.string({ unit: fc.constantFrom(..."abcdefGHIJK0123456789"), minLength: 8, maxLength: 60 });
  const cuts = fc.array(fc.nat(), { maxLength: 4 });
  fc.assert(
    fc.property(other, letters, other, fc.constantFrom(20, 64, 76, 1000), cuts, (before, secret, after, width, at) => {
      const masker = new Masker();
      masker.add(logForms(Buffer.from(`${secret}\n`)));
      const encoded = Buffer.from(before + secret + after).toString("base64");
      const holds = (char: number): boolean =>
        char * 6 + 6 > before.length * 8 && char * 6 < (before.length + secret.length) * 8 && encoded[char] !== "=";
      const hidden = [...encoded].map((char, number) => (holds(number) ? "*" : char)).join("");
      const shown = (text: string): string => text.replaceAll("<withheld>", "*");
      const lines = wrapped(encoded, width);
      assert.equal(shown(masker.text(lines)), wrapped(hidden, width).replaceAll(/\*+/g, "*"));
      const stream = masker.stream();
      const places = [0, ...at.map((n) => n % lines.length), lines.length].toSorted((a, b) => a - b);
      const passed = places.slice(1).map((end, i) => stream.push(Buffer.from(lines.slice(places[i], end))));
      const whole = Buffer.concat([...passed, stream.end()]).toString();
      // Of a line that was passed on three characters and what is beside them may be a beginning.
      const bare = (text: string): number => text.replaceAll(/[*\n]/g, "").length;
      assert.ok(bare(shown(whole)) <= bare(hidden) + 4, whole);
    }),
    { numRuns: 400 },
  );
});
