// Docker's Engine API as whoever writes requests by hand has it: what comes in badly, what is asked for that may not be
// had, clients that go, and the stream that older tools read.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import type { Descriptor } from "../../builder/core/image/descriptor.ts";
import type { ListedImage } from "../../builder/images.ts";
import { summaries, totalBytes } from "../../src/daemon/docker/image-list.ts";
import { StatusResponse } from "../../src/api/proto/control.ts";
import { offerOf, openSession } from "../support/build-client.ts";
import { client, DOCKERFILE, folder } from "./running-daemon.ts";

interface Line {
  readonly stream?: string;
  readonly id?: string;
  readonly aux?: unknown;
  readonly error?: string;
}

test("a context that comes with the request becomes an image of that name", async () => {
  const answer = await ask(
    "POST",
    "/build?t=by-hand:1&labels=%7B%22a%22%3A%22b%22%7D",
    {},
    await tarOf({ Dockerfile: DOCKERFILE }),
  );
  assert.equal(answer.status, 200);
  const said = linesOf(answer.body).map(({ stream = "" }) => stream);
  assert.ok(said.includes("Step 1/1 : COPY . /\n"), said.join(""));
  assert.equal(said.at(-1), "Successfully tagged by-hand:1\n");
  const { body } = await ask("GET", "/images/by-hand:1/json");
  const image = JSON.parse(body) as { Id: string; Config: { Labels: object }; RepoTags: readonly string[] };
  assert.deepEqual([image.Config.Labels, image.RepoTags], [{ a: "b" }, ["by-hand:1"]]);
  assert.deepEqual(linesOf(answer.body).find(({ aux }) => aux !== undefined)?.aux, { ID: image.Id });
});

test("a quiet build says the image's id and nothing else, and the image stays without a name", async () => {
  const dockerfile = "FROM scratch\nLABEL name=none\n";
  const { body } = await ask("POST", "/build?q=1", {}, await tarOf({ Dockerfile: dockerfile }));
  const [, id = ""] = /^\{"stream":"(sha256:[0-9a-f]{64})\\n"\}\r\n$/.exec(body) ?? [];
  const listed = async (): Promise<boolean> => (await ask("GET", "/images/json")).body.includes(id);
  assert.ok(id !== "" && (await listed()), body);
  assert.match((await ask("POST", "/images/prune")).body, new RegExp(`"Deleted":"${id}"`));
  assert.ok(!(await listed()));
});

test("older clients of BuildKit read its progress from the stream", async () => {
  const { body } = await ask("POST", "/build?version=2&t=traced", {}, await tarOf({ Dockerfile: DOCKERFILE }));
  const lines = linesOf(body);
  const names = lines
    .filter(({ id }) => id === "moby.buildkit.trace")
    .flatMap(({ aux }) => StatusResponse.decode(Buffer.from(String(aux), "base64")).vertexes.map(({ name }) => name));
  assert.ok(names.includes("[1/1] COPY . /"), names.join("\n"));
  assert.equal(lines.at(-1)?.id, "moby.image.id");
});

test("older clients of BuildKit have their context in a session", async () => {
  const offer = offerOf({ Dockerfile: DOCKERFILE, file: "of a session" });
  await using _session = openSession(client, "by hand", offer);
  const { status, body } = await ask("POST", "/build?version=2&remote=client-session&session=by%20hand&t=session:1");
  assert.equal(status, 200, body);
  assert.equal(linesOf(body).at(-1)?.id, "moby.image.id", body);
  assert.ok(offer.requested.includes("file"));
});

test("a session opens also for clients that end the body of its request at once, or do not", async () => {
  for (const pieces of [["0\r\n\r\n"], ["", "0\r\n\r\n"], [""]]) {
    const connection = connect(join(folder, "one.sock"));
    const id = `chunked ${pieces.join("+")}`.replaceAll(/\s/g, "-");
    const head = `Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\nX-Docker-Expose-Session-Uuid: ${id}`;
    for (const piece of pieces) {
      connection.write(piece === pieces[0] ? `POST /session HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n${piece}` : piece);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const [answer] = (await once(connection, "data")) as [Buffer];
    assert.match(answer.toString("latin1"), /^HTTP\/1\.1 101 /);
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    connection.write(settings);
    let got = answer.subarray(answer.indexOf("\r\n\r\n") + 4);
    while (!got.includes("PRI * HTTP/2.0"))
      got = Buffer.concat([got, ((await once(connection, "data")) as [Buffer])[0]]);
    const { status, body } = await ask(
      "POST",
      `/build?version=2&session=${encodeURIComponent(id)}`,
      {},
      await tarOf({ Dockerfile: DOCKERFILE }),
    );
    assert.equal(status, 200, body);
    connection.destroy();
  }
});

test("a session without an id is refused before its connection turns", async () => {
  const headers = { connection: "Upgrade", upgrade: "h2c" };
  const { status, body } = await ask("POST", "/session", headers);
  assert.equal(status, 400);
  assert.match(body, /the session has no id/);
  // Other protocols are not spoken: that is a request like any other.
  assert.equal((await ask("GET", "/_ping", { connection: "Upgrade", upgrade: "h2c" })).body, "OK");
});

test("what is not as it has to be is a 400 that names it, and no build", async () => {
  for (const [path, headers, message] of [
    ["/build?buildargs=%7B", {}, /buildargs is no JSON/],
    ["/build?labels=%5B1%5D", {}, /labels is not what it has to be/],
    ["/build?networkmode=weird", {}, /invalid netmode "weird"/],
    ["/build?memory=5000000", {}, /limits of a build's steps \(memory\)/],
    ["/build?cpusetcpus=0", {}, /limits of a build's steps \(cpusetcpus\)/],
    ["/build?isolation=hyperv", {}, /unsupported isolation: "hyperv"/],
    ["/build?securityopt=%5B%22seccomp%3Dunconfined%22%5D", {}, /security options are not supported/],
    ["/build", { "x-registry-config": "eA" }, /X-Registry-Config is no base64 of JSON/],
    ["/images/x/push?tag=1", { "x-registry-auth": "bnVtYmVy" }, /X-Registry-Auth/],
    ["/images/json?filters=x", {}, /./],
  ] as const) {
    const { status, body } = await ask(path.startsWith("/images/json") ? "GET" : "POST", path, headers);
    assert.ok(status === 400 || status === 501, `${path}: ${status} ${body}`);
    assert.match((JSON.parse(body) as { message: string }).message, message);
  }
});

test("a Dockerfile that is wrong, or empty, is told with its status", async () => {
  const wrong = await ask("POST", "/build", {}, await tarOf({ Dockerfile: "FORM x\n" }));
  assert.equal(wrong.status, 400);
  assert.match(wrong.body, /unknown instruction: FORM/);
  assert.match((await ask("POST", "/build")).body, /the build context .* is empty/);
});

test("a Dockerfile is looked for in the context, whatever its path says", async () => {
  const outside = await mkdtemp(join(tmpdir(), "tsbuild-outside-"));
  await writeFile(join(outside, "Dockerfile"), "FROM scratch\nLABEL stolen=yes\n");
  const path = encodeURIComponent(join(outside, "Dockerfile"));
  for (const asked of [path, `..%2f..%2f..%2f..${path}`]) {
    const { status, body } = await ask(
      "POST",
      `/build?dockerfile=${asked}`,
      {},
      await tarOf({ Dockerfile: DOCKERFILE }),
    );
    assert.notEqual(status, 200);
    assert.match(body, /Dockerfile/);
  }
  await rm(outside, { recursive: true });
});

test("a context that ends early ends the build, and nothing of it stays", async () => {
  const connection = connect(join(folder, "one.sock"));
  await once(connection, "connect");
  const tar = await tarOf({ Dockerfile: DOCKERFILE });
  connection.write("POST /build?t=early HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  connection.write(Buffer.concat([Buffer.from(`${tar.length.toString(16)}\r\n`), tar.subarray(0, 700)]));
  connection.end();
  assert.doesNotMatch(await text(connection), /^HTTP\/1\.1 200/);
  assert.equal((await ask("GET", "/images/early/json")).status, 404);
  const work = join(folder, "root/tsbuild/work");
  while ((await readdir(work)).length > 0) await new Promise((resolve) => setTimeout(resolve, 10));
});

for (const afterMs of [0, 300])
  test(`a build is cancelled by its id, once, after ${afterMs} ms`, async () => {
    const building = request({
      socketPath: join(folder, "one.sock"),
      method: "POST",
      path: "/build?buildid=mine",
      agent: false,
    });
    building.write(Buffer.alloc(512)); // and nothing more
    const answered = once(building, "response");
    await new Promise((resolve) => setTimeout(resolve, afterMs)); // it waits for the rest of its context by then
    const twice = async (): Promise<number> => (await ask("POST", "/build/cancel?id=mine")).status;
    while ((await twice()) !== 204) await new Promise((resolve) => setTimeout(resolve, 10));
    const [response] = (await answered) as [IncomingMessage];
    assert.equal(response.statusCode, 499);
    assert.match(await text(response), /the build was cancelled/);
    assert.equal(await twice(), 404);
    building.destroy();
  });

test("a name that is taken away twice, or was never there, is 404", async () => {
  await ask("POST", "/build?t=gone:1", {}, await tarOf({ Dockerfile: "FROM scratch\nLABEL gone=1\n" }));
  const { status, body } = await ask("DELETE", "/images/gone:1");
  assert.equal(status, 200);
  assert.match(body, /^\[\{"Untagged":"gone:1"\},\{"Deleted":"sha256:[0-9a-f]{64}"\}\]/);
  assert.equal((await ask("DELETE", "/images/gone:1")).status, 404);
  assert.equal((await ask("GET", "/images/gone:1/get")).status, 404);
  assert.equal((await ask("POST", "/images/gone:1/tag?repo=x")).status, 404);
});

test("what is not there, or of another platform, is said in docker's words", async () => {
  await ask("POST", "/build?t=here:1", {}, await tarOf({ Dockerfile: "FROM scratch\nLABEL here=1\n" }));
  const platform = encodeURIComponent('{"os":"plan9","architecture":"mips"}');
  const other = /image with reference here:1 was found but its platform \(\S+\) does not match .* \(plan9\/mips\)/;
  const filtered = (filters: object): string => `/images/json?filters=${encodeURIComponent(JSON.stringify(filters))}`;
  for (const [method, path, status, message] of [
    ["GET", "/images/nope/json", 404, /^No such image: nope:latest$/],
    ["GET", "/images/nope/get", 404, /^No such image: nope:latest$/],
    ["GET", `/images/here:1/json?platform=${platform}`, 404, other],
    ["GET", `/images/here:1/get?platform=${platform}`, 404, /no suitable export target found for platform plan9\/mips/],
    ["GET", filtered({ before: ["nope"] }), 404, /^No such image: nope:latest$/],
    ["GET", filtered({ some: ["x"] }), 400, /^invalid filter 'some'$/],
    ["GET", filtered({ dangling: ["maybe"] }), 400, /^invalid filter 'dangling=\[maybe\]'$/],
    ["GET", filtered({ until: ["soon"] }), 400, /^failed to parse value as time or duration: "soon"$/],
    ["POST", filtered({ before: ["here:1"] }).replace("json", "prune"), 400, /^invalid filter 'before'$/],
    ["GET", "/containers/here/json", 404, /^No such container: here$/],
    ["POST", "/containers/create", 501, /it does not offer docker's containers$/],
    ["GET", "/v1.24/images/none/json", 404, /^No such image/],
    ["GET", "/v1.51/images/none/json", 404, /^No such image/],
    ["GET", "/v1.52/images/json", 400, /^client version 1.52 is too new. Maximum supported API version is 1.51$/],
    ["GET", "/v1.9/images/json", 400, /^client version 1.9 is too old. Minimum supported API version is 1.24, please/],
    ["GET", "/images/search?term=x", 501, /it does not offer docker's images search$/],
    ["POST", "/commit?container=x", 501, /it does not offer docker's commit$/],
  ] as const) {
    const answer = await ask(method, path);
    assert.equal(answer.status, status, `${path}: ${answer.body}`);
    assert.match((JSON.parse(answer.body) as { message: string }).message, message, path);
  }
  assert.equal((await ask("GET", "/containers/json")).body, "[]\n");
  for (const [path, error] of [
    ["/images/here/push?tag=2", /^tag does not exist: here:2$/],
    ["/images/here:2/push", /^tag does not exist: here:2$/],
    ["/images/here:1/push?tag=2", /^tag does not exist: here:2$/],
    [`/images/here@sha256:${"0".repeat(64)}/push`, /^cannot push a digest reference$/],
    ["/images/nope/push", /^An image does not exist locally with the tag: nope$/],
    [`/images/here/push?tag=1&platform=${platform}`, other],
  ] as const)
    assert.match(linesOf((await ask("POST", path)).body).at(-1)?.error ?? "", error);
  assert.match((await ask("GET", filtered({ until: ["2000-01-01"] }))).body, /^\[\]$/m);
});

test("the newest image comes first, and what images share counts once", () => {
  const layer = (letter: string, size: number): Descriptor => ({
    mediaType: "x",
    digest: `sha256:${letter.repeat(64)}`,
    size,
  });
  const image = (letter: string, created: string, layers: readonly Descriptor[]): ListedImage => ({
    name: `docker.io/library/${letter}:1`,
    platform: "linux/amd64",
    imageId: layer(letter, 0).digest,
    digest: layer(letter, 0).digest,
    manifest: layer(letter, 0),
    created,
    sizeBytes: 7 + layers.reduce((sum, { size }) => sum + size, 0),
    layers,
    labels: {},
  });
  const base = layer("0", 1000);
  const images = [
    image("a", "2026-01-01T00:00:00Z", [base]),
    image("b", "2026-01-02T00:00:00Z", [base, layer("1", 20), layer("1", 20)]),
  ];
  const [newest, oldest] = summaries(images, { shared: true, manifests: true });
  assert.partialDeepStrictEqual(newest, { RepoTags: ["b:1"], Size: 1047, SharedSize: 1000 });
  const platform = { os: "linux", architecture: "amd64" };
  const size = { Content: 1047, Total: 1047 };
  const manifest = { Size: size, Kind: "image", ImageData: { Platform: platform } };
  assert.partialDeepStrictEqual(newest, { Manifests: [manifest] });
  assert.partialDeepStrictEqual(oldest, { RepoTags: ["a:1"], Size: 1007, SharedSize: 1000 });
  assert.equal(totalBytes(images), 1000 + 20 + 7 + 7);
});

test("the stream of events ends when it was to", async () => {
  const { status, body } = await ask("GET", `/events?until=${Date.now() / 1000 - 1}`);
  assert.deepEqual([status, body], [200, ""]);
});

test("what happens to images is told, as it happens and to whoever asks later", async () => {
  const since = Date.now() / 1000;
  interface Told {
    readonly Action: string;
    readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  }
  const told = (text: string): readonly string[] =>
    text
      .trim()
      .split("\n")
      .filter((line) => line.includes("evented"))
      .map((line) => JSON.parse(line) as Told)
      .map(({ Action, Actor: { ID, Attributes } }) => `${Action} ${Attributes["name"]} ${ID.length}`);
  const socket = { socketPath: join(folder, "one.sock") };
  const live = request({ ...socket, path: `/events?filters=${encodeURIComponent('{"event":["untag"]}')}` }).end();
  const [response] = (await once(live, "response")) as [IncomingMessage];
  await ask("POST", "/build?t=evented:1", {}, await tarOf({ Dockerfile: `FROM scratch\nLABEL at=${since}\n` }));
  await ask("POST", "/images/evented:1/tag?repo=evented&tag=2");
  await ask("GET", "/images/evented:1/get");
  await ask("DELETE", "/images/evented:1");
  await ask("DELETE", "/images/evented:2");
  const after = async (filters: object): Promise<readonly string[]> => {
    const query = new URLSearchParams({ since: String(since), until: "0s", filters: JSON.stringify(filters) });
    return told((await ask("GET", `/events?${query.toString()}`)).body);
  };
  const ID = 71;
  const all = ["tag evented:1", "tag evented:2", "save evented:1", "untag evented:1", "untag evented:2"];
  assert.deepEqual(
    await after({ type: ["image"] }),
    all.map((one) => `${one} ${ID}`),
  );
  assert.deepEqual(await after({ image: ["evented:2"], event: ["tag"] }), [`tag evented:2 ${ID}`]);
  assert.deepEqual(await after({ label: [`at=${since}`], event: ["save"] }), [`save evented:1 ${ID}`]);
  assert.deepEqual(await after({ container: ["evented"] }), []);
  assert.equal((await ask("GET", "/events?filters=%7B%22nothing%22%3A%5B%22x%22%5D%7D")).status, 400);
  let text = "";
  for await (const chunk of response) {
    text += String(chunk);
    if (text.includes("evented:2")) break;
  }
  assert.deepEqual(told(text), [`untag evented:1 ${ID}`, `untag evented:2 ${ID}`]);
  assert.match(text, /"time":\d{10},"timeNano":\d{19}\}\n/);
});

test("an image is not looked for anywhere but in the store", async () => {
  for (const name of ["dir:%2fetc", "oci-archive:%2fetc%2fpasswd", "docker:%2f%2f127.0.0.1:1%2fx"])
    assert.ok([400, 404].includes((await ask("GET", `/images/${name}/json`)).status), name);
});

async function tarOf(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const place = await mkdtemp(join(tmpdir(), "tsbuild-tar-"));
  for (const [name, content] of Object.entries(files)) await writeFile(join(place, name), content);
  const { stdout } = spawnSync("tar", ["cf", "-", "-C", place, "."]);
  await rm(place, { recursive: true });
  return stdout;
}

async function ask(
  method: string,
  path: string,
  headers: OutgoingHttpHeaders = {},
  body: Uint8Array = new Uint8Array(),
): Promise<{ readonly status: number; readonly body: string }> {
  const sent = request({ socketPath: join(folder, "one.sock"), method, path, headers, agent: false });
  sent.end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return { status: response.statusCode ?? 0, body: await text(response) };
}

function linesOf(body: string): readonly Line[] {
  return body
    .split("\r\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}
