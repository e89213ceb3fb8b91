// Tenants: what one has no other can name, see or fill up. And clients of one daemon that do not hurt each other.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { GrpcClient } from "../../src/api/grpc/client.ts";
import { CODE } from "../../src/api/grpc/status.ts";
import { DiskUsageRequest, DiskUsageResponse } from "../../src/api/proto/disk.ts";
import { BuildError } from "../../builder/core/errors.ts";
import type { DiskSettings } from "../../builder/disk-settings.ts";
import { diskSettingsOf } from "../../src/commands/disk/settings.ts";
import { readDaemonFile } from "../../src/config/daemon/daemon-file.ts";
import { tenantsOf } from "../../src/commands/daemon/tenants.ts";
import type { TenantSettings } from "../../src/daemon/daemon.ts";
import { serve } from "../../src/daemon/daemon.ts";
import { buildThrough, offerOf, openSession } from "../support/build-client.ts";
import { makeAuthority, makeCertificate, noOpenssl } from "../support/certificates.ts";
import { connected, DOCKERFILE, folder, history, NEVER, options, status, told } from "./running-daemon.ts";
import { writeFile } from "node:fs/promises";

const TAR = [{ type: "tar", attrs: new Map<string, string>() }];

/** Of this name, on a socket of its own. */
function tenant(name: string, more: Partial<TenantSettings["settings"]> = {}): TenantSettings {
  const { settings } = options("none");
  const root = join(settings.root, "tenants", name);
  return {
    name,
    certificates: [`${name}.ci`],
    addresses: [`unix://${join(folder, `${name}.sock`)}`],
    settings: { ...settings, tenant: name, root, ...more },
  };
}

async function itemsOf(client: GrpcClient): Promise<number> {
  const types = [DiskUsageRequest, DiskUsageResponse] as const;
  return (await client.unary("/moby.buildkit.v1.Control/DiskUsage", types, {}, NEVER)).records.length;
}

test("cache, history and sessions of a tenant are its own; its quota is its own limit", async () => {
  const end = new AbortController();
  const small = { ceiling: { bytes: 200_000 }, rules: [] };
  const tenants = [tenant("red"), tenant("blue", { disk: small })];
  const running = serve({ ...options("shared.sock"), tenants }, end.signal);
  using red = await connected(join(folder, "red.sock"));
  using blue = await connected(join(folder, "blue.sock"));
  const offer = offerOf({ Dockerfile: DOCKERFILE, a: "A" });
  await using _red = openSession(red, "s", offer);
  await buildThrough(red, { ref: "mine", session: "s", exporters: TAR }, {});
  assert.equal((await history("mine", red)).length, 1);
  assert.equal((await history("mine", blue)).length, 0);
  assert.ok((await itemsOf(red)) > 0);
  assert.equal(await itemsOf(blue), 0);
  // A session is found by its id, and that is no secret: it must not be enough.
  await assert.rejects(
    buildThrough(blue, { ref: "theirs", session: "s", exporters: TAR }, {}),
    status(CODE.unavailable, /no active session/),
  );
  const big = offerOf({ Dockerfile: DOCKERFILE, a: "A".repeat(1_000_000) });
  await using _blue = openSession(blue, "big", big);
  const image = [{ type: "image", attrs: new Map([["name", "big"]]) }];
  await assert.rejects(
    buildThrough(blue, { ref: "big", session: "big", exporters: image }, {}),
    /may take|ceiling|limit/,
  );
  await buildThrough(red, { ref: "still", session: "s", exporters: TAR }, {});
  await _red[Symbol.asyncDispose]();
  await _blue[Symbol.asyncDispose]();
  end.abort();
  await running;
  assert.deepEqual((await readdir(join(folder, "root/tenants"))).toSorted(), ["blue", "red"]);
});

test("a client is known by its certificate", { skip: noOpenssl }, async () => {
  const keys = await mkdtemp(join(tmpdir(), "tsbuild-tenants-"));
  const authority = makeAuthority(keys, "ca");
  const own = makeCertificate(keys, "daemon", authority);
  const theirs = makeCertificate(keys, "green.ci", authority);
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  probe.close();
  await once(probe, "close");
  const end = new AbortController();
  const base = options("tls.sock");
  const tls = { certificate: own.certificatePath, key: own.keyPath, ca: authority.certificatePath };
  const addresses = [`tcp://127.0.0.1:${port}`, ...base.addresses];
  const running = serve({ ...base, addresses, tls, tenants: [tenant("green")] }, end.signal);
  using local = await connected(join(folder, "tls.sock"));
  using remote = new GrpcClient(
    connectTls({ host: "127.0.0.1", port, ca: authority.certificate, cert: theirs.certificate, key: theirs.key }),
  );
  await using session = openSession(remote, "g", offerOf({ Dockerfile: DOCKERFILE, a: "A" }));
  await buildThrough(remote, { ref: "green", session: "g", exporters: TAR }, {});
  assert.equal((await history("green", remote)).length, 1);
  assert.equal((await history("green", local)).length, 0);
  await session[Symbol.asyncDispose]();
  end.abort();
  await running;
  await rm(keys, { recursive: true });
});

test("a client that stops reading, or vanishes, does not keep others from building", async () => {
  using stuck = await connected(join(folder, "one.sock"));
  const offer = offerOf(
    { Dockerfile: DOCKERFILE, a: "x".repeat(100) },
    { beforeOutput: () => new Promise(() => undefined) },
  );
  openSession(stuck, "stuck", offer);
  const never = buildThrough(stuck, { ref: "stuck", session: "stuck", exporters: TAR }, {});
  never.catch(() => undefined);
  await told("build", "stuck");
  using other = await connected(join(folder, "one.sock"));
  await using session = openSession(other, "quick", offerOf({ Dockerfile: DOCKERFILE, a: "x".repeat(100) }));
  await buildThrough(other, { ref: "quick", session: "quick", exporters: TAR }, {});
  await session[Symbol.asyncDispose]();
  stuck[Symbol.dispose]();
  await assert.rejects(never);
  await told("build failed", "stuck");
});

test("rules of garbage collection are read from the daemon's file, and refused where they could never take anything", async () => {
  const path = join(folder, "gc.toml");
  const read = async (oci: string): Promise<DiskSettings> => {
    await writeFile(path, `[worker.oci]\n${oci}`);
    const { disk, ignored } = await readDaemonFile(path);
    assert.deepEqual(ignored, []);
    return diskSettingsOf(disk ?? {}, "[worker.oci]");
  };
  const { ceiling, rules } = await read(`maxUsedSpace = "50%"
[[worker.oci.gcpolicy]]
keepBytes = "512MB"
keepDuration = "48h"
filters = ["type==source.local", "type==exec.cachemount"]
[[worker.oci.gcpolicy]]
all = true
keepDuration = 60
keepBytes = 1
reservedSpace = "10%"
`);
  assert.deepEqual(ceiling, { percent: 50 });
  const told = rules.map(({ filter, filterTexts = [], ...rule }) => {
    return { ...rule, isFiltered: filter !== undefined, filterTexts };
  });
  const rest = { maxUsed: { bytes: 0 }, minFree: { bytes: 0 } };
  const filterTexts = ["type==source.local", "type==exec.cachemount"];
  assert.deepEqual(told, [
    { ...rest, all: false, keepMs: 48 * 3600e3, reserved: { bytes: 2 ** 29 }, isFiltered: true, filterTexts },
    { ...rest, all: true, keepMs: 60e3, reserved: { percent: 10 }, isFiltered: false, filterTexts: [] },
  ]);
  assert.deepEqual((await read("gc = false")).rules, []);
  const refused = [
    ['filters = ["type==exec.cachmount"]', /\[worker\.oci\], rule 1: filter "type==exec\.cachmount": type is never/],
    ['filters = ["typ==regular"]', /rule 1: .* there is no field "typ"/],
    ['keepDuration = "soon"', /rule 1: .*invalid duration "soon"/],
    ['maxUsedSpace = "much"', /rule 1: max-used-space: invalid size: "much"/],
    ["keepDays = 3", /line 3: there is no setting "worker\.oci\.gcpolicy\.0\.keepDays"/],
  ] as const;
  for (const [line, message] of refused)
    await assert.rejects(
      read(`[[worker.oci.gcpolicy]]\n${line}\n`),
      (error) => error instanceof BuildError && error.code === "CONFIG" && message.test(error.message),
      line,
    );
});

test("tenants are read from the daemon's file, and refused where they could be two", async () => {
  const path = join(folder, "daemon.toml");
  await writeFile(
    path,
    `[worker.oci]
max-parallelism = 3
maxUsedSpace = "10GB"
[tenant.red]
certificates = ["red.ci"]
addresses = ["unix:///run/red.sock"]
max-parallelism = 2
max-used-space = "5GB"
`,
  );
  const file = await readDaemonFile(path);
  assert.deepEqual([file.maxParallelism, file.disk, file.ignored], [3, { "max-used-space": "10GB" }, []]);
  const { settings } = options("none");
  const [red] = tenantsOf(file.tenants, settings);
  assert.equal(red?.settings.root, join(settings.root, "tenants/red"));
  assert.equal(red.settings.mostTurns, 2);
  assert.deepEqual(red.settings.disk?.ceiling, { bytes: 5 * 1024 ** 3 });
  const table = file.tenants.get("red");
  assert.ok(table !== undefined);
  assert.throws(() => tenantsOf(new Map([["../x", table]]), settings), /the tenant "\.\.\/x": names are/);
  const two = new Map([
    ["red", table],
    ["blue", table],
  ]);
  assert.throws(() => tenantsOf(two, settings), /belongs to two tenants: red and blue/);
  const nobody = new Map([["red", { ...table, certificates: [], addresses: [] }]]);
  assert.throws(() => tenantsOf(nobody, settings), /nobody could be it/);
});

test("a slip in the daemon's file is told with its line, and what means something to buildkitd alone is told", async () => {
  const path = join(folder, "slip.toml");
  const read = async (text: string): ReturnType<typeof readDaemonFile> => {
    await writeFile(path, text);
    return await readDaemonFile(path);
  };
  const slips: readonly (readonly [string, RegExp])[] = [
    ["[worker.oci]\nmax-paralelism = 3\n", /slip\.toml", line 2: there is no setting "worker\.oci\.max-paralelism"/],
    ["[grpc]\n# x\ntls = { cert = 3 }\n", /slip\.toml", line 3: "grpc\.tls\.cert" is not a text/],
    ['[registry."a.b"]\nmirror = []\n', /slip\.toml", line 2: there is no setting "registry\.a\.b\.mirror"/],
    ['[registry."a.b"]\nmirrors = "x"\n', /slip\.toml", line 2: "registry\.a\.b\.mirrors" is not a list/],
    ["[[worker.oci.gcpolicy]]\nall = true\n[[worker.oci.gcpolicy]]\nall = 1\n", /line 4: .*gcpolicy\.1\.all" is not true or false/],
    ['[log]\nlevel = "loud"\n', /line 2: "log\.level" is not one of "trace", "debug"/],
    ["[tenant.red]\ncertificate = []\n", /line 2: there is no setting "tenant\.red\.certificate"/],
  ]; // prettier-ignore
  for (const [text, why] of slips) await assert.rejects(read(text), why, text);
  const file = await read(`trace = true
[dns]
nameservers = ["1.1.1.1"]
[grpc]
gid = 12
uid = 0
[history]
maxEntries = 5
[worker.oci]
selinux = true
gckeepstorage = "1GB"
[worker.oci.labels]
any = "thing"
[[worker.oci.gcpolicy]]
filters = ["type==source.local"]
keepDuration = 3600
keepBytes = 512
`);
  assert.deepEqual(file.ignored.toSorted(), ["dns", "grpc.uid", "worker.oci.labels", "worker.oci.selinux"]);
  assert.deepEqual([file.group, file.mostRecords, file.log.level], [12, 5, "debug"]);
  const { reserved, keepMs } = diskSettingsOf(file.disk ?? {}, "here").rules[0] ?? {};
  assert.deepEqual([reserved, keepMs], [{ bytes: 512 }, 3600e3]);
});
