import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTemplate, parseValueTemplate } from "../../src/cli/go-template.ts";

const IMAGE = {
  Id: "sha256:1",
  Size: 3,
  RepoTags: ["a:1", "a:2"],
  Config: { Env: ["A=1", "B=2"], Labels: { "x.y": "z", a: "" } },
};

test("values print as Go prints them", () => {
  const shown = (template: string): string => parseValueTemplate(template)(IMAGE);
  assert.equal(shown("{{.Id}} {{ .Size }}"), "sha256:1 3");
  assert.equal(shown("{{.Config.Env}}\\n"), "[A=1 B=2]\n");
  assert.equal(shown("{{.Config.Labels}}"), "map[a: x.y:z]");
  assert.equal(shown("{{json .Config.Labels}}"), '{"x.y":"z","a":""}');
  assert.equal(shown('{{index .RepoTags 1}}|{{index .Config.Labels "x.y"}}|{{index .Config.Volumes "no"}}'), "a:2|z|");
  assert.equal(shown('{{len .RepoTags}} {{join .RepoTags ","}}'), "2 a:1,a:2");
  assert.deepEqual(JSON.parse(shown("{{json .}}")), IMAGE);
});

test("what is not there and what is not offered are errors that say what is", () => {
  assert.throws(() => parseValueTemplate("{{.Nope}}")(IMAGE), { code: "INPUT_MISSING", message: /--format .Nope/ });
  for (const template of ["{{range .RepoTags}}", "{{.Id | json}}", "{{len .A 1}}", "{{join .A}}", "{{Id}}"])
    assert.throws(() => parseValueTemplate(template), { code: "USAGE", message: /is not supported/ });
});

test("a list's template knows its fields only", () => {
  assert.equal(parseTemplate("{{.Ref}} {{json .Name}}", ["Ref", "Name"])({ Ref: "r", Name: "n" }), 'r "n"');
  assert.throws(() => parseTemplate("{{.Ref.X}}", ["Ref"]), { code: "USAGE" });
  assert.throws(() => parseTemplate("{{.Other}}", ["Ref"]), { code: "USAGE", message: /no field ".Other"/ });
});
