// TLS between `--host` and a daemon: what is wrong with a certificate is told by the flag and the file that it came from.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { unary } from "../../src/api/grpc/methods.ts";
import { GrpcServer } from "../../src/api/grpc/server.ts";
import { Empty, InfoResponse } from "../../src/api/proto/control.ts";
import { HOST_FLAGS } from "../../src/cli/flags/host-flags.ts";
import { parseArguments } from "../../src/cli/flags.ts";
import { connectTo } from "../../src/client/connect.ts";
import { readHost } from "../../src/client/host.ts";
import type { ListenOptions } from "../../src/daemon/listen.ts";
import { listen } from "../../src/daemon/listen.ts";
import type { Certificate } from "../support/certificates.ts";
import { makeAuthority, makeCertificate, noOpenssl } from "../support/certificates.ts";

const NEVER = new AbortController().signal;
const skip = noOpenssl;
let folder = "";
let authority: Certificate;
let other: Certificate;
let server: Certificate;
let client: Certificate;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsbuild-tls-"));
  if (skip !== false) return;
  authority = makeAuthority(folder, "ca");
  other = makeAuthority(folder, "other");
  server = makeCertificate(folder, "server", authority);
  client = makeCertificate(folder, "client", authority);
});
after(() => rm(folder, { recursive: true }));

test("a daemon is reached with the right certificates, under its name or another", { skip }, async () => {
  await withDaemon(mutual(server), async (address) => {
    await connect(address, ca(authority), ...pair(client));
  });
  const renamed = makeCertificate(folder, "renamed", authority, "DNS:builder.example");
  await withDaemon({ tls: files(renamed) }, async (address) => {
    await connect(address, ca(authority), "--tls-server-name=builder.example");
    await fails(connect(address, ca(authority)), /its certificate is not for "127\.0\.0\.1"/, /--tls-server-name/);
  });
});

test("a daemon's certificate that is not to be trusted is refused", { skip }, async () => {
  await withDaemon({ tls: files(server) }, async (address) => {
    await fails(connect(address, ca(other)), /not signed by --tls-ca .*other\.crt/, /authority/);
    await fails(connect(address, "--tls-server-name=localhost"), /nobody that this machine trusts/, /--tls-ca FILE/);
    await fails(connect(address), /ended the connection|no answer/, /does the daemon want TLS\? see --tls-ca/);
  });
  const old = makeCertificate(folder, "old", authority, "IP:127.0.0.1", -1);
  await withDaemon({ tls: files(old) }, async (address) => {
    await fails(connect(address, ca(authority)), /its certificate.* has expired/, /clock/);
  });
  await withDaemon({}, async (address) => {
    await fails(connect(address, ca(authority)), /it does not speak TLS|ended the connection/);
  });
});

test("our certificate that the daemon does not take is named, and why where that is known", { skip }, async () => {
  const stranger = makeCertificate(folder, "stranger", other);
  const old = makeCertificate(folder, "expired", authority, undefined, -1);
  await withDaemon(mutual(server), async (address) => {
    await fails(
      connect(address, ca(authority)),
      /it wants a certificate of ours/,
      /--tls-cert FILE and --tls-key FILE/,
    );
    const refused = connect(address, ca(authority), ...pair(stranger));
    await fails(refused, /not accept our certificate \(--tls-cert .*stranger\.crt\)/, /who signed it \(CN=other\)/);
    const late = connect(address, ca(authority), ...pair(old));
    await fails(late, /not accept our certificate \(--tls-cert .*expired\.crt\)/, /it has expired/);
  });
  const mixed = [`--tls-cert=${client.certificatePath}`, `--tls-key=${server.keyPath}`];
  await fails(connect("tcp://127.0.0.1:1", ...mixed), /client\.crt" and ".*server\.key" are no pair/);
  await fails(connect("tcp://127.0.0.1:1", `--tls-ca=${client.keyPath}`), /client\.key.* is no certificate/);
});

type Security = Pick<ListenOptions, "tls">;

async function withDaemon(security: Security, work: (address: string) => Promise<void>): Promise<void> {
  const info = unary(Empty, InfoResponse, () => ({}));
  const grpc = new GrpcServer(new Map([["/moby.buildkit.v1.Control/Info", info]]));
  const options = { isInsecure: true, environment: {}, ...security };
  const [listener] = await listen("tcp://127.0.0.1:0", options, (socket) => grpc.accept(socket));
  try {
    await work(listener?.address ?? "");
  } finally {
    await listener?.[Symbol.asyncDispose]();
    await grpc.stop();
  }
}

async function connect(address: string, ...flags: readonly string[]): Promise<void> {
  const host = readHost(parseArguments(HOST_FLAGS, [`--host=${address}`, ...flags]), {});
  assert.ok(host !== undefined);
  (await connectTo(host, NEVER))[Symbol.dispose]();
}

async function fails(work: Promise<void>, message: RegExp, hint = /^/): Promise<void> {
  await assert.rejects(work, (error: Error & { readonly hint?: string }) => {
    assert.match(error.message, message);
    assert.match(error.hint ?? "", hint);
    return true;
  });
}

function files({ certificatePath, keyPath }: Certificate): { readonly certificate: string; readonly key: string } {
  return { certificate: certificatePath, key: keyPath };
}

function mutual(one: Certificate): Security {
  return { tls: { ...files(one), ca: authority.certificatePath } };
}

function ca({ certificatePath }: Certificate): string {
  return `--tls-ca=${certificatePath}`;
}

function pair({ certificatePath, keyPath }: Certificate): readonly string[] {
  return [`--tls-cert=${certificatePath}`, `--tls-key=${keyPath}`];
}
