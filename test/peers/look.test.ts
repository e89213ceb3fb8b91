// What is shown of an image is what other programs find in it: skopeo its fields, tar its layers, umoci its files.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, suite, test } from "node:test";

import { cat } from "../../src/commands/images/cat.ts";
import type { Command } from "../../src/commands/command.ts";
import { diff } from "../../src/commands/images/diff.ts";
import { history } from "../../src/commands/images/history.ts";
import { inspect } from "../../src/commands/images/inspect.ts";
import { ls } from "../../src/commands/images/ls.ts";
import { validate } from "../../src/commands/images/validate.ts";
import { noRegistry, startRegistry } from "../transport/registry-server.ts";
import { runCommand } from "../support/run-command.ts";
import { buildDemo, type DemoImage, isRoot, missing, run } from "./demo-image.ts";

suite("an image, as others see it", () => {
  let image: DemoImage;
  before(async () => {
    image = await buildDemo();
  });
  after(() => image[Symbol.dispose]());

  const lookIn = async (root: string, command: Command, ...args: readonly string[]): Promise<string> => {
    const { code, error, stdout } = await runCommand(command, root, ...args);
    assert.equal(code, 0, error?.message);
    return stdout;
  };
  const look = (command: Command, ...args: readonly string[]): Promise<string> =>
    lookIn(image.storeRoot, command, ...args);
  const forms = (): Readonly<Record<string, string>> => ({
    store: "demo2",
    oci: `oci:${image.layout}:latest`,
    "oci-archive": `oci-archive:${image.ociArchive}`,
    "docker-archive": `docker-archive:${image.dockerArchive}`,
  });

  for (const form of ["store", "oci", "oci-archive", "docker-archive"]) {
    test(`inspect agrees with skopeo (${form})`, { skip: missing("skopeo") }, async () => {
      const name = forms()[form] ?? "";
      const theirName = form === "store" ? `oci:${image.storeRoot}:docker.io/library/demo2:latest` : name;
      const theirs = JSON.parse(run("skopeo", ["inspect", theirName]));
      const [ours] = JSON.parse(await look(inspect, "--json", name));
      for (const field of ["Os", "Architecture", "Created"]) assert.equal(ours[field], theirs[field], field);
      assert.deepEqual(ours.Config.Env, theirs.Env);
      assert.equal(ours.Id, image.imageId);
      if (form !== "docker-archive") {
        assert.equal(ours.Digest, theirs.Digest);
        assert.deepEqual(
          ours.Layers.map(({ Digest }: { Digest: string }) => Digest),
          theirs.Layers,
        );
        assert.equal(await look(inspect, "--raw", name), run("skopeo", ["inspect", "--raw", theirName]));
      }
      assert.equal(
        await look(inspect, "--config", "--raw", name),
        run("skopeo", ["inspect", "--config", "--raw", theirName]),
      );
    });
  }

  test("history agrees with the config that skopeo reads", { skip: missing("skopeo") }, async () => {
    const config = JSON.parse(run("skopeo", ["inspect", "--config", forms()["oci"] ?? ""]));
    const ours = (await look(history, "--json", "demo2"))
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      ours.toReversed().map(({ createdBy, created, emptyLayer }) => [createdBy, created, emptyLayer]),
      config.history.map(({ created_by, created, empty_layer }: Record<string, unknown>) => [
        created_by,
        created,
        empty_layer ?? false,
      ]),
    );
    // The second image was built here from a Dockerfile of ten lines; its base from another one.
    assert.deepEqual(
      ours.map(({ line }) => line),
      [10, 9, 8, 7, undefined, undefined],
    );
    assert.ok(ours.slice(0, 4).every(({ dockerfile }) => dockerfile === "Dockerfile"));
  });

  test("ls --layer agrees with the listing of tar", { skip: missing("tar") }, async () => {
    const [{ Layers }] = JSON.parse(await look(inspect, "--json", "demo2"));
    for (const [at, { Digest }] of Layers.entries()) {
      const blob = path.join(image.layout, "blobs", Digest.replace(":", "/"));
      const listed = run("tar", ["--numeric-owner", "--utc", "--full-time", "-tvzf", blob], {
        env: { ...process.env, LC_ALL: "C" },
      });
      const theirs = listed
        .trimEnd()
        .split("\n")
        .map(tarLine)
        .filter(({ name }) => name !== "")
        .sort(byName);
      const ours = (await look(ls, "-R", "--json", "--layer", `${at + 1}`, "demo2"))
        .trimEnd()
        .split("\n")
        .map(ourLine)
        .sort(byName);
      // A directory around what a layer holds may be in no tar; ours shows it.
      const names = new Set(theirs.map(({ name }) => name));
      assert.deepEqual(
        ours.filter(({ name, isDirectory }) => names.has(name) || !isDirectory),
        theirs,
      );
    }
  });

  test("ls and cat agree with the files that umoci unpacks", { skip: missing("umoci") }, async () => {
    const bundle = path.join(image.folder, "bundle");
    run("umoci", ["unpack", ...(isRoot ? [] : ["--rootless"]), "--image", `${image.layout}:latest`, bundle]);
    const rootfs = path.join(bundle, "rootfs");
    const found = run("find", [rootfs, "-mindepth", "1", "-printf", "%P\t%y\t%m\t%s\t%l\n"]);
    const theirs = found.trimEnd().split("\n").sort();
    const ours = (await look(ls, "-R", "--json", forms()["oci-archive"] ?? ""))
      .trimEnd()
      .split("\n")
      .map((line) => findLine(JSON.parse(line)));
    // The size of a directory is the file system's own affair.
    const withoutSize = (line: string): string => line.replace(/\td\t(\d+)\t\d+\t/, "\td\t$1\t0\t");
    assert.deepEqual(ours.sort(), theirs.map(withoutSize));
    for (const file of ["etc/motd", "usr/share/demo/pages/third.html"])
      assert.equal(await look(cat, `demo2:/${file}`), readFileSync(path.join(rootfs, file), "utf8"));
  });

  test(
    "a registry's image is looked at without storing it; validate finds nothing wrong in any form",
    { skip: noRegistry || missing("skopeo") },
    async () => {
      await using registry = await startRegistry();
      const remote = `docker://${registry.host}/demo:1`;
      run("skopeo", ["copy", "--dest-tls-verify=false", `oci-archive:${image.ociArchive}`, remote]);
      const own = path.join(image.folder, "empty-store");
      mkdirSync(own);
      const fresh = (command: Command, ...args: readonly string[]): Promise<string> => lookIn(own, command, ...args);
      assert.equal(await fresh(cat, `${remote}:/etc/motd`), "HELLO FROM TSBUILD\n");
      assert.match(await fresh(history, remote), /^LAYER +CREATED +CREATED BY +COMPRESSED/);
      assert.deepEqual(readdirSync(own), []);
      for (const name of [...Object.values(forms()), remote]) {
        assert.match(await look(validate, name), /\d+ checks, all ok\n$/);
        const [{ verified, imageId }] = JSON.parse(await look(inspect, "--ids", "--json", name));
        assert.deepEqual([verified, imageId.digest], [true, image.imageId]);
      }
      assert.match(await look(diff, "--exit-code", "demo2", remote), /same image/);
    },
  );
});

interface Line {
  readonly name: string;
  readonly isDirectory: boolean;
  readonly mode: string;
  readonly owner: string;
  readonly size: string;
  readonly time: string;
}

/** `-rw-r--r-- 0/0  32 2026-11-25 23:33:58 name -> target`; a whiteout as we show it. */
function tarLine(line: string): Line {
  const [mode = "", owner = "", size = "", day = "", hour = "", ...rest] = line.split(/ +/);
  const [name = ""] = rest.join(" ").split(" -> ");
  const clean = name.replace(/^\.?\/|\/$/g, "");
  const base = path.basename(clean);
  if (base.startsWith(".wh.")) {
    return {
      name: path.join(path.dirname(clean), base.slice(4)),
      isDirectory: false,
      mode: "whiteout",
      owner: "",
      size: "",
      time: "",
    };
  }
  const isFile = mode.startsWith("-");
  return {
    name: clean,
    isDirectory: mode.startsWith("d"),
    mode: octal(mode),
    owner: owner.replace("/", ":"),
    size: isFile ? size : "",
    time: `${day}T${hour.slice(0, 8)}Z`,
  };
}

function ourLine(text: string): Line {
  const { name, type, mode, uid, gid, size, mtime } = JSON.parse(text);
  if (type === "whiteout") return { name, isDirectory: false, mode: "whiteout", owner: "", size: "", time: "" };
  return {
    name,
    isDirectory: type === "dir",
    mode,
    owner: `${uid}:${gid}`,
    size: size === undefined ? "" : `${size}`,
    time: mtime,
  };
}

/** `drwxrwxrwt` in octal. */
function octal(letters: string): string {
  const bits = [...letters.slice(1)].reduce((mode, letter, at) => mode | (letter === "-" ? 0 : 0o400 >> at), 0);
  return (bits | (letters.endsWith("t") ? 0o1000 : 0)).toString(8).padStart(4, "0");
}

/** As find's -printf has it: a link has the mode 777 and the size of its target. */
function findLine({ name, type, mode, size, link = "" }: Record<string, string>): string {
  const letter = { file: "f", dir: "d", symlink: "l" }[type ?? ""];
  const bits = type === "symlink" ? "777" : `${mode}`.replace(/^0+(?=.)/, "");
  return `${name}\t${letter}\t${bits}\t${type === "symlink" ? link.length : (size ?? 0)}\t${link}`;
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}
