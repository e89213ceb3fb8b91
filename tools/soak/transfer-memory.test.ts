// One large layer on every way in and out: none of the processes may take 150 MB. LAYER_MB (2048) says how large; TMPDIR
// needs six times that.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import type { RunningRegistry } from "../../test/transport/registry-server.ts";
import { noRegistry, startRegistry } from "../../test/transport/registry-server.ts";
import { measure } from "../bench/measure.ts";

const TSBUILD = path.join(import.meta.dirname, "../../bin/tsbuild.js");
const LAYER_MB = Number(process.env["LAYER_MB"] ?? "2048");
const MOST_MB = 150;

suite(`a layer of ${LAYER_MB} MB`, { skip: noRegistry }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), "tsbuild-transfers-"));
  const at = (name: string): string => path.join(folder, name);
  let registry: RunningRegistry;
  const command = (store: string, ...args: readonly string[]): readonly string[] => [
    ...[process.execPath, TSBUILD, "--root", at(store)],
    ...args,
  ];

  before(async () => {
    registry = await startRegistry();
    const context = at("context");
    mkdirSync(context);
    writeFileSync(path.join(context, "Dockerfile"), "FROM scratch\nCOPY large /\n");
    execFileSync("dd", ["if=/dev/urandom", "of=large", "bs=1M", `count=${LAYER_MB}`], {
      cwd: context,
      stdio: "ignore",
    });
    await measure(command("store", "build", "-q", "-t", "large:1", context), process.env);
    rmSync(context, { recursive: true });
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const there = (): string => `${registry.host}/large:1`;
  /** In this order; each takes what the one before it left, and what nobody needs any more is removed. */
  const ways: readonly (readonly [name: string, store: string, args: () => readonly string[], gone?: string])[] = [
    ["push", "store", () => ["copy", "-q", "store:large:1", `docker://${there()}`]],
    ["save", "store", () => ["save", "-q", "-o", at("oci.tar"), "large:1"], "store"],
    ["pull", "pulled", () => ["pull", "-q", there()]],
    [
      "save as docker-archive",
      "pulled",
      () => ["save", "-q", "--format", "docker-archive", "-o", at("docker.tar"), there()],
      "pulled",
    ],
    [
      "copy from a docker-archive to a registry",
      "none",
      () => ["copy", "-q", `docker-archive:${at("docker.tar")}`, `docker://${registry.host}/other:1`],
      "docker.tar",
    ],
    [
      "copy from a registry to a layout",
      "none",
      () => ["copy", "-q", `docker://${there()}`, `oci:${at("layout")}:1`],
      "layout",
    ],
    [
      "copy from an archive to a registry",
      "none",
      () => ["copy", "-q", `oci-archive:${at("oci.tar")}`, `docker://${registry.host}/third:1`],
    ],
    ["load", "loaded", () => ["load", "-q", "-i", at("oci.tar")], "loaded"],
    ["pull and unpack", "unpacked", () => ["bundle", "-q", `docker://${there()}`, at("bundle")], "bundle"],
  ];
  for (const [name, store, args, gone] of ways)
    test(name, async (t) => {
      const { peakMb } = await measure(command(store, ...args()), process.env);
      if (gone !== undefined) rmSync(at(gone), { recursive: true });
      t.diagnostic(`the largest process had ${Math.round(peakMb)} MB at most`);
      assert.ok(peakMb < MOST_MB, `${peakMb} MB`);
    });
});
