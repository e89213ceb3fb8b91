// The recipes in deploy/: that they are YAML of the kinds they say, that their pages exist, and that the arguments of every
// job in them build and push an image in a container like the one they describe.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { parse, parseAllDocuments } from "yaml";
import { makeAuthority, makeCertificate, noOpenssl } from "./support/certificates.ts";
import { listenOnLoopback } from "./support/loopback.ts";
import { startMemoryRegistry } from "./support/memory-registry.ts";
import { Pod, type PodLevel, whyNoPod } from "./support/pod.ts";
import { isPlayed } from "./support/sample.ts";
import { splitWords } from "./support/words.ts";

const DEPLOY = path.join(import.meta.dirname, "../deploy");
const TSBUILD = path.join(import.meta.dirname, "../bin/tsbuild.js");

interface Container {
  readonly args: readonly string[];
  readonly image: string;
}

/** What the recipes of Kubernetes have in common, wherever it stands in them. */
interface PodSpec {
  readonly containers?: readonly WithMounts[];
  readonly steps?: readonly WithMounts[];
  readonly container?: WithMounts;
  readonly volumes?: readonly { readonly name: string }[];
}
interface WithMounts {
  readonly image: string;
  readonly volumeMounts?: readonly { readonly name: string }[];
}

const read = (file: string): unknown => parse(readFileSync(path.join(DEPLOY, file), "utf8"));
const job = (file: string): Container =>
  (read(file) as { spec: { template: { spec: { containers: [Container] } } } }).spec.template.spec.containers[0];

const documents = (file: string): readonly unknown[] =>
  parseAllDocuments(readFileSync(path.join(DEPLOY, file), "utf8")).map((document): unknown => document.toJS());
const parameter = (file: string, wanted: string): string =>
  (read(file) as { spec: { params: { name: string; default: string }[] } }).spec.params.find(({ name }) => name === wanted)?.default ?? ""; // prettier-ignore

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
      for (const document of parseAllDocuments(readFileSync(path.join(DEPLOY, file), "utf8"))) {
        assert.deepEqual(document.errors, [], file);
        assert.deepEqual(document.warnings, [], file);
        const content = document.toJS() as Record<string, unknown>;
        if (/^(kubernetes|tekton|argo)\//.test(file))
          for (const key of ["apiVersion", "kind", "metadata", "spec"]) assert.ok(key in content, `${file}: ${key}`);
      }
    }
  });

  test("use our own images, and mount volumes that they have", () => {
    let images = 0;
    const look = (value: unknown, volumes: readonly string[], file: string): void => {
      if (typeof value !== "object" || value === null) return;
      const spec = value as PodSpec;
      const known = [...volumes, ...(spec.volumes ?? []).map(({ name }) => name)];
      for (const one of [
        ...(spec.containers ?? []),
        ...(spec.steps ?? []),
        ...(spec.container ? [spec.container] : []),
      ]) {
        const image = one.image === "$(params.BUILDER_IMAGE)" ? parameter(file, "BUILDER_IMAGE") : one.image;
        assert.match(image, /^registry\.example\/tsbuild\/(?:executor|debug|daemon):latest$/, file);
        images++;
        for (const { name } of one.volumeMounts ?? []) assert.ok(known.includes(name), `${file}: volume "${name}"`);
      }
      for (const each of Object.values(value)) look(each, known, file);
    };
    for (const file of globSync("{kubernetes,tekton,argo}/*.yaml", { cwd: DEPLOY }))
      for (const document of documents(file)) look(document, [], file);
    assert.equal(images, 7);
    const { image } = (read("gitlab/gitlab-ci.yml") as { "build-image": { image: { name: string } } })["build-image"];
    assert.equal(image.name, "registry.example/tsbuild/debug:latest", "a runner needs its shell");
    const { script } = (read("gitlab/gitlab-ci.yml") as { "build-image": { script: string[] } })["build-image"];
    const login = script.find((line) => line.includes("PASSWORD")) ?? assert.fail("no login");
    assert.doesNotMatch(login, /> *"?\$CI_PROJECT_DIR/, "the context would hold the password");
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

suite("the daemon's recipe", { skip: whyNoPod() || noOpenssl }, () => {
  test("serves whoever shows a certificate, at the port of its service and of the workflow, and ends in time", async () => {
    const [deployment, service] = documents("kubernetes/daemon.yaml") as [
      { spec: { template: { spec: { terminationGracePeriodSeconds: number; containers: [Container & { ports: [{ containerPort: number }] }] } } } },
      { spec: { ports: [{ port: number }] } },
    ]; // prettier-ignore
    const { containers, terminationGracePeriodSeconds } = deployment.spec.template.spec;
    const [{ args, ports }] = containers;
    const { port } = service.spec.ports[0];
    assert.equal(ports[0].containerPort, port);
    const { jobs } = read("github/workflow.yml") as { jobs: { build: { steps: { with?: { endpoint?: string } }[] } } };
    const endpoint = jobs.build.steps.map((step) => step.with?.endpoint).find((one) => one !== undefined);
    assert.equal(endpoint, `tcp://tsbuild.example:${port}`);
    const wait = Number(/=(\d+)$/.exec(args.find((arg) => arg.startsWith("--shutdown-timeout=")) ?? "")?.[1]);
    assert.ok(wait > 0 && wait < terminationGracePeriodSeconds, "the kubelet waits longer than the daemon");

    using pod = new Pod("namespaces");
    const authority = makeAuthority(pod.work, "ca");
    makeCertificate(pod.work, "tls", authority);
    mkdirSync(path.join(pod.work, "context"));
    writeFileSync(path.join(pod.work, "context/Dockerfile"), "FROM scratch\nCOPY Dockerfile /\n");
    pod.share();
    const own = await freePort();
    const words = args.map(
      (arg) =>
      arg.replace("/certs/", "/pod/").replace("/var/lib/tsbuild/", "/pod/").replace(`0.0.0.0:${port}`, `127.0.0.1:${own}`), // prettier-ignore
    );
    const daemon = pod.start(process.execPath, TSBUILD, "daemon", ...words);
    try {
      while (!daemon.stderr().includes("listening"))
        await Promise.race([pause(20), daemon.ended.then(({ stderr }) => assert.fail(stderr))]);
      const build = ["build", "-q", "--host", `tcp://127.0.0.1:${own}`, "-o", "type=cacheonly", `${pod.work}/context`];
      const trust = ["--tls-ca", authority.certificatePath];
      const shown = ["--tls-cert", path.join(pod.work, "tls.crt"), "--tls-key", path.join(pod.work, "tls.key")];
      const run = promisify(execFile);
      await assert.rejects(run(process.execPath, [TSBUILD, ...build.toSpliced(1, 0, ...trust)]));
      await run(process.execPath, [TSBUILD, ...build.toSpliced(1, 0, ...trust, ...shown)]);
    } finally {
      daemon.kill("SIGTERM");
      assert.equal((await daemon.ended).code, 0, daemon.stderr());
    }
  });
});

suite("jobs of recipes", { skip: whyNoPod() }, () => {
  for (const [name, level, args] of JOBS.filter((_, number) => isPlayed(number)))
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

/** A port that nobody has at the moment. */
async function freePort(): Promise<string> {
  await using listening = await listenOnLoopback(createServer());
  return new URL(listening.url).port;
}
