// What the daemon says over HTTP: whether it is well, its numbers, and its pages, in a browser as wide as a phone too.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GrpcClient } from "../../src/api/grpc/client.ts";
import { serve } from "../../src/daemon/daemon.ts";
import { Page, whyNoBrowser } from "../support/browser.ts";
import { buildThrough, offerOf, openSession } from "../support/build-client.ts";
import { connected, options } from "./running-daemon.ts";

const TOKEN = "a token of some length";
/** Would run, or load something, if it were markup. */
const HOSTILE = `<img src=x onerror=document.title='pwned'>`;

let folder = "";
let address = "";
let grpc: GrpcClient;
const end = new AbortController();
let served: Promise<void>;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsbuild-pages-"));
  const listening = Promise.withResolvers<string>();
  const base = options("pages.sock");
  served = serve(
    {
      ...base,
      settings: { ...base.settings, root: join(folder, "pages") },
      addresses: [`unix://${join(folder, "pages.sock")}`, "tcp://127.0.0.1:0"],
      isInsecure: true,
      ui: { token: TOKEN },
      log: (_level, _what, facts = {}) => {
        const said = facts["address"];
        if (typeof said === "string" && said.startsWith("tcp:")) listening.resolve(said);
      },
    },
    end.signal,
  );
  served.catch(listening.reject);
  address = (await listening.promise).replace("tcp:", "http:");
  grpc = await connected(join(folder, "pages.sock"));
});
after(async () => {
  grpc[Symbol.dispose]();
  end.abort();
  await served;
  await rm(folder, { recursive: true });
});

let builds = 0;

async function build(
  files: Readonly<Record<string, string>>,
  wait?: Promise<void>,
  attrs: Readonly<Record<string, string>> = {},
): Promise<void> {
  const ref = `page${builds++}`;
  const offer = offerOf(
    files,
    wait === undefined ? {} : { beforeFile: (path) => (path === "a" ? wait : Promise.resolve()) },
  );
  await using _session = openSession(grpc, ref, offer);
  const exporters = [{ type: "image", attrs: new Map([["name", `${ref}:1`]]) }];
  await buildThrough(grpc, { ref, session: ref, exporters }, attrs);
}

async function get(path: string, status = 200): Promise<string> {
  const response = await fetch(`${address}${path}`);
  assert.equal(response.status, status, path);
  return await response.text();
}

test("it lives, it is ready, and its numbers can be scraped", async () => {
  assert.equal(await get("/healthz"), "ok\n");
  assert.equal(await get("/readyz"), "ok\n");
  await build({ Dockerfile: "FROM scratch\nCOPY a /\n", a: "A" });
  const text = await get("/metrics");
  assert.match(text, /^tsbuild_builds_total\{result="succeeded"\} 1$/m);
  assert.match(text, /^tsbuild_session_received_bytes_total [1-9]/m);
  assert.match(text, /^tsbuild_store_bytes\{tenant=""\} \d+$/m);
  for (const line of text.trim().split("\n"))
    assert.match(line, /^(?:# (?:HELP|TYPE) [a-z_]+ .+|[a-z_]+(?:\{[a-z]+="[^"]*"\})? [\d.e+-]+)$/);
});

test("a build is listed, has its timeline, and the layers and files of its image", async () => {
  await build({ Dockerfile: `FROM scratch\nCOPY ["a", "/${HOSTILE}"]\n`, a: "A" });
  const list = await get("/ui");
  const [, id = ""] = /href="\/ui\/builds\/([a-z0-9]+)\/image"/.exec(list) ?? [];
  const page = await get(`/ui/builds/${id}`);
  assert.match(page, /critical path/);
  assert.match(page, /\[1\/1\] COPY /);
  for (const each of [list, page]) assert.ok(!each.includes("<img"));
  const image = await get(`/ui/builds/${id}/image`);
  assert.match(image, /sha256:[0-9a-f]{64}/);
  assert.match(await get(`/ui/builds/${id}/image?layer=1`), /&lt;img/);
  assert.match(page, new RegExp(`<nav aria-label="Pages">.*<main>.*href="/ui/builds/${id}/image"`, "s"));
  await get("/ui/builds/nothing", 404);
  await get(`/ui/builds/${id}/image?layer=x`, 400);
});

test("of an image for several platforms each has its layers", async () => {
  const dockerfile = "FROM scratch AS amd64\nCOPY a /\nFROM scratch AS arm64\nCOPY b /\nFROM $TARGETARCH\n";
  await build({ Dockerfile: `ARG TARGETARCH\n${dockerfile}`, a: "A", b: "B" }, undefined, {
    platform: "linux/amd64,linux/arm64",
  });
  const [, id = ""] = /href="\/ui\/builds\/([a-z0-9]+)\/image"/.exec(await get("/ui")) ?? [];
  const pages = await Promise.all([1, 2].map((place) => get(`/ui/builds/${id}/image?platform=${place}`)));
  assert.match(pages[0] ?? "", /aria-current="page">linux\/amd64<.*COPY a \//s);
  assert.match(pages[1] ?? "", /aria-current="page">linux\/arm64<.*COPY b \//s);
  assert.match(await get(`/ui/builds/${id}/image?platform=2&layer=1`), />[^<]*\bb</);
  await get(`/ui/builds/${id}/image?platform=3`, 404);
});

test("the output of a build under way comes as it is made", async () => {
  const hold = Promise.withResolvers<void>();
  const building = build({ Dockerfile: "FROM scratch\nCOPY a /\n", a: `held ${Date.now()}` }, hold.promise);
  const ref = `page${builds - 1}`;
  let list = "";
  while (!list.includes(`/ui/running/${ref}`)) list = await get("/ui");
  assert.match(list, /http-equiv="refresh"/);
  assert.match(list, new RegExp(`/ui/running/${ref}">${ref}:1<`));
  const response = await fetch(`${address}/ui/running/${ref}`);
  assert.ok(response.body !== null);
  let [text, steps] = ["", ""];
  for await (const chunk of response.body) {
    text += Buffer.from(chunk).toString("utf8");
    if (!text.includes("load build definition")) continue;
    // The same as a timeline, again and again.
    steps ||= await get(`/ui/running/${ref}/steps`);
    hold.resolve();
  }
  assert.match(text, new RegExp(`<iframe title="Steps" src="/ui/running/${ref}/steps">`));
  assert.match(steps, /http-equiv="refresh"/);
  assert.match(steps, /class="path"[^]*load build definition from Dockerfile<[^]*class="span"[^]*running for /);
  assert.doesNotMatch(await get(`/ui/running/${ref}/steps`), /http-equiv="refresh"/);
  assert.match(text, /load build definition from Dockerfile begins<\/b>\n/);
  assert.match(text, /The build has ended\..*<\/body><\/html>\n$/s);
  assert.equal(text.indexOf("</body>"), text.lastIndexOf("</body>"));
  await building;
  await get(`/ui/running/nothing`, 404);
});

test("nothing can be changed without the token, nor from somebody else's page", async () => {
  const post = async (token: string, headers: Record<string, string> = {}): Promise<Response> =>
    await fetch(`${address}/ui/prune`, { method: "POST", body: new URLSearchParams({ token, all: "on" }), headers });
  // The sum has the database's log in it, which a build before may still be giving back.
  const items = async (): Promise<string> => (await get("/ui/disk")).replace(/<p>\S+ in all/, "<p>");
  const before = await items();
  assert.match(before, /name="token"/);
  assert.equal((await post("wrong")).status, 403);
  assert.equal((await post(TOKEN, { origin: "http://example.invalid" })).status, 403);
  assert.equal(await items(), before);
  const pruned = await post(TOKEN);
  assert.equal(pruned.status, 200);
  assert.match(await pruned.text(), /items went/);
});

test(
  "in a browser as wide as a phone the pages fit, and ask for nothing from elsewhere",
  { skip: whyNoBrowser() ?? false },
  async () => {
    await build({ Dockerfile: `FROM scratch\nCOPY ["a", "/${HOSTILE}"]\n`, a: "A", ["b".repeat(200)]: "x" });
    const [, id = ""] = /href="\/ui\/builds\/([a-z0-9]+)\/image"/.exec(await get("/ui")) ?? [];
    for (const path of ["/ui", `/ui/builds/${id}/image?layer=1`]) {
      await using page = await Page.open(`${address}${path}`);
      assert.equal(await page.evaluate("document.documentElement.scrollWidth"), 390, path);
      assert.equal(await page.evaluate("getComputedStyle(document.querySelector('tr:has(th)')).display"), "none");
      assert.notEqual(await page.evaluate("document.title"), "pwned");
      assert.equal(await page.evaluate("document.querySelectorAll('script, img').length"), 0);
      assert.ok(
        page.requests.every((url) => url.startsWith(address)),
        page.requests.join(" "),
      );
    }
  },
);
