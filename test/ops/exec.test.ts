// RUN as an op: what the program sees, what becomes of it, and what stays behind. Real steps, on both snapshotters.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type Digest, digestOf } from "../../builder/core/digest.ts";
import { hostPlatform } from "../../builder/core/image/platform.ts";
import type { BuildEvent } from "../../builder/core/events.ts";
import { type Engine, openEngine } from "../../builder/engine.ts";
import type { ExecMount, ExecOp } from "../../builder/graph/op.ts";
import { vertex } from "../../builder/graph/vertex.ts";
import type { OpContext } from "../../builder/ops/engine-parts.ts";
import type { ExecResults } from "../../builder/ops/exec.ts";
import { type KeyContext, keyOf } from "../../builder/ops/keys.ts";
import { runExec } from "../../builder/ops/exec.ts";
import type { OpResult } from "../../builder/ops/result.ts";
import { RefResult } from "../../builder/ops/result.ts";
import { SharedRuns } from "../../builder/ops/shared-runs.ts";
import type { SolvedInput } from "../../builder/solver/operator.ts";
import { insideSandboxUser } from "../executor/step-fixture.ts";
import { entriesOf } from "../layer/support.ts";
import { makeBase } from "../snapshot/base-tree.ts";

const NEVER = new AbortController().signal;

test("a mount that cannot be had while the key of what it stands on is still sought fails its step, not the process", async () => {
  const mount: ExecMount = { type: "bind", input: 1, selector: "", target: "/t", readonly: true };
  const op = { kind: "exec", rootInput: 0, mounts: [mount] } as unknown as ExecOp; // what a key looks at
  const root = { key: () => new Promise<Digest>((resolve) => setTimeout(resolve, 5, digestOf("root"))) };
  const mounted = { result: () => Promise.reject(new Error("it is gone")) };
  const inputs = [root, mounted] as unknown as readonly SolvedInput<OpResult>[]; // neither is asked for more
  await assert.rejects(keyOf(vertex(op, [], { name: "RUN" }), inputs, {} as KeyContext, NEVER), /it is gone/);
});

if (await insideSandboxUser(import.meta.url)) {
  for (const kind of ["overlay", "copy"] as const) suite(`RUN on the ${kind} snapshotter`, () => execTests(kind));
}

function execTests(kind: "overlay" | "copy"): void {
  let folder = "";
  let engine: Engine;
  let base: RefResult;
  let said = "";
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "tsbuild-exec-"));
    engine = await openEngine({ root: join(folder, "root"), snapshotter: kind });
    const layer = await engine.layers.fromEntries(
      entriesOf(makeBase(folder)),
      { directory: true, hardlinkSources: false, blob: { compression: "gzip" }, createdMs: 0 },
      NEVER,
    );
    base = new RefResult({ layers: [layer] });
  });
  after(async () => {
    await engine[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  interface Step extends Partial<ExecOp> {
    readonly script: string;
    readonly hiddenEnv?: readonly string[];
    readonly signal?: AbortSignal;
  }

  async function run(step: Step): Promise<RefResult> {
    return await runOn(base, step);
  }

  async function runOn(root: RefResult, step: Step): Promise<RefResult> {
    return (await runAll(step, root)).root as RefResult; // runExec makes no other kind
  }

  async function runAll(
    { script, hiddenEnv = [], signal = NEVER, ...changes }: Step,
    root: RefResult = base,
  ): Promise<ExecResults> {
    const op: ExecOp = {
      kind: "exec",
      rootInput: 0,
      args: ["/bin/busybox", "sh", "-c", script],
      env: ["PATH=/bin"],
      cwd: "/",
      user: "",
      mounts: [],
      network: "default",
      security: "sandbox",
      hostname: "",
      extraHosts: [],
      ulimits: [],
      shmSizeBytes: 65536,
      cgroupParent: "",
      platform: hostPlatform(),
      ...changes,
    };
    said = "";
    const step = vertex(op, [], { name: "RUN", hiddenEnv });
    return await runExec(context(), step, op, [root], signal);
  }

  /** What a RUN touches of a build; the rest is not there. */
  function context(): OpContext {
    const events = (event: BuildEvent): void => {
      if (event.kind === "log") said += Buffer.from(event.data).toString();
    };
    const parts: Partial<OpContext> = {
      layers: engine.layers,
      snapshotter: () => engine.snapshotter(),
      executor: () => engine.executor(),
      cacheMounts: engine.cacheMounts,
      events,
      now: () => 0,
    };
    return parts as OpContext;
  }

  test("HOME is the user's of passwd, by number too, else /; a HOME of the environment stays unless it is empty", async () => {
    const cases: readonly (readonly [user: string, env: readonly string[], home: string])[] = [
      ["", [], "/root"],
      ["toor", [], "/root"],
      ["0:0", [], "/root"],
      ["", ["HOME=/other"], "/other"],
      ["", ["HOME="], "/root"],
    ];
    for (const [user, env, home] of cases) {
      await run({ script: "echo $HOME", user, env: ["PATH=/bin", ...env] });
      assert.equal(said, `${home}\n`, `${user} ${env.join()}`);
    }
  });

  test("HOME of another user, and of a number without a line", async (t) => {
    try {
      await run({ script: "echo $HOME", user: "guest" });
    } catch (error) {
      if (/does not have/.test(String(error))) return t.skip("this namespace has one id");
      throw error;
    }
    assert.equal(said, "/home/guest\n");
    await run({ script: "echo $HOME", user: "4321" });
    assert.equal(said, "/\n");
  });

  test("the host name is BuildKit's where none is given", async () => {
    await run({ script: "hostname; grep -c 'localhost buildkitsandbox' /etc/hosts" });
    assert.equal(said, "buildkitsandbox\n1\n");
    await run({ script: "hostname", hostname: "mine" });
    assert.equal(said, "mine\n");
  });

  test("variables that are hidden from the key are seen by the program", async () => {
    await run({ script: "echo $HTTP_PROXY", hiddenEnv: ["HTTP_PROXY=http://proxy"] });
    assert.equal(said, "http://proxy\n");
  });

  // A claim is the step's before: its changes are still being listed.
  const leftovers = (): string[] =>
    readdirSync(engine.layers.place.workDirectory).filter((name) => !name.startsWith("claim-"));

  test("a failure has the program's exit code; nothing of it stays", async () => {
    await assert.rejects(run({ script: "echo x >/x; exit 42" }), {
      code: "RUN_FAILED",
      exitCode: 42,
      message: /did not complete successfully: exit code: 42$/,
    });
    await assert.rejects(run({ script: "busybox sh -c 'kill -9 $$'; exit $?" }), {
      exitCode: 137,
      hint: /^something else ended it, .*for want of memory.*\d MiB.*resources\.limits\.memory/,
    });
    await assert.rejects(run({ script: "", args: ["/missing"] }), { exitCode: 127 });
    assert.deepEqual(leftovers(), []);
  });

  test("an abort ends it at once, with all its processes", async () => {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), 300);
    const started = performance.now();
    await assert.rejects(run({ script: "sleep 100 & sleep 100", signal: stop.signal }), { code: "CANCELLED" });
    clearTimeout(timer);
    assert.ok(performance.now() - started < 10_000);
    assert.deepEqual(leftovers(), []);
  });

  test("a mounted part of another stage is seen below its target, and not in the layer", async () => {
    const result = await run({ script: "cat /m/deep; cat /f", mounts: [bind("a/sub", "/m"), bind("a/link", "/f")] });
    assert.equal(said, "a/sub/deep\na/file\n");
    assert.deepEqual(await result.layers.at(-1)?.index(NEVER), []);
  });

  test("a read-only mount cannot be written; what is written to another is thrown away", async () => {
    await assert.rejects(run({ script: "echo x >/m/new", mounts: [bind("a", "/m")] }), { code: "RUN_FAILED" });
    const mount = { ...bind("a", "/m"), readonly: false };
    const result = await run({ script: "echo x >/m/new && cat /m/new && rm /m/file", mounts: [mount] });
    assert.equal(said, "x\n");
    assert.deepEqual(await result.layers.at(-1)?.index(NEVER), []);
    await run({ script: "cat /a/file", mounts: [] });
    assert.equal(said, "a/file\n");
  });

  test("what is written to mounts that are results is theirs, each on what it was mounted from", async () => {
    const out = { ...bind("/", "/out"), input: -1, readonly: false, isOutput: true } as const;
    const part = { ...bind("a", "/part"), readonly: false, isOutput: true } as const;
    const { root, mounts } = await runAll({
      script: "echo o >/out/o; echo n >/part/new; rm /part/file; echo r >/r",
      mounts: [out, bind("a", "/ro"), part],
    });
    const changed = async (result: OpResult | undefined): Promise<unknown> =>
      (await (result as RefResult).layers.at(-1)?.index(NEVER))?.map(({ path, type }) => `${type} ${path}`);
    assert.deepEqual(await changed(root), ["file r"]);
    assert.deepEqual([...mounts.keys()], [0, 2]);
    assert.deepEqual(await changed(mounts.get(0)), ["file o"]);
    assert.deepEqual(await changed(mounts.get(2)), ["dir a", "whiteout a/file", "file a/new"]);
    assert.deepEqual(
      [(await mounts.get(0)?.ref(NEVER))?.layers.length, (await mounts.get(2)?.ref(NEVER))?.layers.length],
      [1, 2],
    );
  });

  test("vertices of one program with several results run it once", async () => {
    const out = { ...bind("/", "/out"), input: -1, readonly: false, isOutput: true } as const;
    const runs = new SharedRuns();
    let count = 0;
    const counted = async (): Promise<ExecResults> => {
      count++;
      return await runAll({ script: "echo o >/out/o", mounts: [out] });
    };
    const of = (result: object): Promise<OpResult> => {
      const op = { kind: "exec", mounts: [out], ...result } as unknown as ExecOp; // all that is looked at
      return runs.resultOf({ ...vertex(op, [], { name: "RUN" }), op }, counted);
    };
    const [root, mounted] = await Promise.all([of({}), of({ result: 0 })]);
    assert.equal(count, 1);
    assert.deepEqual([(await root.ref(NEVER)).layers.length, (await mounted.ref(NEVER)).layers.length], [2, 1]);
  });

  test("an exit code that is expected is no failure, and 0 is one where it is not", async () => {
    await run({ script: "exit 3", validExitCodes: [3] });
    await assert.rejects(run({ script: "exit 0", validExitCodes: [3] }), { code: "RUN_FAILED" });
  });

  test("a cache directory keeps what a step wrote for the next one", async () => {
    const cache: ExecMount = {
      type: "cache",
      input: -1,
      selector: "",
      target: "/c",
      id: kind,
      sharing: "shared",
      readonly: false,
      mode: 0o755,
      uid: 0,
      gid: 0,
    };
    await run({ script: "echo kept >/c/f", mounts: [cache] });
    const result = await run({ script: "cat /c/f", mounts: [cache] });
    assert.equal(said, "kept\n");
    assert.deepEqual(await result.layers.at(-1)?.index(NEVER), []);
    await run({ script: "stat -c %a /c; ls /c", mounts: [{ ...cache, mode: 0o751 }] });
    assert.equal(said, "751\n", "one that starts otherwise is another one");
  });

  test("a cache directory begins with what lies where links of the input lead; what is not there, or no folder, is refused", async () => {
    const seeded = (selector: string): ExecMount => ({
      type: "cache",
      input: 0,
      selector,
      target: "/c",
      id: `${kind}-seeded`,
      sharing: "shared",
      readonly: false,
      mode: 0o755,
      uid: 0,
      gid: 0,
    });
    const { layers } = await run({ script: "ln -s ../etc /bin/link" });
    const linked = new RefResult({ layers });
    await runOn(linked, { script: "ls /c", mounts: [seeded("/bin/link")] });
    assert.match(said, /^passwd$/m);
    await assert.rejects(run({ script: "ls /c", mounts: [seeded("/none")] }), {
      code: "INPUT_MISSING",
      message: 'the source "/none" of the cache mount on "/c" is not there',
    });
    await assert.rejects(run({ script: "ls /c", mounts: [seeded("/etc/passwd")] }), { code: "UNSUPPORTED" });
  });

  test("a mount point that the image lacks stays out of the layer, also when its folder was touched; what is put beside it does not", async () => {
    const mounts: ExecMount[] = [{ type: "tmpfs", target: "/new/one" }];
    const touched = await run({ script: "chmod 700 /new; echo x >/new/x; rm /new/x", mounts });
    assert.deepEqual(await touched.layers.at(-1)?.index(NEVER), []);
    const filled = await run({ script: "echo x >/new/x", mounts });
    assert.deepEqual(
      (await filled.layers.at(-1)?.index(NEVER))?.map(({ path }) => path),
      ["new", "new/x"],
    );
  });
}

function bind(selector: string, target: string): Extract<ExecMount, { type: "bind" }> {
  return { type: "bind", input: 0, selector, target, readonly: true };
}
