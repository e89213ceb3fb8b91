// What a build learns of secrets on its way, and that it is not told any more then.

import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../../builder/core/digest.ts";
import { BuildError } from "../../builder/core/errors.ts";
import type { BuildEvent } from "../../builder/core/events.ts";
import { NamespaceNeeded } from "../../builder/core/system/namespace.ts";
import type { Session } from "../../builder/core/session.ts";
import type { BuildRequest } from "../../builder/request.ts";
import { SecretWatch } from "../../builder/engine/secrets/secret-watch.ts";

const vertex = digestOf("step");

async function watch(
  session: Partial<Session>,
  more: Partial<BuildRequest> = {},
): Promise<{ secrets: SecretWatch; told: BuildEvent[]; print: (text: string) => void; output: () => string }> {
  const told: BuildEvent[] = [];
  const asked = {
    context: { kind: "directory", path: "." },
    dockerfile: { kind: "default" },
    exports: [],
    namedContexts: new Map(),
    buildArgs: new Map(),
    events: (event: BuildEvent) => void told.push(event),
    session: {
      secret: () => Promise.resolve(undefined),
      sshAgent: () => Promise.resolve(undefined),
      credentials: () => Promise.resolve(undefined),
      ...session,
    },
    ...more,
  } as unknown as BuildRequest; // what the watch looks at
  const secrets = await SecretWatch.open(asked);
  return {
    secrets,
    told,
    print: (text) => secrets.request.events({ kind: "log", vertex, stream: 1, data: Buffer.from(text), time: 0 }),
    output: () => Buffer.concat(told.flatMap((event) => (event.kind === "log" ? [event.data] : []))).toString("utf8"),
  };
}

test("a login is withheld from when it was asked for, and is asked for once", async () => {
  let asked = 0;
  const credentials = async (): Promise<{ username: string; password: string }> => {
    asked++;
    return await Promise.resolve({ username: "jane", password: "pass-of-jane" });
  };
  const { secrets, print, output } = await watch({ credentials });
  print("pass-of-jane ");
  await secrets.request.session.credentials("example.org", "app");
  await secrets.request.session.credentials("example.org", "app");
  print(`pass-of-jane ${Buffer.from("jane:pass-of-jane").toString("base64")}`);
  secrets[Symbol.dispose]();
  assert.match(output(), /^pass-of-jane <withheld> \S{0,8}<withheld>\S{0,3}$/);
  assert.equal(asked, 1);
});

test("secrets that the client names are known before anything happens, others when a step asks", async () => {
  const secret = (id: string): Promise<Uint8Array> => Promise.resolve(Buffer.from(`value-of-${id}`));
  const { secrets, print, output } = await watch({ secretIds: ["a"], secret });
  print("value-of-a value-of-b ");
  await secrets.request.session.secret("b");
  print("value-of-b\n");
  secrets[Symbol.dispose]();
  assert.equal(output(), "<withheld> value-of-b <withheld>\n");
});

test("what is held back comes before the end of its step", async () => {
  const { secrets, print, told } = await watch({
    secretIds: ["a"],
    secret: () => Promise.resolve(Buffer.from("value-of-a")),
  });
  print("value-");
  assert.equal(told.length, 0);
  secrets.request.events({ kind: "vertex", vertex, name: "RUN value-of-a", inputs: [], started: 1, completed: 2 });
  assert.deepEqual(
    told.map((event) =>
      event.kind === "log" ? Buffer.from(event.data).toString() : event.kind === "vertex" && event.name,
    ),
    ["value-", "RUN <withheld>"],
  );
});

test("passwords of contexts and proxies are known, also percent-encoded", async () => {
  const { secrets, print, output } = await watch(
    {},
    {
      context: { kind: "git", url: "https://jane:pass%2Fword@example.org/app.git" },
      buildArgs: new Map([["HTTPS_PROXY", "http://u:proxy-word@proxy:3128"]]),
    },
  );
  print("pass%2Fword pass/word proxy-word example.org\n");
  secrets[Symbol.dispose]();
  assert.equal(output(), "<withheld> <withheld> <withheld> example.org\n");
});

test("errors, their causes and excerpts are without secrets; what asks for a namespace passes", async () => {
  const { secrets } = await watch({ secretIds: ["a"], secret: () => Promise.resolve(Buffer.from("value-of-a")) });
  const thrown = secrets.error(
    new BuildError("RUN_FAILED", "value-of-a failed", {
      exitCode: 3,
      hint: "try value-of-a",
      cause: new Error("because of value-of-a"),
      location: { file: "Dockerfile", range: { startLine: 2, endLine: 2 }, text: "FROM x\nRUN value-of-a\n" },
    }),
  );
  assert.ok(thrown instanceof BuildError);
  assert.equal(thrown.message, "<withheld> failed");
  assert.equal(thrown.exitCode, 3);
  assert.equal(thrown.hint, "try <withheld>");
  assert.equal(thrown.location?.text, "FROM x\nRUN <withheld>\n");
  assert.ok(thrown.cause instanceof Error);
  assert.doesNotMatch(`${thrown.stack}${thrown.cause.message}${thrown.cause.stack}`, /value-of-a/);
  const needed = new NamespaceNeeded("a step");
  assert.equal(secrets.error(needed), needed);
});

test("without secrets events and errors are passed on as they are", async () => {
  const { secrets, print, told } = await watch({});
  print("text");
  assert.equal(told.length, 1);
  const error = new BuildError("OUTPUT", "no");
  assert.equal(secrets.error(error), error);
  assert.equal(secrets.layers.begin("layer"), undefined);
  assert.equal(await secrets.outputs([]), undefined);
});
