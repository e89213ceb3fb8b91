// docs/manual.md ends with all flags by command: those that --help shows, none more and none less. And it has each command.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import type { Arguments } from "../../src/cli/flags.ts";
import type { Command } from "../../src/commands/command.ts";
import { COMMANDS } from "../../src/commands/command-table.ts";

const SRC = join(import.meta.dirname, "../../src");
const MANUAL = readFileSync(join(SRC, "../docs/manual.md"), "utf8");
/** Commands of commands, which have flags of their own. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  builds: ["ls", "show", "logs", "export", "report", "rm"],
  executor: ["push"],
  index: ["inspect"],
  registry: ["explain"],
};
/** Those that only lead to the ones below them; what passes bytes on has no flags. */
const WITHOUT_FLAGS = ["builds", "registry", "dial-stdio"];
const NO_FLAGS: Arguments = { values: new Map(), positionals: [], notes: [] };

test("the manual names each command, and each flag of its help and no other", async () => {
  const documented = readFlagLists(MANUAL);
  assert.ok(COMMANDS.length > 30);
  const names: string[] = [];
  for (const { name, load } of COMMANDS) {
    assert.match(MANUAL, new RegExp(`\`(?:tsbuild )?(?:\\[)?${name}\\b`), `the manual lacks the command ${name}`);
    const command = await load();
    const variants = [...(WITHOUT_FLAGS.includes(name) ? [] : [[]]), ...(BELOW[name] ?? []).map((word) => [word])];
    for (const words of variants) {
      const full = [name, ...words].join(" ");
      names.push(full);
      assert.deepEqual(documented.get(full), await flagsOf(command, words), `docs/manual.md, "Flags": ${full}`);
    }
  }
  assert.deepEqual([...documented.keys()].toSorted(), names.toSorted());
});

/** The long names in what the command prints for --help. */
async function flagsOf(command: Command, words: readonly string[]): Promise<readonly string[]> {
  let help = "";
  const code = await command({
    args: [...words, "--help"],
    globals: NO_FLAGS,
    environment: {},
    signal: new AbortController().signal,
    signals: { listen: () => ({ [Symbol.dispose]: () => undefined }) },
    print: async (data) => void (help += String(data)),
    outcome: { debug: false, told: false },
  });
  assert.equal(code, 0);
  return [...help.matchAll(/^ {2}(?:-\w, | {4})--([a-z0-9-]+)/gm)].flatMap(([, name]) => name ?? []).toSorted();
}

/** What the section "Flags" lists for each command. A list in italics stands for the flags in its own. */
function readFlagLists(manual: string): Map<string, readonly string[]> {
  const section = /\n## Flags\n([^]*?)(?=\n## |$)/.exec(manual)?.[1] ?? "";
  const items = section.split(/\n- /).slice(1);
  const [lists, groups] = [new Map<string, readonly string[]>(), new Map<string, readonly string[]>()];
  for (const item of items) {
    const [heads = "", list = ""] = item.split(/: (.*)/s);
    const group = /^_(\w+)_$/.exec(heads)?.[1];
    const flags = [...list.matchAll(/`--([a-z0-9-]+)`|_(\w+)_/g)].flatMap(([, flag, of = ""]) =>
      flag === undefined ? (groups.get(of) ?? []) : [flag],
    );
    if (group !== undefined) groups.set(group, flags);
    for (const [, name = ""] of heads.matchAll(/`([a-z -]+)`/g)) lists.set(name, ["help", ...flags].toSorted());
  }
  return lists;
}
