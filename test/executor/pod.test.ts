// Builds in pods: containers that may neither mount nor make namespaces. The image is the same one as anywhere else, or
// there is none and a sentence about what the pod lacks.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { Diagnosis } from "../../builder/doctor.ts";
import { findLauncher } from "../../builder/executor/find-launcher.ts";
import { buildBase, whyNoBusybox } from "../support/busybox.ts";
import { startMemoryRegistry } from "../support/memory-registry.ts";
import { Pod, whyNoPod } from "../support/pod.ts";
import { runCases } from "../../tools/soak/pods/run-cases.ts";

const TSBUILD = join(import.meta.dirname, "../../bin/tsbuild.js");

const DOCKERFILE = `
FROM fixture:busybox AS first
RUN mkdir -p /d /etc/more && echo file >/d/f && chown 33:44 /d/f && rm /bin/vi && ln -s /d /link
FROM first AS base
RUN --mount=type=cache,target=/var/cache/x echo one >>/var/cache/x/f
RUN --mount=type=cache,target=/var/cache/x [ "$(cat /var/cache/x/f)" = one ]
RUN --mount=type=bind,from=first,source=/d,target=/link/../mnt cp /mnt/f /copied
RUN --mount=type=secret,id=s,target=/run/secrets/s [ "$(wc -c </run/secrets/s)" = 15 ]
RUN --mount=type=tmpfs,target=/scratch echo x >/scratch/x
RUN echo own >>/etc/hosts; echo out >/dev/null && [ -c /dev/zero ] && head -c 3 /dev/zero >/zeros && rm -rf /etc/more && touch /dev/y /dev/shm/z && grep -q processor /proc/cpuinfo
RUN --network=none (ip addr; ip route; ip route show table local; ip link show eth0; ip route get 1.2.3.4; ifconfig -a; cat /proc/net/dev /proc/net/route /proc/net/tcp; nc 127.0.0.1 1; nc 1.2.3.4 1; ping -c 1 1.2.3.4; nslookup x 1.2.3.4) >/alone 2>&1; test $? -ne 0
RUN mkdir /l && ln -s /pod/secret /l/x && cd /l && exec 3<. && ! cat /proc/self/fd/3/x && ! cat /proc/self/cwd/x && ! cat /proc/self/root/pod/secret && ! cat /proc/$PPID/environ && rm -r /l
FROM base
USER 33:44
WORKDIR /home/of/user
RUN id -u >user && touch /forbidden || echo not allowed >>user
`;

/** A few conformance cases a level; `make soak` builds all of them on each. */
const SAMPLE = [
  [
    "default",
    "{base-layers-content,diff-write-{dev-proc-sys,to-hardlink-of-base},heredoc-many,mount-{nested-readonly-parent,rw-from-stage},run-{hostname-arg,network-none-flag,pid-namespace,proc-masked,shm-size}}",
  ],
  ["namespaces", "history-every-instruction"],
] as const;

suite("a pod", { skip: whyNoPod() || (whyNoBusybox() ?? false) }, () => {
  test("with a container's ordinary capabilities builds what is built anywhere else", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tsbuild-pods-"));
    using pod = new Pod("default");
    try {
      const { storeRoot } = await buildBase(folder);
      const context = join(pod.work, "context");
      mkdirSync(context);
      writeFileSync(join(context, "Dockerfile"), DOCKERFILE);
      writeFileSync(join(pod.work, "secret"), "the value of it");
      const build = (root: string, place: string, name: string): string[] =>
        ["--root", root, "build", "-q", "--reproducible", "--no-cache", "--secret", `id=s,src=${place}/secret`, "-o", `type=oci,dest=${place}/${name}.tar`, `${place}/context`]; // prettier-ignore
      execFileSync("cp", ["-a", storeRoot, join(pod.work, "store")]);
      const outside = execFileSync(process.execPath, [TSBUILD, ...build(storeRoot, pod.work, "outside")], {
        encoding: "utf8",
      });
      const probe = await pod.run(
        "/bin/sh",
        "-c",
        "unshare -U true; echo $?; unshare -m true; echo $?; mount -t tmpfs x /tmp; echo $?",
      );
      assert.deepEqual(probe.stdout.split("\n").map(Number), [1, 1, 32, 0], "the pod may do more than a pod may");
      const inside = await pod.tsbuild(...build("/pod/store", "/pod", "inside"));
      assert.equal(inside.code, 0, inside.stderr);
      assert.equal(inside.stdout, outside);
      assert.deepEqual(readFileSync(join(pod.work, "inside.tar")), readFileSync(join(pod.work, "outside.tar")));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("says what its sandbox is and lacks, refuses what it cannot do, and leaves no process", async () => {
    using pod = new Pod("default");
    const doctor = await pod.tsbuild("--root", "/pod/store", "doctor");
    assert.equal(doctor.code, 0, doctor.stderr);
    assert.match(doctor.stdout, /sandbox launcher: not usable/);
    assert.match(
      doctor.stdout,
      /sandbox chroot: usable, and the one that is used\n.*have no \/sys, and one that changes its root \(chroot\) fails/,
    );
    assert.match(doctor.stdout, /hostUsers: false/);
    const { rung, sandbox, missing } = await diagnosis(pod, "--require-sandbox", "chroot");
    assert.deepEqual([rung, sandbox], ["chroot", "chroot"]);
    assert.deepEqual(
      missing.map(({ gives }) => gives),
      ["namespaces"],
    );
    const required = await pod.tsbuild("--root", "/pod/store", "doctor", "--json", "--require-sandbox", "namespaces");
    assert.equal(required.code, 77);
    assert.match(required.stderr, /RUN has chroot here, not namespaces/);
    mkdirSync(join(pod.work, "context"));
    execFileSync("cp", [busybox(), join(pod.work, "context/busybox")]);
    const refused = [
      [
        'RUN --network=none ["/busybox", "nc", "-l", "-p", "1"]',
        /a step without network would listen, which is not possible/,
      ],
      ['RUN ["/busybox", "chroot", "/", "/busybox", "true"]', /a step changed its root \(chroot\)/],
      [
        'RUN --mount=type=tmpfs,size=64k,target=/t ["/busybox", "dd", "if=/dev/zero", "of=/t/f", "bs=1k", "count=65"]',
        /wrote more to "\/t" than the 65536 bytes/,
      ],
    ] as const;
    for (const [instruction, says] of refused) {
      writeFileSync(join(pod.work, "context/Dockerfile"), `FROM scratch\nCOPY busybox /\n${instruction}\n`);
      const ended = await pod.tsbuild("--root", "/pod/store", "build", "/pod/context");
      assert.equal(ended.code, 77, ended.stderr);
      assert.match(ended.stderr, says);
    }
    const owners = 'USER 7\nRUN ["/owners/busybox", "true"]';
    writeFileSync(
      join(pod.work, "context/Dockerfile"),
      `FROM scratch\nCOPY busybox /\nCOPY --chmod=4755 busybox /owners/\nRUN --network=none ["/busybox", "true"]\n${owners}\n`,
    );
    const again = await pod.tsbuild("--root", "/pod/store", "build", "--progress=plain", "/pod/context");
    assert.equal(again.code, 0, again.stderr);
    assert.match(
      again.stderr,
      /a step runs \/owners\/busybox, which gets other rights .*: the step is run again where it may/,
    );
    const left = `${Date.now() % 100_000}.5`;
    const leaves = `RUN ["/busybox", "sh", "-c", "/busybox sleep ${left} & (/busybox sleep ${left} &) ; true"]`;
    writeFileSync(join(pod.work, "context/Dockerfile"), `FROM scratch\nCOPY busybox /\n${leaves}\n`);
    const script = `"$0" "$@" && ! grep -qz '^${left}$' /proc/[0-9]*/cmdline`;
    const words = [process.execPath, TSBUILD, "--root", "/pod/store", "build", "/pod/context"];
    const ended = await pod.run("/bin/sh", "-c", script, ...words);
    assert.equal(ended.code, 0, ended.stderr);
    // One that would kill what looks after it, and go on below a mount that is moved away then.
    const escapes = `RUN --mount=type=cache,target=/c ["/busybox", "sh", "-c", "cd /c; (/busybox sleep ${left} &); kill -9 -1; kill -9 $PPID; /busybox sleep ${left}"]`;
    writeFileSync(join(pod.work, "context/Dockerfile"), `FROM scratch\nCOPY busybox /\n${escapes}\n`);
    const escaped = await pod.run("/bin/sh", "-c", script.replace("&&", "; echo $?;"), ...words);
    assert.deepEqual([escaped.code, escaped.stdout], [0, "137\n"], escaped.stderr);
    const job = await pod.tsbuild("executor", "-c", "/pod/context", "--no-push", "--require-sandbox=namespaces");
    assert.equal(job.code, 1);
    assert.match(job.stderr, /RUN has chroot here, not namespaces/);
  });

  test("with a user namespace of its own has everything", async () => {
    using pod = new Pod("namespaces");
    const { rung, sandbox, files, rights, missing } = await diagnosis(pod, "--require-sandbox=namespaces");
    assert.deepEqual([rung, sandbox, files, rights, missing], ["namespaces", "launcher", "overlay", "direct", []]);
  });

  test("with a container's ordinary capabilities or a namespace builds what BuildKit built", async () => {
    for (const [level, cases] of SAMPLE) {
      using each = new Pod(level);
      const ended = await runCases(each, level, cases);
      assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    }
  });

  test("without any right builds what needs no RUN, and pushes it; RUN fails with what the pod lacks", async () => {
    using pod = new Pod("restricted");
    await using registry = await startMemoryRegistry();
    mkdirSync(join(pod.work, "context"));
    writeFileSync(
      join(pod.work, "context/Dockerfile"),
      "FROM scratch AS files\nCOPY Dockerfile /\nFROM files\nCOPY --chown=7:8 Dockerfile /other\n",
    );
    spawnSync("chmod", ["-R", "a+rX", pod.work]);
    const job = ["executor", "-c", "/pod/context", "-d", `${registry.host}/app`, "--kaniko-dir", "/pod/kaniko"];
    const pushed = await pod.tsbuild(...job);
    assert.equal(pushed.code, 0, pushed.stderr);
    assert.match(pushed.stderr, /RUN does not work here, builds without one do: RUN needs namespaces/);
    assert.ok(registry.manifests.get("app")?.has("latest"));
    const { rung, missing, process: facts } = await diagnosis(pod);
    assert.deepEqual(
      [rung, facts],
      ["none", { uid: 1000, capabilities: [], noNewPrivileges: true, seccompFilter: true }],
    );
    assert.match(missing[0]?.what ?? "", /the user 1000 and lacks CAP_CHOWN, .*CAP_SYS_CHROOT/);
    assert.equal(missing[0]?.change, "securityContext: runAsUser: 0, without capabilities: drop: [ALL]");
    assert.equal(missing[1]?.gives, "namespaces");
    const calls = /allow (.*) in its seccomp profile/.exec(missing[1].change)?.[1]?.split(/, | and /) ?? [];
    using advised = new Pod("restricted", undefined, calls);
    assert.equal((await diagnosis(advised, "--require-sandbox=namespaces")).sandbox, "launcher");
    using root = new Pod("default", undefined, calls);
    assert.equal((await diagnosis(root)).rights, "own");
    const owner = "touch /pod/f && chown 33:44 /pod/f && chown 70000 /pod";
    const owned = await root.run(findLauncher() ?? "", "userns", "own", "0 0 70001", "0 0 45", "/bin/sh", "-c", owner);
    assert.equal(owned.code, 0, owned.stderr);
    assert.deepEqual([lstatSync(join(root.work, "f")).uid, lstatSync(root.work).uid], [33, 70_000]);
    const readonly = JSON.parse((await root.tsbuild("--root=/usr/x", "doctor", "--json")).stdout) as Diagnosis;
    assert.match(
      readonly.missing[0]?.what ?? "",
      /no overlay can be mounted in the store: "\/usr" cannot be written to/,
    );
    writeFileSync(join(pod.work, "context/Dockerfile"), "FROM scratch\nRUN true\n");
    const refused = await pod.tsbuild(...job);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /RUN needs namespaces, but this process may not make any.*in a container, allow/s);
    assert.match(readFileSync(pod.terminationLog, "utf8"), /^RUN needs namespaces.*in a container, allow.*\n$/);
    writeFileSync(pod.terminationLog, "");
    const unknown = await pod.tsbuild("executor", "--bogus", "--log-format=text");
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /^\S+FATA\S+ unknown flag: --bogus \(--help lists all flags\)\n$/);
    assert.equal(readFileSync(pod.terminationLog, "utf8"), "unknown flag: --bogus (--help lists all flags)\n");
  });
});

async function diagnosis(pod: Pod, ...more: readonly string[]): Promise<Diagnosis> {
  const { stdout, stderr } = await pod.tsbuild("--root", "/pod/store", "doctor", "--format=json", ...more);
  assert.equal(stderr, "");
  return JSON.parse(stdout) as Diagnosis;
}

function busybox(): string {
  return execFileSync("sh", ["-c", "command -v busybox"], { encoding: "utf8" }).trim();
}
