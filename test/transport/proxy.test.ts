// Which proxy a request goes through: the cases of Go's own test (golang.org/x/net/http/httpproxy), as facts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyFor } from "../../builder/transport/registry/http/proxy.ts";

const through = (url: string, variables: Record<string, string>): string | undefined =>
  proxyFor(new URL(url), new Map(Object.entries(variables)))?.url.href;

test("the scheme chooses the variable, upper case comes first, and host:port is an http proxy", () => {
  assert.equal(through("http://x.example", { HTTP_PROXY: "http://p:1" }), "http://p:1/");
  assert.equal(through("https://x.example", { HTTP_PROXY: "http://p:1" }), undefined);
  assert.equal(through("https://x.example", { HTTPS_PROXY: "p:1", https_proxy: "q:1" }), "http://p:1/");
  assert.equal(through("https://x.example", { HTTPS_PROXY: "", https_proxy: "https://u:p@q" }), "https://u:p@q/");
  assert.equal(through("http://x.example", { ALL_PROXY: "http://p:1" }), undefined);
});

test("this machine is reached directly", () => {
  for (const host of ["localhost", "127.0.0.1:5000", "127.9.9.9", "[::1]:80"])
    assert.equal(through(`http://${host}/`, { HTTP_PROXY: "p:1" }), undefined, host);
});

test("NO_PROXY takes domains, addresses, ranges, ports and *", () => {
  const cases: [string, string, boolean][] = [
    ["foo.com", "http://foo.com", false],
    ["foo.com", "http://bar.foo.com", false],
    ["foo.com", "http://barfoo.com", true],
    [".foo.com", "http://foo.com", true],
    [".foo.com", "http://bar.foo.com", false],
    ["*.foo.com", "http://bar.foo.com", false],
    ["*.foo.com", "http://foo.com", true],
    ["FOO.com", "http://foo.com", false],
    ["foo.com:80", "http://foo.com", false],
    ["foo.com:80", "http://foo.com:8080", true],
    ["foo.com:443", "https://foo.com", false],
    ["a.b, , foo.com", "http://foo.com", false],
    ["192.168.1.1", "http://192.168.1.1", false],
    ["192.168.1.1:81", "http://192.168.1.1:80", true],
    ["192.168.1.1:81", "http://192.168.1.1:81", false],
    ["10.0.0.0/8", "http://10.1.2.3", false],
    ["10.0.0.0/8", "http://11.1.2.3", true],
    ["10.0.0.0/8", "http://foo.com", true],
    ["10.0.0.0/99", "http://10.1.2.3", true],
    ["fd00::/8", "http://[fd12::1]", false],
    ["fd12::1", "http://[fd12::1]:8080", false],
    ["[fd12::1]:80", "http://[fd12:0::1]:8080", true],
    ["[fd12::1]:8080", "http://[fd12:0:0::1]:8080", false],
    ["*", "http://foo.com", false],
    ["foo.com,*", "http://10.0.0.1", false],
    [":80", "http://foo.com", true],
    ["bücher.example", "http://xn--bcher-kva.example", false],
    ["", "http://foo.com", true],
  ];
  for (const [exceptions, url, isUsed] of cases) {
    const found = through(url, { HTTP_PROXY: "p:1", HTTPS_PROXY: "p:1", NO_PROXY: exceptions });
    assert.equal(found !== undefined, isUsed, `${exceptions} ${url}`);
  }
  assert.equal(through("http://foo.com", { http_proxy: "p:1", no_proxy: "foo.com" }), undefined);
});

test("an address that is no proxy is an error without the login in it", () => {
  for (const proxy of ["http://u:sesame@", "socks5://u:sesame@p:1"]) {
    assert.throws(
      () => through("http://foo.com", { HTTP_PROXY: proxy }),
      (error) => error instanceof Error && /HTTP_PROXY/.test(error.message) && !/sesame/.test(String(error.stack)),
    );
  }
});
