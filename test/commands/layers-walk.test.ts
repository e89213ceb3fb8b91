// Walking through layers: what keys do, what is painted, and that the terminal is as it was before in the end.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { IPty } from "node-pty";
import type { Entry } from "../../builder/layer/entry.ts";
import { weighLayers } from "../../builder/layer/view/usage.ts";
import type { ImageUsage } from "../../builder/layer-usage.ts";
import { renderWalk } from "../../src/commands/images/layers-screen.ts";
import type { Key, Walk } from "../../src/commands/images/layers-walk.ts";
import { press, startWalk, treeRows } from "../../src/commands/images/layers-walk.ts";
import { columns } from "../../src/progress/terminal-text.ts";
import { tarOf } from "../layer/support.ts";
import { CraftedLayout, digestOf } from "../support/crafted-layout.ts";

const TSBUILD = new URL("../../bin/tsbuild.js", import.meta.url).pathname;

const usage = usageOf(
  ["ADD base", [dir("etc"), file("etc/a", 10), file("etc/b", 20), dir("usr"), file("usr/x", 5)]],
  ["RUN change", [dir("etc"), file("etc/a", 11), whiteout("etc/b"), dir("new"), file("new/\x1b[2Jevil\u65e5", 1)]],
);

suite("the keys", () => {
  const after = (...keys: readonly Key[]): Walk =>
    keys.reduce((walk, key) => press(walk, key, 5), startWalk("it", usage));
  const shown = (walk: Walk): string[] => treeRows(walk).map(({ path, node }) => `${node.mark} ${path}`);

  test("begin at the topmost layer, with what it changes", () => {
    assert.deepEqual([after().layer, after().focus], [1, "layers"]);
    assert.deepEqual(shown(after()), [
      "same /etc",
      "changed /etc/a",
      "deleted /etc/b",
      "added /new",
      "added /new/\x1b[2Jevil\u65e5",
    ]);
  });

  test("move from layer to layer and not beyond", () => {
    assert.equal(after("up").layer, 0);
    assert.equal(after("up", "up", "page-up").layer, 0);
    assert.equal(after("home", "down", "down", "end").layer, 1);
    assert.deepEqual(shown(after("up"))[0], "added /etc");
  });

  test("move in the files, close and open directories, and come back", () => {
    const closed = after("tab", "left");
    assert.deepEqual(shown(closed), ["same /etc", "added /new", "added /new/\x1b[2Jevil\u65e5"]);
    assert.equal(press(closed, "right", 5).toggled.size, 0);
    assert.equal(after("right", "down", "down", "left").row, 0, "to the directory around it");
    assert.equal(after("right", "left", "left").focus, "layers");
    assert.equal(after("tab", "end").row, 4);
    assert.equal(after("tab", "page-down", "page-up", "page-up").row, 0);
  });

  test("show all files, with directories closed", () => {
    const all = after("show");
    assert.deepEqual(shown(all), ["same /etc", "added /new", "same /usr"]);
    assert.deepEqual(shown(press(press(all, "tab", 5), "toggle", 5)).slice(0, 3), [
      "same /etc",
      "changed /etc/a",
      "deleted /etc/b",
    ]);
  });

  test("of an image without layers do nothing", () => {
    const empty = startWalk("it", usageOf());
    for (const key of ["up", "down", "tab", "right", "toggle", "end", "show", "left"] as const)
      press(press(empty, "tab", 5), key, 5);
    assert.match(renderWalk(empty, { columns: 80, rows: 10 }, false).join("\n"), /no layers/);
  });
});

suite("the screen", () => {
  const walk = press(startWalk("it", usage), "tab", 5);
  const plain = (line: string): string => line.replace(/\x1b\[[0-9;]*m/g, "");

  test("has a row for each of the terminal's, none wider, and shows nothing that moves the cursor", () => {
    for (const size of [
      { columns: 80, rows: 24 },
      { columns: 41, rows: 9 },
      { columns: 200, rows: 60 },
      { columns: 10, rows: 3 },
    ]) {
      const lines = renderWalk(walk, size, true).map(plain);
      assert.equal(lines.length, size.rows);
      for (const line of lines) {
        assert.ok(columns(line) <= size.columns, line);
        assert.doesNotMatch(line, /[\0-\x1f\x7f]/);
      }
    }
  });

  test("marks changes with letters, and with colours unless they are not wanted", () => {
    const lines = (colours: boolean): string => renderWalk(walk, { columns: 120, rows: 12 }, colours).join("\n");
    assert.match(plain(lines(true)), /│ C -rw-r--r-- {5}11B {6}a\n/);
    assert.match(plain(lines(true)), /│ D -rw-r--r-- {6}0B {6}b\n/);
    assert.match(lines(true), /\x1b\[33mC .*\x1b\[31mD /s);
    assert.doesNotMatch(lines(false), /\x1b\[3\dm/);
    assert.match(lines(false), /\x1b\[7m/, "the chosen row stays visible");
    assert.match(plain(lines(false)), /efficiency 36\.2 %: 30B of 47B are/);
    assert.match(plain(lines(false)), /^ {2}2 +12B +0B {2}RUN change/m);
  });

  test("keeps the chosen row in sight", () => {
    const many = usageOf(
      ...Array.from({ length: 100 }, (_, at): [string, Entry[]] => [`STEP ${at}`, [file(`f${at}`, 1)]]),
    );
    const lines = (layer: number): string =>
      renderWalk({ ...startWalk("it", many), layer }, { columns: 80, rows: 12 }, false).join("\n");
    for (const layer of [0, 50, 99])
      assert.match(lines(layer), new RegExp(`\\x1b\\[7m *${layer + 1} .*STEP ${layer}\\b`));
  });
});

suite("on a terminal", { skip: await whyNoPty() }, () => {
  const temp = mkdtempSync(join(tmpdir(), "tsbuild-walk-"));
  after(() => rmSync(temp, { recursive: true, force: true }));
  const layout = new CraftedLayout(join(temp, "layout"));
  layout.image("it", {
    layers: [tarOf([{ name: "a", content: "x" }, { name: "d/" }]), tarOf([{ name: "b", content: "y" }])],
  });

  const start = async (environment: Readonly<Record<string, string>> = {}): Promise<Terminal> =>
    Terminal.start(["--root", join(temp, "store"), "layers", `oci:${layout.folder}:it`], environment);

  test("layers and files are walked through, and everything is as before after q", async () => {
    const terminal = await start();
    await terminal.waitFor(/STEP 2/);
    assert.match(terminal.output, /^\x1b\[\?1049h\x1b\[\?25l/);
    assert.match(terminal.output, /A -rw-r--r-- +1B +b/);
    terminal.type("\x1b[A");
    await terminal.waitFor(/A -rw-r--r-- +1B +a/);
    terminal.resize(100, 9);
    await terminal.waitFor(/\x1b\[9;1H/);
    assert.doesNotMatch(terminal.last, /\x1b\[10;1H/);
    terminal.type("q");
    assert.deepEqual(await terminal.ended(), { exitCode: 0, signal: 0 });
    assert.match(terminal.output, /\x1b\[\?25h\x1b\[\?1049l$/);
  });

  for (const [how, end, exitCode] of [
    ["Ctrl-C", (it: Terminal): void => it.type("\x03"), 130],
    ["SIGTERM", (it: Terminal): void => it.kill("SIGTERM"), 143],
  ] as const) {
    test(`${how} ends it, with the screen restored first`, async () => {
      const terminal = await start({ NO_COLOR: "1" });
      await terminal.waitFor(/STEP 2/);
      assert.doesNotMatch(terminal.output, /\x1b\[3\dm/);
      end(terminal);
      assert.equal((await terminal.ended()).exitCode, exitCode);
      assert.match(terminal.output, /\x1b\[\?1049l.*stopped by SIG/s);
    });
  }

  test("Ctrl-Z gives the terminal back, and it is taken again when the program goes on", async () => {
    const terminal = await start();
    await terminal.waitFor(/STEP 2/);
    terminal.type("\x1a");
    await terminal.waitFor(/\x1b\[\?1049l/);
    terminal.kill("SIGCONT");
    await terminal.waitFor(/\x1b\[\?1049h.*STEP 2/s);
    terminal.type("q");
    assert.equal((await terminal.ended()).exitCode, 0);
  });

  test("--no-tui and a terminal that can nothing print the table", async () => {
    const dumb = await start({ TERM: "dumb" });
    assert.equal((await dumb.ended()).exitCode, 0);
    assert.match(dumb.output, /^# +SIZE +COMPRESSED/);
    const args = ["--root", join(temp, "store"), "layers", "--no-tui", `oci:${layout.folder}:it`];
    const flag = await Terminal.start(args, {});
    await flag.ended();
    assert.match(flag.output, /^# +SIZE +COMPRESSED/);
  });
});

/** The program on a pseudo-terminal of 100 columns and 20 rows. */
class Terminal {
  readonly #pty: IPty;
  readonly #exit: Promise<{ exitCode: number; signal?: number | undefined }>;
  output = "";
  /** What came since something was typed. */
  last = "";

  private constructor(pty: IPty) {
    this.#pty = pty;
    pty.onData((data) => {
      this.output += data;
      this.last += data;
    });
    this.#exit = new Promise((resolve) => void pty.onExit(resolve));
  }

  static async start(args: readonly string[], environment: Readonly<Record<string, string>>): Promise<Terminal> {
    const { spawn } = await import("node-pty");
    const { NO_COLOR: _none, ...inherited } = process.env;
    const env = { ...inherited, TERM: "xterm", ...environment };
    return new Terminal(spawn(process.execPath, [TSBUILD, ...args], { cols: 100, rows: 20, env }));
  }

  type(keys: string): void {
    this.last = "";
    this.#pty.write(keys);
  }

  resize(width: number, height: number): void {
    this.last = "";
    this.#pty.resize(width, height);
  }

  kill(signal: string): void {
    this.#pty.kill(signal);
  }

  /** Waits until what came since the last key shows it. */
  async waitFor(pattern: RegExp): Promise<void> {
    for (let tries = 0; tries < 1200; tries++) {
      if (pattern.test(this.last)) return;
      await sleep(50);
    }
    assert.fail(`${pattern} never came: ${JSON.stringify(this.output)}`);
  }

  async ended(): Promise<{ exitCode: number; signal?: number | undefined }> {
    const ended = await this.#exit;
    await sleep(50); // what was written last may come after the exit
    return ended;
  }
}

async function whyNoPty(): Promise<string | false> {
  return await import("node-pty").then(
    () => false,
    () => "node-pty is not built",
  );
}

function usageOf(...layers: readonly (readonly [string, readonly Entry[]])[]): ImageUsage {
  const weighed = weighLayers(layers.map(([, entries]) => entries));
  const diffId = digestOf(Buffer.from("x")) as `sha256:${string}`; // as every digest here
  return {
    ...weighed,
    efficiency: weighed.bytes === 0 ? 1 : 1 - weighed.wastedBytes / weighed.bytes,
    layers: weighed.layers.map((layer, at) => ({
      ...layer,
      descriptor: { mediaType: "x", digest: diffId, size: 1 },
      diffId,
      instruction: layers[at]?.[0],
      entries: layers[at]?.[1] ?? [],
    })),
  };
}

function plain(path: string, type: Entry["type"]): Entry {
  return { path, type, mode: 0o644, uid: 0, gid: 0, size: 0, mtimeNs: 0n };
}

function file(path: string, size: number): Entry {
  return { ...plain(path, "file"), size };
}

function dir(path: string): Entry {
  return { ...plain(path, "dir"), mode: 0o755 };
}

function whiteout(path: string): Entry {
  return plain(path, "whiteout");
}
