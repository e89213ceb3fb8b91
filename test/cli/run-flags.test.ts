// Every flag of `docker run` (28.5) either works, changes nothing, or is refused by name with a way out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import { parseArguments } from "../../src/cli/flags.ts";
import { RUN_FLAGS } from "../../src/cli/flags/run-flags.ts";

const DOCKER = `
add-host annotation attach blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent cgroupns cidfile cpu-period
cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems detach detach-keys device
device-cgroup-rule device-read-bps device-read-iops device-write-bps device-write-iops disable-content-trust dns
dns-option dns-search domainname entrypoint env env-file expose gpus group-add health-cmd health-interval
health-retries health-start-interval health-start-period health-timeout help hostname init interactive ip ip6 ipc
isolation kernel-memory label label-file link link-local-ip log-driver log-opt mac-address memory memory-reservation
memory-swap memory-swappiness mount name network network-alias no-healthcheck oom-kill-disable oom-score-adj pid
pids-limit platform privileged publish publish-all pull quiet read-only restart rm runtime security-opt shm-size
sig-proxy stop-signal stop-timeout storage-opt sysctl tmpfs tty ulimit use-api-socket user userns uts volume
volume-driver volumes-from workdir
`;

const SHORTHANDS = "a attach c cpu-shares d detach e env h hostname i interactive l label m memory p publish P publish-all q quiet t tty u user v volume w workdir"; // prettier-ignore

test("each of docker's flags is known", () => {
  const known = new Set(RUN_FLAGS.map(({ name }) => name));
  assert.deepEqual(DOCKER.trim().split(/\s+/).filter((name) => !known.has(name)), []); // prettier-ignore
  assert.equal(known.size, RUN_FLAGS.length, "a flag stands in the table twice");
});

test("each of docker's shorthands is the same flag's", () => {
  const words = SHORTHANDS.split(" ");
  for (let at = 0; at < words.length; at += 2) {
    const [short, name] = words.slice(at, at + 2);
    assert.equal(RUN_FLAGS.find((flag) => flag.short === short)?.name, name, `-${short}`);
  }
});

test("what is refused is refused by name, and says what to do", () => {
  const refused = RUN_FLAGS.filter(({ state }) => state === "later");
  assert.ok(refused.length > 50);
  for (const { name, kind, note } of refused) {
    assert.ok(note, `--${name} says nothing`);
    const args = kind === "boolean" ? [`--${name}`] : [`--${name}`, "asked"];
    assert.throws(
      () => parseArguments(RUN_FLAGS, [...args, "image"], { interspersed: false }),
      (error) => error instanceof BuildError && error.message.startsWith(`--${name} is not supported`),
      name,
    );
  }
});

test("values that ask for nothing are taken", () => {
  const args = [
    "--restart=no",
    "--userns=host",
    "--ipc",
    "private",
    "--isolation=default",
    "--detach=false",
    "image",
    "-d",
  ];
  assert.deepEqual(parseArguments(RUN_FLAGS, args, { interspersed: false }).positionals, ["image", "-d"]);
});
