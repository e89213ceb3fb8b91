// Certificates of registries: where each family of files keeps them, and what is wrong with them.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { EndpointTls } from "../../builder/transport/registry/endpoints.ts";
import { makeAuthority, makeCertificate, noOpenssl } from "../support/certificates.ts";
import { ConfigHome, isError } from "./config-home.ts";

suite("certificates", { skip: noOpenssl }, () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-certs-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const signed = { certificate: join(folder, "me.crt"), key: join(folder, "me.key") };
  const ca = join(folder, "ca.crt");
  before(() => void makeCertificate(folder, "me", makeAuthority(folder, "ca")));

  function put(home: ConfigHome, files: Readonly<Record<string, string>>): void {
    for (const [path, from] of Object.entries(files)) {
      mkdirSync(dirname(join(home.folder, path)), { recursive: true });
      copyFileSync(from, join(home.folder, path));
    }
  }
  const tls = async (home: ConfigHome, image = "r.example:5000/x"): Promise<EndpointTls | undefined> =>
    (await home.explain(image)).endpoints.at(-1)?.endpoint.tls;

  test("docker's and the containers tools' folders: *.crt, and pairs of *.cert and *.key", async () => {
    for (const root of [
      "home/.config/containers/certs.d",
      "home/.config/containerd/certs.d",
      "home/.config/docker/certs.d",
      "etc/containers/certs.d",
      "etc/containerd/certs.d",
      "etc/docker/certs.d",
    ]) {
      using home = new ConfigHome();
      const own = `${root}/r.example:5000`;
      put(home, { [`${own}/ca.crt`]: ca, [`${own}/me.cert`]: signed.certificate, [`${own}/me.key`]: signed.key });
      const found = await tls(home);
      assert.deepEqual(found?.ca, [readFileSync(ca, "utf8")], root);
      assert.equal(found?.certificate, readFileSync(signed.certificate, "utf8"));
      assert.equal(found?.key, readFileSync(signed.key, "utf8"));
      assert.equal(found?.isUnchecked, false);
      assert.equal((await tls(home, "r.example/x"))?.ca, undefined, "another port is another registry");
    }
  });

  test("hosts.toml and buildkitd.toml name them", async () => {
    using home = new ConfigHome({
      "etc/containerd/certs.d/r.example:5000/hosts.toml": `ca = "ca.pem"\nclient = [["${signed.certificate}", "${signed.key}"]]`,
      "etc/buildkit/buildkitd.toml": `[registry."s.example"]\nca = ["${ca}"]\n[[registry."s.example".keypair]]\nkey = "${signed.key}"\ncert = "${signed.certificate}"`,
    });
    put(home, { "etc/containerd/certs.d/r.example:5000/ca.pem": ca });
    for (const image of ["r.example:5000/x", "s.example/x"]) {
      const found = await tls(home, image);
      assert.deepEqual([found?.ca?.length, found?.key], [1, readFileSync(signed.key, "utf8")], image);
    }
  });

  test("a registry on this machine whose authority is configured is held to it", async () => {
    using home = new ConfigHome();
    put(home, { "home/.config/containers/certs.d/localhost:5000/ca.crt": ca });
    assert.deepEqual(await home.route("localhost:5000/x"), ["https://localhost:5000 x"]);
    assert.deepEqual(await home.route("localhost:5001/x"), [
      "http://localhost:5001|https://localhost:5001 x unchecked",
    ]);
  });

  test("half a pair, a key of another certificate and what is no certificate are named", async () => {
    const own = "etc/docker/certs.d/r.example:5000";
    const fails = async (files: Readonly<Record<string, string>>, pattern: RegExp): Promise<void> => {
      using home = new ConfigHome();
      put(home, files);
      await assert.rejects(tls(home), isError("CONFIG", pattern));
    };
    await fails({ [`${own}/me.key`]: signed.key }, /missing client certificate me.cert for key me.key/);
    await fails({ [`${own}/me.cert`]: signed.certificate }, /missing key me.key for client certificate me.cert/);
    await fails({ [`${own}/ca.crt`]: signed.key }, /ca.crt" holds no certificate/);
    await fails({ [`${own}/me.cert`]: ca, [`${own}/me.key`]: signed.key }, /me.key" is not that of the certificate/);
    await fails({ [`${own}/me.cert`]: ca, [`${own}/me.key`]: ca }, /are no certificate and its unencrypted key/);
    using home = new ConfigHome({
      "etc/buildkit/buildkitd.toml": `[registry."r.example:5000"]\nca = ["/no/such/ca.pem"]`,
    });
    await assert.rejects(tls(home), isError("CONFIG", /there is no "\/no\/such\/ca.pem"/));
  });
});
