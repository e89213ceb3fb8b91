// What a conversion asks of the world: only what the target needs.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { convertText } from "./convert-world.ts";

async function askedFor(text: string, target?: string): Promise<string[]> {
  const asked: string[] = [];
  await convertText(text, { target }, asked);
  return asked.sort();
}

suite("a conversion asks for", () => {
  test("the images that the target's stages begin with or read, and no others", async () => {
    const text =
      "FROM plain AS a\nFROM full AS b\nRUN --mount=from=triggers,target=/t x\nFROM missing AS c\nFROM a\nCOPY --from=b x /";
    assert.deepEqual(await askedFor(text), ["full", "plain", "triggers"]);
    assert.deepEqual(await askedFor(text, "a"), ["plain"]);
  });

  test("the main context once, and not at all when nothing reads it", async () => {
    assert.deepEqual(await askedFor("FROM plain\nCOPY a /\nADD b /\nRUN --mount=target=/c x"), [
      "main context",
      "plain",
    ]);
    assert.deepEqual(await askedFor("FROM plain\nRUN --mount=type=cache,target=/c x\nADD https://h/x /"), ["plain"]);
  });

  test("named contexts in place of images and stages, in every form of the name", async () => {
    assert.deepEqual(await askedFor("FROM docker.io/library/tools"), ["context tools"]);
    assert.deepEqual(await askedFor("FROM missing AS Tools\nFROM tools:latest"), ["context tools"]);
    assert.deepEqual(await askedFor("FROM scratch\nCOPY --from=assets a /"), ["context assets"]);
    assert.deepEqual(await askedFor("FROM missing AS assets\nFROM scratch"), []);
  });

  test("images that triggers of a base name", async () => {
    assert.deepEqual(await askedFor("FROM plain AS side\nCOPY --from=full a /\nFROM late"), ["full", "late", "plain"]);
    assert.deepEqual(await askedFor("FROM triggers\nARG x"), ["main context", "plain", "triggers"]);
  });
});

test("equal steps of different stages are one vertex", async () => {
  const plan = await convertText(
    "FROM plain AS a\nRUN x\nFROM plain AS b\nRUN x\nFROM scratch\nCOPY --from=a p /\nCOPY --from=b q /",
  );
  const [first, second] = [plan.result?.inputs[0]?.inputs[0], plan.result?.inputs[1]];
  assert.equal(first?.digest, second?.digest);
});

test("a copy always has a tree to read, even from scratch", async () => {
  const plan = await convertText("FROM scratch AS none\nFROM plain\nCOPY --from=none a* /\nCOPY --from=scratch b* /");
  const op = plan.result?.op;
  assert.ok(op?.kind === "file" && op.actions.every((action) => action.action === "copy" && action.from >= 0));
});

test("names and hidden variables are no part of a step's identity", async () => {
  const text = "FROM plain\nRUN x";
  const usual = await convertText(text);
  const renamed = await convertText(text.replace("plain", "plain AS other"), {
    multiPlatform: true,
    buildArgs: new Map([["http_proxy", "p"]]),
  });
  assert.equal(usual.result?.digest, renamed.result?.digest);
  const declared = await convertText("FROM plain\nARG http_proxy\nRUN x", {
    buildArgs: new Map([["http_proxy", "p"]]),
  });
  assert.notEqual(usual.result?.digest, declared.result?.digest);
});
