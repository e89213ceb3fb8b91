// One case file for all drivers: what a step sees, may do and leaves behind. Outside of CI the drivers that only stand in
// for the launcher show a sixth of it.

import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, describe, test, type TestOptions } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { BuildError } from "../../builder/core/errors.ts";
import { chooseExecutor, DRIVER_ORDER, probeDrivers } from "../../builder/executor/choose.ts";
import type { DriverName } from "../../builder/executor/executor.ts";
import { hasId, readHostFacts } from "../../builder/executor/host-facts.ts";
import { isPlayedByBoth } from "../support/sample.ts";
import { Bench, insideSandboxUser } from "./step-fixture.ts";

type Body = () => Promise<void>;

const DOCKER_CAPABILITIES = "00000000a80425fb";

if (await insideSandboxUser(import.meta.url)) {
  const probes = await probeDrivers();
  // Without mounts there is little of this: pod.test.ts says what `chroot` does.
  for (const driver of DRIVER_ORDER.filter((name) => name !== "chroot")) {
    const probe = probes.find((candidate) => candidate.driver === driver);
    if (probe?.usable === true) describeDriver(driver);
    else test(`the driver ${driver}`, { skip: `not usable here: ${probe?.notes.join("; ")}` }, () => undefined);
  }
}

function describeDriver(driver: DriverName): void {
  describe(`the driver ${driver}`, async () => {
    const bench = new Bench();
    after(() => bench[Symbol.dispose]());
    const { executor } = await chooseExecutor({ require: driver });
    const ids = readHostFacts();
    const manyIds = hasId(ids.uids, 1000) ? {} : { skip: "only one user id is available" };
    let number = 0;
    const its = (name: string, ...more: [Body] | [TestOptions, Body]): void => {
      if (driver !== "launcher" && !isPlayedByBoth(number++)) return;
      if (more.length === 1) test(name, ...more);
      else test(name, ...more);
    };
    const launcherOnly = (what: string) => (driver === "launcher" ? {} : { skip: `${driver}: ${what}` });

    its("gives the program's exit code and both outputs", async () => {
      const run = await bench.run(executor, "echo to-out; echo to-err >&2; exit 42");
      assert.deepEqual([run.exitCode, run.out, run.err], [42, "to-out\n", "to-err\n"]);
    });

    its("passes large output on whole", async () => {
      const run = await bench.run(executor, "dd if=/dev/zero bs=64k count=48 2>/dev/null | tr '\\0' x");
      assert.equal(run.out.length, 48 * 65536);
    });

    its("a killed child ends with 137, as in a shell", async () => {
      const run = await bench.run(executor, "sh -c 'kill -9 $$'; exit $?");
      assert.equal(run.exitCode, 137);
    });

    its("the environment is exactly what was given", async () => {
      const run = await bench.run(executor, "", {
        process: { args: ["env"], env: ["PATH=/bin", "HOME=/tmp", "A=1 2", "odd.name=x"] },
      });
      assert.deepEqual(run.out.trim().split("\n").toSorted(), ["A=1 2", "HOME=/tmp", "PATH=/bin", "odd.name=x"]);
    });

    its("the process is pid 1, alone, with umask 022 and its host name", async () => {
      const run = await bench.run(executor, "echo $$; set -- /proc/[0-9]*; echo $#; umask; hostname");
      assert.deepEqual(run.out.trim().split("\n"), ["1", "1", "0022", "buildkitsandbox"]);
    });

    its("root has Docker's fourteen capabilities, a user none, and nobody no_new_privs", async () => {
      const status = "grep -E '^(CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs):' /proc/self/status | tr '\\n\\t' '  '";
      const none = "0000000000000000";
      const root = await bench.run(executor, status);
      assert.equal(
        root.out,
        `CapPrm: ${DOCKER_CAPABILITIES} CapEff: ${DOCKER_CAPABILITIES} CapBnd: ${DOCKER_CAPABILITIES} CapAmb: ${none} NoNewPrivs: 0 `,
      );
      if ("skip" in manyIds) return;
      const user = await bench.run(executor, status, { process: { uid: 1000, gid: 1000 } });
      assert.equal(
        user.out,
        `CapPrm: ${none} CapEff: ${none} CapBnd: ${DOCKER_CAPABILITIES} CapAmb: ${none} NoNewPrivs: 0 `,
      );
    });

    its("user, group and supplementary groups are those asked for", manyIds, async () => {
      const run = await bench.run(executor, "id -u; id -g; id -G; pwd", {
        process: { uid: 1000, gid: 1001, additionalGids: [1001, 20, 44], cwd: "/tmp" },
      });
      assert.equal(run.out, "1000\n1001\n1001 20 44\n/tmp\n");
    });

    its(
      "a seccomp filter is on and forbids new user namespaces and mounts",
      driver === "unshare" ? { skip: "unshare: has no seccomp" } : {},
      async () => {
        const run = await bench.run(
          executor,
          "grep ^Seccomp: /proc/self/status; unshare -U true; echo $?; unshare -m true; echo $?; keyctl 2>/dev/null; true",
        );
        assert.deepEqual(run.out.trim().split("\n"), ["Seccomp:\t2", "1", "1"]);
        assert.match(run.err, /Operation not permitted/);
      },
    );

    its("mount, /proc/sys and /sys are out of reach", async () => {
      const run = await bench.run(
        executor,
        "mount -t tmpfs x /tmp; echo $?; echo 1 2>/dev/null >/proc/sys/kernel/domainname; echo $?; mkdir /sys/x; echo $?; cat /proc/timer_list /proc/keys | wc -c",
      );
      const [mount, domain, sys, hidden] = run.out.trim().split("\n");
      assert.notEqual(mount, "0");
      assert.equal(domain, "1");
      assert.equal(sys, "1");
      assert.equal(hidden, "0");
    });

    its("the devices are there and nothing of /dev, /etc/hosts or /etc/resolv.conf reaches the upper", async () => {
      const script =
        "for d in null zero full random urandom tty; do test -c /dev/$d || echo no $d; done; for l in fd stdin stdout stderr ptmx; do test -L /dev/$l || echo no $l; done;" +
        "test -d /dev/pts && test -d /dev/shm && test -d /dev/mqueue && stat -c %a /dev/shm; echo x >/dev/null; touch /dev/shm/x; head -c 4 /dev/urandom | wc -c;" +
        "cat /etc/hosts; test -s /etc/resolv.conf && echo resolver; echo y >>/etc/hosts; rm -f /etc/hosts /etc/resolv.conf";
      const run = await bench.run(executor, script, { extraHosts: [{ host: "db", ip: "10.0.0.7" }] });
      assert.equal(
        run.out,
        "1777\n4\n127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.0.7\tdb\nresolver\n",
      );
      assert.deepEqual(run.upper, []);
    });

    its("mount points that were made vanish, what was written beside them stays", async () => {
      const file = join(bench.folder("source"), "file");
      writeFileSync(file, "content");
      const run = await bench.run(
        executor,
        "cat /new2/file; ls -d /new/dir/here /var/lib/cache; touch /new3/dir/beside",
        {
          mounts: [
            { kind: "tmpfs", target: "/new/dir/here" },
            { kind: "bind", source: file, target: "/new2/file", readonly: true },
            { kind: "tmpfs", target: "/var/lib/cache" },
            { kind: "tmpfs", target: "/new3/dir/here" },
          ],
        },
      );
      assert.equal(run.out, "content/new/dir/here\n/var/lib/cache\n");
      assert.deepEqual(run.upper, ["new3", "new3/dir", "new3/dir/beside"]);
      assert.equal(statSync(join(run.upperPath, "new3")).mode & 0o7777, 0o755);
    });

    its("a plain directory as root gets its mount points and loses them, and no time changes", async () => {
      const root = bench.folder("rootfs");
      for (const name of ["bin", "etc", "keep"]) mkdirSync(join(root, name));
      writeFileSync(join(root, "bin/busybox"), readFileSync("/bin/busybox"), { mode: 0o755 });
      utimesSync(join(root, "etc"), 1000, 1000);
      const run = await bench.run(executor, "", {
        root: { kind: "directory", path: root, readonly: false },
        mounts: [{ kind: "tmpfs", target: "/m/n" }],
        process: { args: ["/bin/busybox", "sh", "-c", "/bin/busybox touch /keep/x; /bin/busybox ls /etc"] },
      });
      assert.deepEqual([run.exitCode, run.out], [0, "hosts\nresolv.conf\n"]);
      assert.deepEqual(readdirSync(root).toSorted(), ["bin", "dev", "etc", "keep", "proc", "sys"]);
      assert.deepEqual(readdirSync(join(root, "etc")), []);
      assert.deepEqual(readdirSync(join(root, "keep")), ["x"]);
      assert.equal(statSync(join(root, "etc")).mtimeMs, 1_000_000);
    });

    its("tmpfs and /dev/shm have the asked sizes", async () => {
      const run = await bench.run(executor, "df -k /t /dev/shm | awk 'NR>1{print $2}'", {
        mounts: [{ kind: "tmpfs", target: "/t", sizeBytes: 1 << 20 }],
        shmSizeBytes: 2 << 20,
      });
      assert.equal(run.out, "1024\n2048\n");
    });

    its("binds are writable or read-only as asked", async () => {
      const source = bench.folder("source");
      const run = await bench.run(executor, "touch /rw/a; touch /ro/b; echo $?", {
        mounts: [
          { kind: "bind", source, target: "/rw", readonly: false },
          { kind: "bind", source, target: "/ro", readonly: true },
        ],
      });
      assert.equal(run.out, "1\n");
      assert.deepEqual(readdirSync(source), ["a"]);
    });

    its("a part of another stack is mounted, read-only or with an upper of its own", async () => {
      const stage = bench.folder("stage");
      mkdirSync(join(stage, "out"));
      writeFileSync(join(stage, "out/foo"), "from stage");
      const upper = bench.folder("stage-upper");
      const run = await bench.run(executor, "cat /ro/foo; touch /ro/x; echo $?; touch /rw/bar; ls /rw; cat /one", {
        mounts: [
          { kind: "overlay", stack: { lowers: [stage] }, subPath: "out", target: "/ro", readonly: true },
          {
            kind: "overlay",
            stack: { lowers: [stage], upper, work: bench.folder("stage-work") },
            subPath: "/out",
            target: "/rw",
            readonly: false,
          },
          { kind: "overlay", stack: { lowers: [stage] }, subPath: "out/foo", target: "/one", readonly: true },
        ],
      });
      assert.equal(run.out, "from stage1\nbar\nfoo\nfrom stage");
      assert.deepEqual(readdirSync(join(upper, "out")), ["bar"]);
      assert.deepEqual(run.upper, []);
    });

    its("links in the root lead to no mount outside it", async () => {
      const outside = bench.folder("outside");
      const hostile = bench.folder("hostile");
      symlinkSync(outside, join(hostile, "absolute"));
      symlinkSync(`../../../../../../../..${outside}`, join(hostile, "relative"));
      for (const target of ["/absolute/new", "/relative/new", "/absolute"]) {
        const step = bench.step("true", {
          root: {
            kind: "overlay",
            stack: { lowers: [hostile, bench.lower], upper: bench.folder("u"), work: bench.folder("w") },
            readonly: false,
          },
          mounts: [{ kind: "tmpfs", target }],
        });
        const result = await executor.run(step.spec, new AbortController().signal).catch((error: unknown) => error);
        assert.ok(
          result instanceof BuildError || (result as { exitCode: number }).exitCode === 0,
          `${target}: ${String(result)}`,
        );
        assert.deepEqual(readdirSync(outside), [], target);
      }
    });

    its("two hundred lowers are one root", async () => {
      const lowers = Array.from({ length: 199 }, (_, at) => {
        const lower = bench.folder(`lower-${"x".repeat(40)}`);
        writeFileSync(join(lower, `f${at}`), "");
        return lower;
      });
      const run = await bench.run(executor, "ls / | grep -c '^f'", {
        root: {
          kind: "overlay",
          stack: { lowers: [...lowers, bench.lower], upper: bench.folder("u"), work: bench.folder("w") },
          readonly: false,
        },
      });
      assert.equal(run.out, "199\n");
    });

    its("a read-only root stays untouched", async () => {
      const run = await bench.run(executor, "touch /x; echo $?; touch /m/y && echo mounted", {
        root: { kind: "overlay", stack: { lowers: [bench.lower] }, readonly: true },
        mounts: [{ kind: "tmpfs", target: "/m" }],
      });
      assert.equal(run.out, "1\nmounted\n");
      assert.ok(!existsSync(join(bench.lower, "proc")));
    });

    its("network none has the loopback interface alone, up", async () => {
      const run = await bench.run(executor, "ip -o link | cut -d: -f2; ping -c1 -w2 127.0.0.1 >/dev/null && echo up", {
        network: "none",
      });
      assert.match(run.out, /^ lo\n/);
      assert.match(run.out, /up\n$/);
    });

    its("ulimits are set", async () => {
      const run = await bench.run(executor, "ulimit -Sn; ulimit -Hn", {
        process: { ulimits: [{ name: "nofile", soft: 100, hard: 200 }] },
      });
      assert.equal(run.out, "100\n200\n");
    });

    its("a program that is not there, or not executable, says so as 127 and 126", async () => {
      const failure = async (args: string[]): Promise<[number | undefined, string]> => {
        const step = bench.step("", { process: { args } });
        const result: unknown = await executor
          .run(step.spec, new AbortController().signal)
          .catch((error: unknown) => error);
        return result instanceof BuildError
          ? [result.exitCode, result.message]
          : [(result as { exitCode: number }).exitCode, step.err()];
      };
      writeFileSync(join(bench.lower, "tmp/plain"), "x");
      chmodSync(join(bench.lower, "tmp/plain"), 0o644);
      const missing = await failure(["nothere"]);
      assert.equal(missing[0], 127);
      if (driver !== "unshare") assert.equal(missing[1], 'exec: "nothere": executable file not found in $PATH');
      assert.equal((await failure(["/tmp/plain"]))[0], 126);
      assert.equal((await failure(["/no/such/file"]))[0], 127);
    });

    its("an abort kills everything and leaves no mount and no process", async () => {
      const mark = `${31_000 + Math.floor(process.pid % 1000)}`;
      const step = bench.step(`sleep ${mark} & sleep ${mark} & wait`);
      const controller = new AbortController();
      const running = executor.run(step.spec, controller.signal);
      for (let tries = 0; tries < 1000 && countProcesses(mark) < 2; tries++) await sleep(10);
      const before = countProcesses(mark);
      controller.abort();
      await assert.rejects(running, (error: unknown) => error instanceof BuildError && error.code === "CANCELLED");
      assert.deepEqual([before, countProcesses(mark)], [2, 0]);
      assert.ok(!readFileSync("/proc/mounts", "utf8").includes(bench.base));
    });

    its("an aborted signal starts nothing", async () => {
      const step = bench.step("echo ran");
      await assert.rejects(
        executor.run(step.spec, AbortSignal.abort()),
        (error: unknown) => error instanceof BuildError && error.code === "CANCELLED",
      );
      assert.equal(step.out(), "");
    });

    its("processes that a step leaves behind end with it", async () => {
      const run = await bench.run(executor, "sleep 31999 & exit 0");
      assert.equal(run.exitCode, 0);
      assert.equal(countProcesses("31999"), 0);
    });

    its("insecure has every capability that the builder has and no filter", async () => {
      const run = await bench.run(
        executor,
        "grep -E '^(CapEff|Seccomp):' /proc/self/status; mount -t tmpfs x /tmp && echo mounted",
        { process: { security: "insecure" } },
      );
      assert.match(run.out, /Seccomp:\t0\nmounted\n$/);
    });

    its("/dev/stdout can be opened again, also by a user", launcherOnly("its output is Node's socket"), async () => {
      const again = "echo a >/dev/stdout; echo b >/dev/stderr";
      const root = await bench.run(executor, again);
      assert.deepEqual([root.out, root.err], ["a\n", "b\n"]);
      if ("skip" in manyIds) return;
      const user = await bench.run(executor, again, { process: { uid: 1000, gid: 1000 } });
      assert.deepEqual([user.out, user.err], ["a\n", "b\n"]);
    });

    its("a missing working directory is made, owned by the user", launcherOnly("the caller makes it"), async () => {
      const run = await bench.run(executor, "pwd", { process: { cwd: "/work/deep" } });
      assert.equal(run.out, "/work/deep\n");
      assert.ok(lstatSync(join(run.upperPath, "work/deep")).isDirectory());
    });
  });
}

/** Processes of this machine whose command line is `sleep` with the given mark. */
function countProcesses(mark: string): number {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8") === `sleep\0${mark}\0`;
      } catch {
        return false;
      }
    }).length;
}
