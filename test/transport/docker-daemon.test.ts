// A docker daemon as a source and a sink, by its API alone; test/peers/docker-daemon.test.ts has real ones.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { createServer } from "node:net";
import { once } from "node:events";
import { after, before, suite, test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import { startDockerStandin } from "../support/docker-standin.ts";
import type { MadeImage, Workshop } from "./copy-workshop.ts";
import { makeImage, makeIndex, openWorkshop } from "./copy-workshop.ts";

suite("a docker daemon", () => {
  let image: MadeImage;
  let shop: Workshop;
  before(async () => {
    shop = await openWorkshop();
    image = await makeImage(shop.store);
    await shop.store.names.tag("docker.io/library/app:1", image.document.descriptor);
  });
  after(() => shop[Symbol.asyncDispose]());

  /** A workshop with the same images, on this daemon. */
  async function withDaemon(host: string): Promise<Workshop> {
    const own = await openWorkshop(host);
    await makeImage(own.store);
    await own.store.names.tag("docker.io/library/app:1", image.document.descriptor);
    return own;
  }

  const fails = (code: string, message: RegExp) => (error: unknown) => {
    assert(error instanceof BuildError, String(error));
    assert.match(error.message, message);
    assert.equal(error.code, code);
    return true;
  };

  test("of the classic store keeps the image id, and is checked for it", async () => {
    await using docker = await startDockerStandin();
    await using own = await withDaemon(docker.host);
    docker.ids.set("app:2", image.config.digest);
    const result = await own.copy("store:app:1", "docker-daemon:app:2");
    assert.equal(result.keepsManifest, false);
    // What it was given is an archive that every reader takes.
    assert.equal(docker.loaded.length, 1);
    docker.archives.set("app:2", docker.loaded[0] as Buffer);
    const back = await own.copy("docker-daemon:app:2", "store:app:back");
    assert.equal(back.images[0]?.imageId, image.config.digest);
    assert.equal(back.top.digest, image.document.descriptor.digest);
    docker.ids.set("app:3", `sha256:${"0".repeat(64)}`);
    await assert.rejects(
      own.copy("store:app:1", "docker-daemon:app:3"),
      fails("DIGEST_INVALID", /calls "app:3" sha256:0000/),
    );
    await assert.rejects(
      own.copy("store:app:1", "docker-daemon:app:2", { preserveDigests: true }),
      /keeps no manifest/,
    );
  });

  test("of the containerd store keeps manifests and indexes", async () => {
    await using docker = await startDockerStandin({ isContainerd: true });
    await using own = await withDaemon(docker.host);
    docker.ids.set("app:2", image.document.descriptor.digest);
    const result = await own.copy("store:app:1", "docker-daemon:app:2", { preserveDigests: true });
    assert.equal(result.keepsManifest, true);
    const { top } = await makeIndex(own.store);
    await own.store.names.tag("docker.io/library/multi:1", top.descriptor);
    docker.ids.set("multi:1", top.descriptor.digest);
    await own.copy("store:multi:1", "docker-daemon:multi:1", { which: "all", preserveDigests: true });
    docker.archives.set("multi:1", docker.loaded.at(-1) as Buffer);
    const back = await own.copy("docker-daemon:multi:1", "store:multi:back", { which: "all" });
    assert.equal(back.top.digest, top.descriptor.digest);
  });

  test("gets gzip for zstd where it may not read it", async () => {
    await using docker = await startDockerStandin();
    await using own = await withDaemon(docker.host);
    const zstd = await makeImage(own.store, { compression: "zstd" });
    await own.store.names.tag("docker.io/library/zstd:1", zstd.document.descriptor);
    docker.ids.set("zstd:1", zstd.config.digest);
    const result = await own.copy("store:zstd:1", "docker-daemon:zstd:1");
    assert.equal(result.images[0]?.imageId, zstd.config.digest);
    assert.ok(!(docker.loaded[0] as Buffer).includes("tar+zstd"));
  });

  const json = (response: ServerResponse, status: number, body: object): boolean => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
    return true;
  };
  const wrong: readonly (readonly [
    what: string,
    answer: Parameters<typeof startDockerStandin>[0],
    code: string,
    message: RegExp,
  ])[] = [
    [
      "refuses a load",
      {
        answer: ({ url = "" }, response) =>
          url.startsWith("/images/load") && json(response, 500, { message: "no space left" }),
      },
      "REGISTRY",
      /answered HTTP 500: no space left/,
    ],
    [
      "fails in the middle of a load, with status 200",
      {
        answer: ({ url = "" }, response) =>
          url.startsWith("/images/load") &&
          json(response, 200, { errorDetail: { message: "bad" }, error: 'bad "tar"' }),
      },
      "REGISTRY",
      /cannot load the image: bad/,
    ],
    [
      "closes the connection",
      {
        answer: ({ url = "", socket }) => {
          if (!url.startsWith("/images/load")) return false;
          socket.destroy();
          return true;
        },
      },
      "REGISTRY",
      /cannot reach the docker daemon/,
    ],
    ["is no docker daemon", { answer: (_, response) => json(response, 404, {}) }, "INPUT_MISSING", /answered HTTP 404/],
  ];
  for (const [what, options, code, message] of wrong) {
    test(`that ${what} says so`, async () => {
      await using docker = await startDockerStandin(options);
      await using own = await withDaemon(docker.host);
      await assert.rejects(own.copy("store:app:1", "docker-daemon:app:2"), fails(code, message));
    });
  }

  test("that gives half an archive, or none, is refused, and nothing of it stays", async () => {
    await using docker = await startDockerStandin();
    await using own = await withDaemon(docker.host);
    await own.copy("store:app:1", `oci-archive:${own.path("app.tar")}`);
    const whole = readFileSync(own.path("app.tar"));
    for (const [archive, message] of [
      [whole.subarray(0, 900), /is not an image archive|ends in the middle|not in the archive/],
      [Buffer.from("hello"), /is not an image archive|invalid archive/],
    ] as const) {
      docker.archives.set("half:1", archive);
      await assert.rejects(own.copy("docker-daemon:half:1", "store:half:1"), fails("ARCHIVE_INVALID", message));
    }
    await assert.rejects(
      own.copy("docker-daemon:none:1", "store:none:1"),
      fails("INPUT_MISSING", /^there is no "none:1": the docker daemon at .* HTTP 404: No such image/),
    );
    assert.equal(await own.store.names.resolve("docker.io/library/half:1"), undefined);
  });

  test("that is not there, or spoken to in a way we do not know, says what to do", async () => {
    await using nobody = await withDaemon("unix:///nonexistent/docker.sock");
    await assert.rejects(nobody.copy("docker-daemon:x:1", "store:x:1"), fails("REGISTRY", /nobody answers there/));
    await using ssh = await withDaemon("ssh://somebody@example.test");
    await assert.rejects(ssh.copy("docker-daemon:x:1", "store:x:1"), fails("UNSUPPORTED", /by ssh:\/\//));
    await using nonsense = await withDaemon("docker.sock");
    await assert.rejects(
      nonsense.copy("docker-daemon:x:1", "store:x:1"),
      fails("USAGE", /not the address of a docker daemon/),
    );
    await assert.rejects(shop.copy("docker-daemon:x:1", "store:x:1"), fails("UNSUPPORTED", /no docker daemon/));
  });

  test("is reached by TCP", async () => {
    await using docker = await startDockerStandin();
    docker.ids.set("app:2", image.config.digest);
    // Only a way there: TCP to the socket.
    const { connect } = await import("node:net");
    const bridge = createServer((client) => {
      const inner = connect(docker.host.slice("unix://".length));
      client.pipe(inner).pipe(client);
      for (const end of [client, inner]) end.on("error", () => undefined);
    });
    bridge.listen(0, "127.0.0.1");
    await once(bridge, "listening");
    const { port } = bridge.address() as { port: number };
    try {
      await using own = await withDaemon(`tcp://127.0.0.1:${port}`);
      await own.copy("store:app:1", "docker-daemon:app:2");
      assert.equal(docker.loaded.length, 1);
    } finally {
      bridge.close();
    }
  });
});
