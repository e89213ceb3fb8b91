// What differs between what two images say of themselves.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { HistoryEntry, ImageConfig } from "../../builder/core/image/image-config.ts";
import { fieldInstruction } from "../../builder/image/history.ts";
import { compareStatements } from "../../builder/image/compare-configs.ts";

const base: ImageConfig = {
  created: "2020-01-01T00:00:00Z",
  architecture: "amd64",
  os: "linux",
  config: { Env: ["A=1", "B=2"], Cmd: ["sh"], Labels: { a: "1", "b.c": "2" }, ExposedPorts: { "80/tcp": {} } },
  rootfs: { type: "layers", diff_ids: [] },
  history: [
    { created: "2020-01-01T00:00:00Z", created_by: "ADD x" },
    { created: "2020-01-01T00:00:00Z", created_by: "ENV A=1", empty_layer: true },
    { created: "2020-01-01T00:00:00Z", created_by: "CMD sh", empty_layer: true },
  ],
};

const lines = (b: ImageConfig, times = false, annotations: Readonly<Record<string, string>> = {}): string[] =>
  compareStatements({ config: base, annotations: {} }, { config: b, annotations }, times).map(
    ({ kind, field, before, after }) => `${kind} ${field} ${JSON.stringify(before)} ${JSON.stringify(after)}`,
  );

test("the same config in another order of fields differs in nothing", () => {
  const { history, config, ...rest } = base;
  assert.deepEqual(
    lines({ config: { ...config, Labels: { "b.c": "2", a: "1" } }, history, ...rest } as ImageConfig),
    [],
  );
});

test("variables, labels and ports are compared one by one, the rest as it is", () => {
  const config = { Env: ["B=3", "C=4"], Cmd: ["bash"], Labels: { a: "1", "b.c": "3" }, User: "me" };
  assert.deepEqual(lines({ ...base, os: "plan9", config }), [
    'changed os "linux" "plan9"',
    'changed config.Cmd ["sh"] ["bash"]',
    'deleted config.Env.A "1" undefined',
    'changed config.Env.B "2" "3"',
    'added config.Env.C undefined "4"',
    'deleted config.ExposedPorts["80/tcp"] {} undefined',
    'changed config.Labels["b.c"] "2" "3"',
    'added config.User undefined "me"',
  ]);
});

test("names of fields may be those of every object", () => {
  const config = { ...base.config, Labels: { ...base.config?.Labels, constructor: "x", __proto__x: "y" } };
  assert.deepEqual(lines({ ...base, config }), [
    'added config.Labels.__proto__x undefined "y"',
    'added config.Labels.constructor undefined "x"',
  ]);
});

test("of the history only what one has differs, wherever it stands; else entries of the same instruction belong together", () => {
  const [first, second, last] = base.history ?? [];
  const of = (...history: readonly (HistoryEntry | undefined)[]): ImageConfig => ({
    ...base,
    history: history.flatMap((entry) => entry ?? []),
  });
  assert.deepEqual(lines(of(first, { created_by: "RUN y" }, last)), [
    'changed history.1.created_by "ENV A=1" "RUN y"',
    "deleted history.1.empty_layer true undefined",
  ]);
  const added = (at: number, name: string): string => `added history.${at} undefined {"created_by":"${name}"}`;
  assert.deepEqual(lines(of(first, { created_by: "RUN y" }, second, { created_by: "RUN z" }, last)), [
    added(1, "RUN y"),
    added(3, "RUN z"),
  ]);
  assert.deepEqual(lines(of({ created_by: "RUN y" }, { created_by: "ENV A=1", comment: "c" }, last, last)), [
    'changed history.0.created_by "ADD x" "RUN y"',
    'added history.1.comment undefined "c"',
    "deleted history.1.empty_layer true undefined",
    'added history.2 undefined {"created_by":"CMD sh","empty_layer":true}',
  ]);
});

test("times count only where they are asked for; annotations do", () => {
  const later = { ...base, created: "2021-01-01T00:00:00Z" };
  assert.deepEqual(lines(later), []);
  assert.deepEqual(lines(later, true), ['changed created "2020-01-01T00:00:00Z" "2021-01-01T00:00:00Z"']);
  assert.deepEqual(lines(base, false, { "a.b": "c" }), ['added annotations["a.b"] undefined "c"']);
});

test("a field of the config comes from the last instruction that sets it", () => {
  const told = [
    "ENV AB=0",
    "/bin/sh -c #(nop)  ENV A=1",
    'LABEL "a.b"=c a=d',
    "USER me",
    "RUN ENV",
    "USER 5",
    "EXPOSE [80/tcp]",
  ];
  const config = { ...base, history: told.map((created_by) => ({ created_by })) };
  const fields = [
    "config.Env.A",
    'config.Labels["a.b"]',
    "config.User",
    'config.ExposedPorts["80/tcp"]',
    "config.Env.B",
    "os",
  ];
  assert.deepEqual(
    fields.map((field) => fieldInstruction(config, field)),
    ["ENV A=1", 'LABEL "a.b"=c a=d', "USER 5", "EXPOSE [80/tcp]", undefined, undefined],
  );
});
