// The commands that look at images read them alike wherever they are, and find names as TSBUILD_SHORT_NAMES has them.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import type { Command } from "../../src/commands/command.ts";
import { cat } from "../../src/commands/images/cat.ts";
import { copy } from "../../src/commands/transfer/copy.ts";
import { diff } from "../../src/commands/images/diff.ts";
import { history } from "../../src/commands/images/history.ts";
import { images, rmi, tag } from "../../src/commands/images/images.ts";
import { inspect } from "../../src/commands/images/inspect.ts";
import { layers } from "../../src/commands/images/layers.ts";
import { ls } from "../../src/commands/images/ls.ts";
import { validate } from "../../src/commands/images/validate.ts";
import { tarOf } from "../layer/support.ts";
import { CraftedLayout } from "../support/crafted-layout.ts";
import { startDockerStandin } from "../support/docker-standin.ts";
import type { Ran } from "../support/run-command.ts";
import { runCommandIn } from "../support/run-command.ts";

const temp = mkdtempSync(join(tmpdir(), "tsbuild-places-"));
after(() => rmSync(temp, { recursive: true, force: true }));
const root = join(temp, "store");
const layout = new CraftedLayout(join(temp, "layout"));
const HISTORY = [{ created: "2020-01-01T00:00:00Z", created_by: "ADD files" }, { created_by: "COPY more" }];
layout.image("app", {
  layers: [
    tarOf([{ name: "etc/" }, { name: "etc/motd", content: "hello\n" }]),
    tarOf([{ name: "more", content: "1" }]),
  ],
  config: (it) => ({ ...it, config: { Cmd: ["sh"] }, history: HISTORY }),
});
const source = `oci:${layout.folder}:app`;

suite("an image can be looked at", () => {
  const places = ["dir", "oci-archive", "docker-archive", "docker-daemon", "store"] as const;
  for (const place of places) {
    test(`in ${place}:`, async () => {
      await using daemon = await startDockerStandin();
      const environment = { DOCKER_HOST: daemon.host, TMPDIR: temp };
      const run = async (command: Command, ...args: readonly string[]): Promise<Ran> => {
        const ran = await runCommandIn(environment, command, root, ...args);
        assert.equal(ran.error, undefined, `${ran.error?.message}`);
        return ran;
      };
      const file = join(temp, `${place}.tar`);
      const name = {
        dir: `dir:${join(temp, "dir")}`,
        "oci-archive": `oci-archive:${file}`,
        "docker-archive": `docker-archive:${file}`,
        "docker-daemon": "docker-daemon:app:1",
        store: "store:app:1",
      }[place];
      // What a daemon gives is such an archive.
      const written = name.startsWith("docker-") ? `docker-archive:${file}:app:1` : name;
      await run(copy, "-q", source, written);
      if (place === "docker-daemon") daemon.archives.set("app:1", readFileSync(file));
      const [mine, theirs] = await Promise.all([run(inspect, "--json", source), run(inspect, "--json", name)]);
      const [a, b] = [JSON.parse(mine.stdout)[0], JSON.parse(theirs.stdout)[0]];
      assert.deepEqual([b.Id, b.Config, b.RootFS], [a.Id, a.Config, a.RootFS]);
      assert.match((await run(history, name)).stdout, /COPY more/);
      assert.match((await run(ls, `${name}:/etc`)).stdout, /motd/);
      assert.equal((await run(cat, `${name}:/etc/motd`)).stdout, "hello\n");
      assert.match((await run(layers, name)).stdout, /ADD files/);
      assert.equal((await run(diff, "--exit-code", source, name)).code, 0);
      assert.match((await run(validate, name)).stdout, /checks, all ok/);
    });
  }
});

test("names are found as registries.conf has them, when that is asked for", async () => {
  const home = join(temp, "home");
  mkdirSync(join(home, ".config/containers"), { recursive: true });
  writeFileSync(
    join(home, ".config/containers/registries.conf"),
    'unqualified-search-registries = ["registry.example"]\n',
  );
  const run = async (environment: Record<string, string>, command: Command, ...args: readonly string[]): Promise<Ran> =>
    await runCommandIn({ HOME: home, ...environment }, command, root, ...args);
  const containers = { TSBUILD_SHORT_NAMES: "containers" };
  await run({}, copy, "-q", source, "store:registry.example/team/tool:2");
  assert.equal((await run({}, inspect, "team/tool:2")).error?.code, "INPUT_MISSING");
  assert.match((await run(containers, inspect, "team/tool:2")).stdout, /^Command +\["sh"\]$/m);
  assert.equal((await run(containers, tag, "team/tool:2", "docker.io/team/other:1")).error, undefined);
  assert.equal((await run(containers, copy, "-q", "store:team/tool:2", `dir:${join(temp, "tool")}`)).error, undefined);
  assert.equal(JSON.parse(readFileSync(join(temp, "tool/manifest.json"), "utf8")).schemaVersion, 2);
  const removed = await run(containers, rmi, "team/tool:2");
  assert.equal(removed.stdout, "Untagged: registry.example/team/tool:2\n");
  assert.doesNotMatch((await run({}, images)).stdout, /registry\.example/);
});
