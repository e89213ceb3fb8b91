// Caches in S3, in Azure's storage and in GitHub's cache service: nothing runs twice, the image is the same to the bit,
// only what is wanted is fetched, cache mounts travel, and a place that fails costs no build.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Ended, Room } from "../robustness/workshop.ts";
import { Workshop } from "../robustness/workshop.ts";
import { whyNoBusybox } from "../support/busybox.ts";
import type { ActionsStandin } from "../support/cloud/actions-standin.ts";
import { REST_TOKEN, startActionsStandin } from "../support/cloud/actions-standin.ts";
import type { AzureStandin } from "../support/cloud/azure-standin.ts";
import { startAzureStandin } from "../support/cloud/azure-standin.ts";
import type { S3Standin } from "../support/cloud/s3-standin.ts";
import { startS3Standin } from "../support/cloud/s3-standin.ts";
import { isPlayed, isPlayedInTurn } from "../support/sample.ts";
import { stepsOf } from "../support/step-ends.ts";

const FILES = {
  Dockerfile: [
    "FROM fixture:busybox AS tools",
    "RUN echo tool $(cat /proc/sys/kernel/random/uuid) > /tool",
    "FROM fixture:busybox",
    "RUN cat /proc/sys/kernel/random/uuid > /once",
    "RUN --mount=type=bind,from=tools,target=/tools cp /tools/tool /bound",
    "COPY --from=tools /tool /tool",
  ].join("\n"),
};
// Every build adds a line; the large file makes several chunks.
const MOUNTING = {
  Dockerfile: [
    "FROM fixture:busybox",
    "ARG N",
    "RUN --mount=type=cache,target=/c { test -e /c/large || dd if=/dev/urandom of=/c/large bs=1M count=6 2>/dev/null; } && echo $N >>/c/lines && echo lines: $(cat /c/lines)",
  ].join("\n"),
};
const KEYS = { accessKeyId: "AKID", secretAccessKey: "the-secret-key-of-s3", sessionToken: "the-session-of-s3" };
const ACCOUNT_KEY = Buffer.from("the key of the account").toString("base64");

suite("caches in buckets", { skip: whyNoBusybox() ?? false }, () => {
  let workshop: Workshop;
  let s3: S3Standin;
  let azure: AzureStandin;
  let actions: ActionsStandin;
  before(async () => {
    workshop = await Workshop.open();
    s3 = await startS3Standin({ bucket: "cache", region: "eu-north-1", ...KEYS });
    azure = await startAzureStandin({ account: "store", key: ACCOUNT_KEY });
    actions = await startActionsStandin();
  });
  after(async () => {
    for (const server of [s3, azure, actions]) await server[Symbol.asyncDispose]();
    await workshop.close();
  });

  const room = (): Room => workshop.room(FILES);
  const ran = ({ stderr }: Ended): string[] =>
    [...stepsOf(stderr)].filter(([name, end]) => name.includes("RUN ") && end !== "CACHED").map(([name]) => name);
  const idOf = ({ stdout, stderr }: Ended): string | undefined =>
    /image id (sha256:\w+)/.exec(`${stdout}${stderr}`)?.[1];

  /** A type: its words, what they need of the environment, and how its server is made to fail and to forget. */
  interface Kind {
    readonly name: string;
    readonly words: string;
    readonly env?: () => Readonly<Record<string, string>>;
    readonly refuseWrites: () => void;
    readonly accept: () => void;
    readonly asked: () => string[];
    /** Takes the blobs away; the document stays. */
    readonly forget: () => void;
    readonly secrets: readonly string[];
  }

  const awsEnv = (): Record<string, string> => ({
    AWS_ACCESS_KEY_ID: KEYS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
    AWS_SESSION_TOKEN: KEYS.sessionToken,
    AWS_REGION: "eu-north-1",
    AWS_ENDPOINT_URL_S3: s3.url,
  });
  const forgetBlobs = (names: Map<string, unknown>): void => {
    for (const name of names.keys()) if (name.includes("sha256:")) names.delete(name);
  };
  const ofActions = (version: 1 | 2): Kind => ({
    name: `gha, version ${version}`,
    words: `type=gha,scope=v${version}`,
    env: () => ({
      ACTIONS_RUNTIME_TOKEN: actions.token("!refs/heads/main"),
      [version === 2 ? "ACTIONS_RESULTS_URL" : "ACTIONS_CACHE_URL"]: `${actions.url}/`,
      ...(version === 2 ? { ACTIONS_CACHE_SERVICE_V2: "True" } : {}),
    }),
    refuseWrites: () => (actions.fail = (what) => (what.startsWith("reserve") ? 403 : undefined)),
    accept: () => (actions.fail = undefined),
    asked: () => actions.asked,
    forget: () => {
      for (const entry of actions.entries) if (entry.key.includes("blob")) entry.key = "gone";
    },
    secrets: [],
  });
  const KINDS: readonly Kind[] = [
    {
      name: "s3",
      words: "type=s3,bucket=cache,prefix=ci/,name=one;two",
      env: awsEnv,
      refuseWrites: () => (s3.fail = (method) => (method === "PUT" ? 403 : undefined)),
      accept: () => (s3.fail = undefined),
      asked: () => s3.asked,
      forget: () => forgetBlobs(s3.objects),
      secrets: [KEYS.secretAccessKey, KEYS.sessionToken],
    },
    ofActions(2),
    {
      name: "azblob",
      words: "",
      refuseWrites: () => (azure.fail = (method) => (method === "PUT" ? 403 : undefined)),
      accept: () => (azure.fail = undefined),
      asked: () => azure.asked,
      forget: () => forgetBlobs(azure.blobs),
      secrets: [ACCOUNT_KEY],
    },
    ofActions(1),
  ];
  const wordsOf = ({ words }: Kind): string =>
    words || `type=azblob,account_url=${azure.url},account_name=store,secret_access_key=${ACCOUNT_KEY}`;

  for (const kind of KINDS.filter((_, number) => isPlayed(number))) {
    test(`${kind.name}: another store has every step from it, and fetches what is wanted`, async () => {
      const env = kind.env?.() ?? {};
      const words = wordsOf(kind);
      const made = await room().succeed([`--cache-to=${words},mode=max`, "-o", "type=image"], { env });
      assert.match(made.stderr, /exporting (cache )?to /);
      const sent = kind.asked().length;
      const image = await room().succeed([`--cache-from=${words}`, `--cache-to=${words}`, "-o", "type=image"], { env });
      assert.deepEqual(ran(image), []);
      assert.equal(idOf(image), idOf(made));
      assert.doesNotMatch(image.stderr, /writing layer/);
      const isBlob = /^(GET|find) .*sha256:/;
      assert.ok(kind.asked().slice(sent).some((one) => isBlob.test(one)), "blobs were fetched"); // prettier-ignore
      kind.forget();
      const nothing = await room().succeed([`--cache-from=${words}`, "-o", "type=cacheonly"], { env });
      assert.deepEqual(ran(nothing), [], "a build that keeps nothing wants no blob");
      assert.match(nothing.stderr, /^#\d+ from the cache (s3|http|gha):.*\n#\d+ CACHED$/m);
      for (const secret of kind.secrets)
        assert.ok(![made, image, nothing].some(({ stdout, stderr }) => `${stdout}${stderr}`.includes(secret)));
    });

    test(`${kind.name}: a place that takes nothing is a warning, and an error where that was asked for`, async () => {
      const env = kind.env?.() ?? {};
      kind.refuseWrites();
      const words = `--cache-to=${wordsOf(kind).replace("scope=v", "scope=w").replace("name=one", "name=other")}`;
      const ended = await room().build([words, `${words},ignore-error=false`, "-o", "type=cacheonly"], { env });
      kind.accept();
      assert.match(ended.stderr, /^ - the cache was not written to .*HTTP 403/m);
      assert.equal(ended.code, 69, ended.stderr);
      for (const secret of kind.secrets) assert.ok(!ended.stderr.includes(secret));
    });
  }

  for (const kind of KINDS.filter((_, number) => isPlayedInTurn(number)))
    test(`${kind.name}: cache mounts travel, only changed chunks move, and what the place has lost is sent again`, async () => {
      const env = kind.env?.() ?? {};
      const [one, two, three] = [MOUNTING, MOUNTING, MOUNTING].map((files) => workshop.room(files));
      const words = wordsOf(kind).replace("scope=v", "scope=m").replace("name=one;two", "name=three;four");
      const build = async (room: Room | undefined, number: number, ...flags: readonly string[]): Promise<number> => {
        const before = kind.asked().length;
        const ended = await room?.succeed(["--build-arg", `N=${number}`, "-o", "type=cacheonly", ...flags], { env });
        const numbers = Array.from({ length: number }, (_, at) => at + 1);
        assert.equal(/^#\d+ [\d.]+ lines: (.*)$/m.exec(ended?.stderr ?? "")?.[1], numbers.join(" "));
        return kind.asked().slice(before).filter((what) => /^(PUT|reserve) .*sha256:/.test(what)).length; // prettier-ignore
      };
      const [from, to] = [`--cache-from=${words}`, `--cache-to=${words},mounts=max,ignore-error=false`];
      const all = await build(one, 1, to);
      const changed = await build(two, 2, from, to);
      // A list, the changed end of the mount, and the layers of a step.
      assert.ok(all >= 5 && changed <= 3, `${all} blobs were sent, then ${changed}`);
      kind.forget();
      assert.ok((await build(two, 3, to)) >= all);
      await build(three, 4, from);
    });

  test("where a bucket does not have what its document names, the steps run", async () => {
    const env = awsEnv();
    const words = "type=s3,bucket=cache,prefix=ci/,name=one";
    forgetBlobs(s3.objects);
    const ended = await room().succeed([`--cache-from=${words}`, "-o", "type=image"], { env });
    assert.match(ended.stderr, /^ - the cache .* does not have what it promises: there is no "ci\/blobs\/sha256/m);
    assert.notDeepEqual(ran(ended), []);
  });

  test("gha: a branch reads the cache of the one it comes from, and writes its own", async () => {
    const env = { ACTIONS_RESULTS_URL: actions.url, ACTIONS_CACHE_SERVICE_V2: "1" };
    const words = "type=gha,scope=branches";
    const main = { ...env, ACTIONS_RUNTIME_TOKEN: actions.token("!refs/heads/main") };
    await room().succeed([`--cache-to=${words},mode=max`, "-o", "type=cacheonly"], { env: main });
    const branch = { ...env, ACTIONS_RUNTIME_TOKEN: actions.token("!refs/heads/x", "refs/heads/main") };
    const listing = `${words},repository=owner/name,ghtoken=${REST_TOKEN}`;
    const more = { ...branch, GITHUB_API_URL: actions.url };
    const before = actions.asked.length;
    const ended = await room().succeed([`--cache-from=${words}`, `--cache-to=${listing}`, "-o", "type=cacheonly"], { env: more }); // prettier-ignore
    assert.deepEqual(ran(ended), []);
    const asked = actions.asked.slice(before);
    assert.equal(asked.filter((what) => what === "list buildkit-blob-1-").length, 2);
    assert.deepEqual(
      asked.filter((what) => what.startsWith("reserve buildkit-blob")),
      [],
    );
    const scopes = actions.entries.filter(({ key }) => key.startsWith("index-branches-")).map(({ scope }) => scope);
    assert.deepEqual(scopes, ["refs/heads/main", "refs/heads/x"]);
  });

  test("gha outside of a job, and a cache that is not there, are a warning each", async () => {
    const nowhere = `type=s3,bucket=cache,region=eu-north-1,endpoint_url=${s3.url},name=nothing,access_key_id=${KEYS.accessKeyId},secret_access_key=${KEYS.secretAccessKey},session_token=${KEYS.sessionToken}`; // prettier-ignore
    const ended = await room().succeed(["--cache-from=type=gha", `--cache-from=${nowhere}`, "--cache-to=type=gha", "-o", "type=cacheonly"]); // prettier-ignore
    assert.match(ended.stderr, /^ - the cache gha:buildkit is not used: this is no job of GitHub Actions/m);
    assert.match(ended.stderr, /^ - the cache s3:\/\/cache\/manifests\/nothing is not used: there is no cache/m);
    assert.match(ended.stderr, /^ - the cache was not written to gha:buildkit/m);
  });
});
