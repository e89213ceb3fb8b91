// The recipes in deploy/: that they are YAML of the kinds they say, that their pages exist, and that the arguments of every
// job in them build and push an image in a container like the one they describe.

import assert from "node:assert/strict";
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { suite, test } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import { startMemoryRegistry } from "./support/memory-registry.ts";
import { Pod, type PodLevel, whyNoPod } from "./support/pod.ts";
import { splitWords } from "./support/words.ts";

const DEPLOY = path.join(import.meta.dirname, "../deploy");

interface Container {
  readonly args: readonly string[];
  readonly image: string;
}

const read = (file: string): unknown => parse(readFileSync(path.join(DEPLOY, file), "utf8"));
const job = (file: string): Container =>
  (read(file) as { spec: { template: { spec: { containers: [Container] } } } }).spec.template.spec.containers[0];

/** Each job's arguments, and what stands in for what a cluster would give them. */
const JOBS: readonly (readonly [name: string, level: PodLevel, args: () => readonly string[]])[] = [
  ["kubernetes/job-default.yaml", "default", () => job("kubernetes/job-default.yaml").args],
  ["kubernetes/job-restricted.yaml", "restricted", () => job("kubernetes/job-restricted.yaml").args],
  ["kubernetes/job-user-namespace.yaml", "namespaces", () => job("kubernetes/job-user-namespace.yaml").args],
  [
    "argo/workflow.yaml",
    "default",
    () =>
      (read("argo/workflow.yaml") as { spec: { templates: [{ container: Container }] } }).spec.templates[0].container
        .args,
  ],
  [
    "tekton/task.yaml",
    "default",
    () =>
      (read("tekton/task.yaml") as { spec: { steps: [Container] } }).spec.steps[0].args.filter(
        (arg) => !arg.includes("EXTRA_ARGS"),
      ),
  ],
  [
    "gitlab/gitlab-ci.yml",
    "default",
    () => {
      const { script } = (read("gitlab/gitlab-ci.yml") as { "build-image": { script: string[] } })["build-image"];
      const line = script.find((one) => one.startsWith("/kaniko/executor ")) ?? assert.fail("no executor");
      return splitWords(line, { CI_PROJECT_DIR: "CONTEXT", CI_REGISTRY_IMAGE: "registry.example/team/app", CI_COMMIT_SHORT_SHA: "1" }).slice(1); // prettier-ignore
    },
  ],
];

suite("recipes", () => {
  test("are YAML, and each kind that Kubernetes takes names its version", () => {
    const files = globSync("**/*.{yaml,yml}", { cwd: DEPLOY });
    assert.ok(files.length >= 8);
    for (const file of files) {
      const documents = parseAllDocuments(readFileSync(path.join(DEPLOY, file), "utf8"));
      for (const document of documents) {
        assert.deepEqual(document.errors, [], file);
        assert.deepEqual(document.warnings, [], file);
        const content = document.toJS() as Record<string, unknown>;
        if (/^(kubernetes|tekton|argo)\//.test(file))
          for (const key of ["apiVersion", "kind", "metadata", "spec"]) assert.ok(key in content, `${file}: ${key}`);
      }
    }
  });

  test("have a page, and every link of a page leads somewhere", () => {
    for (const page of globSync("**/*.md", { cwd: DEPLOY })) {
      const text = readFileSync(path.join(DEPLOY, page), "utf8");
      for (const [, target = ""] of text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g))
        assert.ok(existsSync(path.join(DEPLOY, path.dirname(page), target)), `${page}: ${target}`);
    }
  });

  test("pods of the level restricted have what that level asks for", () => {
    const { spec } = (
      read("kubernetes/job-restricted.yaml") as { spec: { template: { spec: Record<string, unknown> } } }
    ).spec.template;
    const pod = spec["securityContext"] as Record<string, unknown>;
    assert.equal(pod["runAsNonRoot"], true);
    assert.deepEqual(pod["seccompProfile"], { type: "RuntimeDefault" });
    const [container] = spec["containers"] as [{ securityContext: Record<string, unknown> }];
    assert.equal(container.securityContext["allowPrivilegeEscalation"], false);
    assert.deepEqual(container.securityContext["capabilities"], { drop: ["ALL"] });
  });
});

suite("jobs of recipes", { skip: whyNoPod() }, () => {
  for (const [name, level, args] of JOBS)
    test(`${name} builds and pushes`, async () => {
      await using registry = await startMemoryRegistry();
      using pod = new Pod(level);
      mkdirSync(path.join(pod.work, "context"));
      writeFileSync(path.join(pod.work, "context/Dockerfile"), "FROM scratch\nCOPY Dockerfile /\n");
      pod.share();
      const words = args().map((arg) =>
        arg
          .replace(
            /git:\/\/git\.example\/\S+|dir:\/\/\/workspace|\$\(workspaces\.source\.path\)\/\$\(params\.CONTEXT\)|^CONTEXT$/,
            "/pod/context",
          )
          .replace(/^CONTEXT\/Dockerfile$/, "/pod/context/Dockerfile")
          .replace(/\{\{workflow\.parameters\.image\}\}|\$\(params\.IMAGE\)/, "registry.example/team/app:1")
          .replace("registry.example", registry.host)
          .replace("$(params.DOCKERFILE)", "./Dockerfile")
          .replace(/\$\(results\.(\w+)\.path\)/, "/pod/$1")
          .replace(/\/data\b/, "/pod/data")
          .replace("/dev/termination-log", "/pod/termination-log"),
      );
      assert.doesNotMatch(words.join(" "), /\$\(|\{\{|CONTEXT/);
      const ended = await pod.tsbuild("--root", "/pod/store", "executor", ...words);
      assert.equal(ended.code, 0, `${words.join(" ")}: ${ended.stderr}`);
      assert.ok(registry.manifests.get("team/app")?.has("1"));
    });
});
