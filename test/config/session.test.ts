import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import type { ErrorCode } from "../../builder/core/errors.ts";
import { CredentialFiles } from "../../src/config/credentials.ts";
import { dataRoot } from "../../src/config/data-root.ts";
import { localSession } from "../../src/config/session.ts";

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsbuild-test-"));
});
after(() => rm(folder, { recursive: true }));

async function refuses(body: Promise<unknown>, code: ErrorCode, pattern: RegExp): Promise<void> {
  await assert.rejects(
    body,
    (error) => error instanceof BuildError && error.code === code && pattern.test(error.message),
  );
}

test("the store is where the flag, TSBUILD_ROOT, root's rule or XDG says, in this order", () => {
  const environment = { TSBUILD_ROOT: "/e", XDG_DATA_HOME: "/x", HOME: "/h" };
  assert.equal(dataRoot("/f", environment, 1000), "/f");
  assert.equal(dataRoot(undefined, environment, 0), "/e");
  assert.equal(dataRoot(undefined, { HOME: "/root" }, 0), "/var/lib/tsbuild");
  assert.equal(dataRoot(undefined, { XDG_DATA_HOME: "/x", HOME: "/h" }, 1000), "/x/tsbuild");
  assert.equal(dataRoot(undefined, { XDG_DATA_HOME: "relative", HOME: "/h" }, 1000), "/h/.local/share/tsbuild");
  assert.match(dataRoot(undefined, { HOME: "" }, 1000), /^\/.*\.local\/share\/tsbuild$/);
});

test("a secret is a file or a variable; without a type the variable comes first", async () => {
  const path = join(folder, "TOKEN");
  await writeFile(path, "from file");
  const session = await localSession({
    secrets: [{ id: "a", path }, { id: "b", variable: "B" }, { id: "GUESSED" }, { id: "unset", variable: "UNSET" }],
    ssh: [],
    environment: { B: "from variable", GUESSED: "guessed" },
  });
  const text = async (id: string): Promise<string | undefined> => {
    const bytes = await session.secret(id);
    return bytes && Buffer.from(bytes).toString();
  };
  assert.equal(await text("a"), "from file");
  assert.equal(await text("b"), "from variable");
  assert.equal(await text("GUESSED"), "guessed");
  assert.equal(await text("unset"), undefined);
  assert.equal(await text("never named"), undefined);
});

test("a secret that is missing or too big is refused before the build begins", async () => {
  const options = { ssh: [], environment: {} };
  await refuses(
    localSession({ ...options, secrets: [{ id: "x", path: join(folder, "none") }] }),
    "INPUT_MISSING",
    /is not there/,
  );
  const big = join(folder, "big");
  await writeFile(big, Buffer.alloc(500 * 1024 + 1));
  await refuses(localSession({ ...options, secrets: [{ id: "x", path: big }] }), "USAGE", /too big/);
});

test("an SSH agent is a socket; keys and missing sockets are refused by name", async () => {
  const socket = join(folder, "agent");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  try {
    const environment = { SSH_AUTH_SOCK: socket };
    const session = await localSession({
      secrets: [],
      ssh: [
        { id: "default", paths: [] },
        { id: "x", paths: [socket] },
      ],
      environment,
    });
    assert.equal(await session.sshAgent("default"), socket);
    assert.equal(await session.sshAgent("x"), socket);
    assert.equal(await session.sshAgent("y"), undefined);
  } finally {
    server.close();
  }
  await refuses(
    localSession({ secrets: [], ssh: [{ id: "default", paths: [] }], environment: {} }),
    "INPUT_MISSING",
    /SSH_AUTH_SOCK/,
  );
  const key = join(folder, "id_ed25519");
  await writeFile(key, "key");
  await refuses(
    localSession({ secrets: [], ssh: [{ id: "k", paths: [key] }], environment: {} }),
    "UNSUPPORTED",
    /key files/,
  );
});

test("credentials are found under every name of Docker Hub, and the first file that has some wins", async () => {
  const auth = (pair: string): string => Buffer.from(pair).toString("base64");
  await writeFile(
    join(folder, "config.json"),
    JSON.stringify({
      auths: {
        "https://index.docker.io/v1/": { auth: auth("hub:pa:ss") },
        "r.example:5000": { auth: auth("u:p"), identitytoken: "t" },
      },
      credHelpers: { "ecr.example": "ecr" },
    }),
  );
  const files = new CredentialFiles({ DOCKER_CONFIG: folder, HOME: folder });
  assert.deepEqual(await files.find("docker.io"), { username: "hub", password: "pa:ss" });
  assert.deepEqual(await files.find("registry-1.docker.io"), { username: "hub", password: "pa:ss" });
  assert.deepEqual(await files.find("r.example:5000"), { username: "u", password: "p", identityToken: "t" });
  assert.equal(await files.find("ghcr.io"), undefined);
  await refuses(files.find("ecr.example"), "UNSUPPORTED", /credential helper "ecr"/);
  const inline = new CredentialFiles({
    DOCKER_CONFIG: folder,
    HOME: folder,
    DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { "docker.io": { username: "i", password: "j" } } }),
  });
  assert.deepEqual(await inline.find("docker.io"), { username: "i", password: "j" });
});

test("a broken credentials file is named, and nothing of it is shown", async () => {
  const broken = join(folder, "broken");
  await writeFile(broken, '{"auths": {"x": {"auth": "c2VjcmV0');
  await assert.rejects(new CredentialFiles({ REGISTRY_AUTH_FILE: broken, HOME: folder }).find("x"), (error) => {
    assert.ok(error instanceof BuildError && error.code === "CONFIG");
    return error.message.includes(broken) && !String(error.stack).includes("c2VjcmV0") && error.cause === undefined;
  });
});
