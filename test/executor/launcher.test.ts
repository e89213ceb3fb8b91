// What only our own launcher promises: hostile roots, sudden deaths, times to the nanosecond.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { BuildError } from "../../builder/core/errors.ts";
import { launcherExecutor } from "../../builder/executor/drivers/launcher.ts";
import { findLauncher } from "../../builder/executor/find-launcher.ts";
import { hostsText, resolvConfText } from "../../builder/executor/host-files.ts";
import { readReports } from "../../builder/executor/launcher/spec.ts";
import { Bench, insideSandboxUser } from "./step-fixture.ts";

const launcher = findLauncher();
if (launcher === undefined) test("the launcher", { skip: "tsbuild-launcher was not built (make)" }, () => undefined);
else if (await insideSandboxUser(import.meta.url)) describeLauncher(launcher);

function describeLauncher(path: string): void {
  describe("the launcher", () => {
    const bench = new Bench();
    after(() => bench[Symbol.dispose]());
    const executor = launcherExecutor(path);

    test("a killed builder takes its steps along", async () => {
      const mark = String(32_000 + (process.pid % 700));
      const script = `
        const { launcherExecutor } = await import(${JSON.stringify(fileURLToPath(new URL("../../builder/executor/drivers/launcher.ts", import.meta.url)))});
        const { Bench } = await import(${JSON.stringify(fileURLToPath(new URL("./step-fixture.ts", import.meta.url)))});
        const bench = new Bench();
        console.log(bench.base);
        const step = bench.step("sleep ${mark} & exec sleep ${mark}");
        await launcherExecutor(${JSON.stringify(path)}).run(step.spec, new AbortController().signal);
      `;
      const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let base = "";
      child.stdout.on("data", (chunk: Buffer) => (base += chunk.toString("utf8")));
      await until(() => sleepers(mark) === 2);
      const gone = new Promise((resolve) => child.on("close", resolve));
      child.kill("SIGKILL");
      await gone;
      await until(() => sleepers(mark) === 0);
      assert.equal(sleepers(mark), 0);
      assert.ok(base.startsWith("/") && !readFileSync("/proc/mounts", "utf8").includes(base.trim()));
      using _ = { [Symbol.dispose]: () => void spawn("rm", ["-rf", base.trim()]) };
    });

    test("links in a mounted stage lead to nothing outside it", async () => {
      const stage = bench.folder("stage");
      mkdirSync(join(stage, "etc"));
      writeFileSync(join(stage, "etc/motd"), "the stage's own");
      symlinkSync("/etc", join(stage, "a"));
      symlinkSync("../../../../../../etc", join(stage, "b"));
      symlinkSync("/proc/self/root/etc", join(stage, "c"));
      for (const subPath of ["a", "b", "../../../etc", "a/../etc"]) {
        const run = await bench.run(executor, "ls /m", {
          mounts: [{ kind: "overlay", stack: { lowers: [stage] }, subPath, target: "/m", readonly: true }],
        });
        assert.equal(run.out, "motd\n", subPath);
        assert.deepEqual(run.upper, []);
      }
      const step = bench.step("ls /m", {
        mounts: [{ kind: "overlay", stack: { lowers: [stage] }, subPath: "c", target: "/m", readonly: true }],
      });
      await assert.rejects(
        executor.run(step.spec, new AbortController().signal),
        (error: unknown) =>
          error instanceof BuildError && error.code === "SANDBOX" && /No such file|no such file/.test(error.message),
      );
    });

    test("links in the root are followed inside the root", async () => {
      const hostile = bench.folder("hostile");
      const outside = bench.folder("outside");
      symlinkSync(outside, join(hostile, "absolute"));
      symlinkSync("../../../../inner", join(hostile, "relative"));
      const run = await bench.run(
        executor,
        `ls -d ${outside}/new /inner/deep; touch /absolute/new/x /relative/deep/x`,
        {
          root: {
            kind: "overlay",
            stack: { lowers: [hostile, bench.lower], upper: bench.folder("u"), work: bench.folder("w") },
            readonly: false,
          },
          mounts: [
            { kind: "tmpfs", target: "/absolute/new" },
            { kind: "tmpfs", target: "/relative/deep" },
          ],
        },
      );
      assert.deepEqual([run.exitCode, run.err, run.out], [0, "", `/inner/deep\n${outside}/new\n`]);
      assert.deepEqual(readdirSync(outside), []);
    });

    test("a resolv.conf that is a dangling link gets its file where it points", async () => {
      const image = bench.folder("image");
      mkdirSync(join(image, "etc"));
      symlinkSync("../run/systemd/resolve/stub-resolv.conf", join(image, "etc/resolv.conf"));
      const upper = bench.folder("u");
      const run = await bench.run(executor, "cat /run/systemd/resolve/stub-resolv.conf", {
        root: {
          kind: "overlay",
          stack: { lowers: [image, bench.lower], upper, work: bench.folder("w") },
          readonly: false,
        },
      });
      assert.equal(run.out, resolvConfText());
      assert.deepEqual(
        readdirSync(upper).filter((name) => !["dev", "proc", "sys"].includes(name)),
        [],
      );
    });

    test("a mount point below a deleted directory is made and taken away, and no time changes", async () => {
      const top = bench.folder("top");
      const below = bench.folder("below");
      mkdirSync(join(below, "srv"));
      mkdirSync(join(top, "srv"));
      const upper = bench.folder("u");
      const work = bench.folder("w");
      const deleted = await bench.run(executor, "rmdir /srv/data", {
        root: {
          kind: "overlay",
          stack: { lowers: [withFolder(below, "srv/data"), bench.lower], upper, work },
          readonly: false,
        },
      });
      assert.equal(deleted.exitCode, 0);
      const before = statSync(join(upper, "srv"), { bigint: true }).mtimeNs;
      const next = bench.folder("next");
      const run = await bench.run(executor, "touch /srv/data/sub/x; stat -c %Y /srv", {
        root: {
          kind: "overlay",
          stack: { lowers: [upper, below, bench.lower], upper: next, work: bench.folder("w2") },
          readonly: false,
        },
        mounts: [{ kind: "tmpfs", target: "/srv/data/sub" }],
      });
      assert.equal(run.exitCode, 0);
      assert.ok(!existsSync(join(next, "srv/data")));
      assert.equal(statSync(join(next, "srv"), { bigint: true }).mtimeNs, before);
    });

    test("/proc/self/exe is no program", async () => {
      const step = bench.step("", { process: { args: ["/proc/self/exe"] } });
      await assert.rejects(
        executor.run(step.spec, new AbortController().signal),
        (error: unknown) => error instanceof BuildError && error.code === "RUN_FAILED" && error.exitCode === 126,
      );
    });

    test("a working directory cannot lead out through /proc", async () => {
      for (const cwd of ["/proc/self/fd/3", "/proc/self/fd/7", "/proc/1/root"]) {
        const step = bench.step("pwd", { process: { cwd } });
        await assert.rejects(
          executor.run(step.spec, new AbortController().signal),
          (error: unknown) => error instanceof BuildError && error.code === "SANDBOX",
          cwd,
        );
      }
    });

    test("what cannot be mounted is said in words, with the path", async () => {
      const faults = [
        ["/not/there", "/m", /bind "\/not\/there" on "\/m": no such file or directory \(ENOENT\)/],
        ["/etc", "/bin/sh", /bind "\/etc" on "\/bin\/sh": not a directory \(ENOTDIR\)/],
        ["/etc/passwd", "/bin", /bind "\/etc\/passwd" on "\/bin": illegal operation on a directory \(EISDIR\)/],
      ] as const;
      for (const [source, target, message] of faults) {
        const step = bench.step("true", { mounts: [{ kind: "bind", source, target, readonly: true }] });
        await assert.rejects(executor.run(step.spec, new AbortController().signal), (error: unknown) => {
          assert.ok(error instanceof BuildError);
          assert.equal(error.code, "SANDBOX");
          assert.match(error.message, message);
          return true;
        });
      }
    });

    test("no descriptor of the builder reaches the step", async () => {
      const run = await bench.run(executor, "ls /proc/self/fd");
      assert.deepEqual(run.out.trim().split(/\s+/), ["0", "1", "2", "3"]);
    });

    test("a step that writes into a closed output ends, and a slow reader loses nothing", async () => {
      let bytes = 0;
      const run = await bench.run(executor, "yes | head -c 5000000; yes | head -1", {
        output: (_, chunk) => void (bytes += chunk.length),
      });
      assert.deepEqual([run.exitCode, bytes], [0, 5_000_002]);
    });

    test("the root's own path is a mount of the step alone", async () => {
      await bench.run(executor, "true");
      assert.ok(!readFileSync("/proc/self/mountinfo", "utf8").includes(realpathSync(bench.base)));
    });
  });
}

describe("the files in /etc", () => {
  test("hosts names localhost, the step and the extra hosts; host-gateway is an address", () => {
    const text = hostsText({
      hostname: "me",
      extraHosts: [
        { host: "a", ip: "::2" },
        { host: "gw", ip: "host-gateway" },
      ],
    });
    assert.match(
      text,
      /^127\.0\.0\.1\tlocalhost me\n::1\tlocalhost ip6-localhost ip6-loopback\n::2\ta\n\d+\.\d+\.\d+\.\d+\tgw\n$/,
    );
  });

  test("resolv.conf is the machine's; without a nameserver it names public ones", () => {
    assert.match(resolvConfText("/no/such/file"), /^nameserver 8\.8\.8\.8\n/);
  });
});

test("a report that was cut off is left out", () => {
  const whole = Buffer.concat([Buffer.from("X"), Buffer.alloc(8)]);
  assert.deepEqual(readReports(Buffer.concat([whole, Buffer.from("E\x01")])), [{ kind: "exit", value: 0, text: "" }]);
});

function withFolder(directory: string, path: string): string {
  mkdirSync(join(directory, path), { recursive: true });
  return directory;
}

async function until(done: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1000 && !done(); tries++) await sleep(10);
}

function sleepers(mark: string): number {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8") === `sleep\0${mark}\0`;
    } catch {
      return false;
    }
  }).length;
}
