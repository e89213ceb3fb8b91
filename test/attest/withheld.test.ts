// What is never written down about a build.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { isSecretName, Withheld } from "../../builder/attest/withheld.ts";

suite("names of variables", () => {
  // prettier-ignore
  const secret = [
    "TOKEN", "GITHUB_TOKEN", "githubToken", "NPMTOKEN", "PASSWORD", "db_passwd", "MYSQL_ROOT_PASSWORD", "SECRET",
    "AWS_SECRET_ACCESS_KEY", "API_KEY", "apikey", "APIKEY_2", "ssh-private-key", "KEY", "AUTH", "HTTP_AUTH_HEADER",
    "CREDENTIALS", "passphrase", "PGPASS_WORD_PASS", "JWT", "GH_PAT",
  ];
  // prettier-ignore
  const plain = [
    "VERSION", "KEYBOARD", "MONKEY", "AUTHOR", "PUBLIC_KEY", "SSH_AUTH_SOCK", "SECRET_FILE", "TOKENIZER_PATH", "PATH", "COMPASS", "http_proxy",
  ];
  for (const name of secret) test(`${name} is secret`, () => assert.equal(isSecretName(name), true));
  for (const name of plain) test(`${name} is not`, () => assert.equal(isSecretName(name), false));
});

suite("values", () => {
  test("are taken out wherever they stand, also escaped as in a URL", () => {
    const withheld = new Withheld(["p/ss w0rd\n"]);
    assert.equal(withheld.isUsed, false);
    assert.equal(withheld.scrub("echo p/ss w0rd; curl ?t=p%2Fss%20w0rd"), "echo <withheld>; curl ?t=<withheld>");
    assert.equal(withheld.isUsed, true);
  });

  test("that are too short occur by chance and stay, but their variable does not", () => {
    const withheld = new Withheld(["s3"]);
    assert.equal(withheld.scrub("s3://bucket"), "s3://bucket");
    assert.equal(withheld.variable("TOKEN=s3"), "TOKEN=<withheld>");
    assert.equal(withheld.variable("OTHER=s3"), "OTHER=s3");
    assert.equal(withheld.isUsed, false, "a variable of an image is nothing that was asked for");
  });

  test("hide a variable of whatever name", () => {
    const withheld = new Withheld(["hunter22"]);
    assert.equal(withheld.hides("VERSION", "1.0-hunter22"), true);
    assert.equal(withheld.hides("VERSION", "1.0"), false);
    assert.equal(withheld.hides("API_TOKEN", "1.0"), true);
  });

  test("of which one is a part of another leave nothing of either", () => {
    const withheld = new Withheld(["secret", "secret-and-more"]);
    assert.equal(withheld.scrub("a secret-and-more b secret"), "a <withheld> b <withheld>");
  });

  test("are in no text of any JSON afterwards", () => {
    const value = fc.string({ minLength: 6, maxLength: 12, unit: fc.constantFrom("a", "b", "1", "/", " ", "é") });
    fc.assert(
      fc.property(value, fc.jsonValue(), (secret, json) => {
        fc.pre(secret.trim().length >= 6 && !"<withheld>".includes(secret.trim()));
        const tree = { list: [json, `x${secret}y`], text: secret };
        assert.equal(JSON.stringify(new Withheld([secret]).scrubAll(tree)).includes(secret.trim()), false);
      }),
    );
  });
});
