// What containerd's hosts.toml says of where registries are reached.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ConfigHome, isError } from "./config-home.ts";

suite("hosts.toml", () => {
  test("hosts are asked in their order, the server last, each with its path, headers and capabilities", async () => {
    using home = new ConfigHome({
      "etc/containerd/certs.d/docker.io/hosts.toml": `
        server = "https://registry-1.docker.io"
        [host."https://m.example/v2/hub"]
        override_path = true
        capabilities = ["pull"]
        skip_verify = true
        [host."https://m.example/v2/hub".header]
        X-A = ["1", "2"]
        [host."n.example:5000/base"]
        [host."http://o.example"]
        capabilities = ["push"]`,
    });
    assert.deepEqual(await home.route("busybox"), [
      "mirror https://m.example hub/library/busybox [digests] unchecked ns=docker.io",
      "mirror https://n.example:5000/base library/busybox ns=docker.io",
      "https://registry-1.docker.io library/busybox",
    ]);
    const { endpoints } = await home.explain("busybox");
    assert.deepEqual(endpoints[0]?.endpoint.headers, { "X-A": "1, 2" });
    assert.equal(endpoints[2]?.endpoint.registry, "docker.io");
  });

  test("a whole path of its own may lack the /v2, and has nothing in its place", async () => {
    using home = new ConfigHome({
      "etc/containerd/certs.d/docker.io/hosts.toml": `
        [host."https://x.example/api/hub/"]
        override_path = true
        [host."https://y.example"]
        override_path = true`,
    });
    assert.deepEqual(await home.route("busybox"), [
      "mirror https://x.example/api/hub library/busybox ns=docker.io",
      "mirror https://y.example library/busybox ns=docker.io",
      "https://registry-1.docker.io library/busybox",
    ]);
    const { endpoints } = await home.explain("busybox");
    assert.deepEqual(endpoints.map(({ endpoint }) => endpoint.api), ["", "", undefined]); // prettier-ignore
  });

  test("without a server its head is about the registry itself; _default is for hosts without a folder", async () => {
    using home = new ConfigHome({
      "etc/containerd/certs.d/r.example_5000_/hosts.toml": `skip_verify = true\n[header]\nx-b = "b"`,
      "etc/containerd/certs.d/_default/hosts.toml": `[host."https://all.example"]`,
      "etc/containerd/certs.d/only.example/hosts.toml": `capabilities = ["push"]\n[host."https://m.example"]`,
    });
    assert.deepEqual(await home.route("r.example:5000/x"), ["https://r.example:5000 x unchecked"]);
    assert.deepEqual((await home.explain("r.example:5000/x")).endpoints[0]?.endpoint.headers, { "x-b": "b" });
    assert.deepEqual(await home.route("quay.io/x"), ["mirror https://all.example x ns=quay.io", "https://quay.io x"]);
    assert.deepEqual(await home.route("only.example/x"), [
      "mirror https://m.example x ns=only.example",
      "push https://only.example x",
    ]);
  });

  test("what it says wrongly is named", async () => {
    using home = new ConfigHome();
    for (const [text, pattern] of [
      [`server = "https://u:sesame@r.example"`, /"https:\/\/…@r.example" has a login/],
      [`[host."ftp://x"]`, /not the URL/],
      [`capabilities = ["fly"]`, /"fly" is no capability/],
      [`client = [["a"]]`, /pairs of certificate and key/],
      [`[header]\n"a b" = "c"`, /"a b" is no header/],
      [`[header]\na = "sesame\\n"`, /value of "a" cannot be sent/],
      [`[header]\na = "sesame`, /hosts.toml", line 2/],
    ] as const) {
      home.write("home/.config/containerd/certs.d/r.example/hosts.toml", text);
      await assert.rejects(home.route("r.example/x"), (error) => {
        assert.doesNotMatch(String((error as Error).stack), /sesame/);
        return isError("CONFIG", pattern)(error);
      });
    }
  });
});
