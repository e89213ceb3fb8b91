import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import type { ErrorCode } from "../../builder/core/errors.ts";
import { dataRoot } from "../../src/config/data-root.ts";
import { localSession } from "../../src/config/session.ts";

const credentials = async (): Promise<undefined> => undefined;
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
    credentials,
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
  const options = { ssh: [], environment: {}, credentials };
  await refuses(
    localSession({ ...options, secrets: [{ id: "x", path: join(folder, "none") }] }),
    "INPUT_MISSING",
    /is not there/,
  );
  const big = join(folder, "big");
  await writeFile(big, Buffer.alloc(500 * 1024 + 1));
  await refuses(localSession({ ...options, secrets: [{ id: "x", path: big }] }), "USAGE", /too big/);
});

test("an SSH agent is a socket or made of key files; what is neither is refused by name", async () => {
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
      credentials,
    });
    assert.equal(await session.sshAgent("default"), socket);
    assert.equal(await session.sshAgent("x"), socket);
    assert.equal(await session.sshAgent("y"), undefined);
  } finally {
    server.close();
  }
  await refuses(
    localSession({ secrets: [], ssh: [{ id: "default", paths: [] }], environment: {}, credentials }),
    "INPUT_MISSING",
    /SSH_AUTH_SOCK/,
  );
  await refuses(
    localSession({ secrets: [], ssh: [{ id: "k", paths: [folder] }], environment: {}, credentials }),
    "INPUT_MISSING",
    /neither a socket nor a key file/,
  );
});
