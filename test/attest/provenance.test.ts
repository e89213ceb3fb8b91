// Provenance: held against what the reference states about the same build, and what is never in it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { BuildFacts } from "../../builder/attest/facts.ts";
import type { ProvenanceLook, ProvenanceWorld } from "../../builder/attest/provenance.ts";
import { provenance } from "../../builder/attest/provenance.ts";
import type { Descriptor } from "../../builder/core/image/descriptor.ts";
import { MEDIA } from "../../builder/core/image/descriptor.ts";
import { digestOf } from "../../builder/core/digest.ts";
import { convert } from "../../builder/dockerfile/convert/convert.ts";
import { readDockerfile } from "../../builder/dockerfile/instructions.ts";
import { redact } from "../../builder/source/redact.ts";
import { DEFAULTS, smallWorld } from "../dockerfile/convert-world.ts";

const FIXTURES = join(import.meta.dirname, "../../fixtures/provenance");
const AMD64 = { os: "linux", architecture: "amd64" };
const BUSYBOX = "sha256:85c7403abd7a037769cc46055a0ad494e2428bf6b2ed4ecb6db06e7fb0c80ee5";
const FILE = "sha256:8b911a8716b94442f9ca3dff20584048536e4c2f47b8b5bb9096cbd43c3432d5";

/** What a build of a Dockerfile knows at its end, as if its base were the reference's. */
async function factsOf(text: string, args: Readonly<Record<string, string>>): Promise<BuildFacts> {
  const values = (prefix: string): Map<string, string> =>
    new Map(
      Object.entries(args).flatMap(([key, value]) =>
        key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [],
      ),
    );
  const plan = await convert(
    readDockerfile(Buffer.from(text), "Dockerfile"),
    {
      ...DEFAULTS,
      buildArgs: values("build-arg:"),
      labels: values("label:"),
      extraHosts: [{ host: "foo", ip: "1.2.3.4" }],
      ulimits: [{ name: "nofile", soft: 1024, hard: 2048 }],
      shmSizeBytes: 104857600,
    },
    {
      ...smallWorld(),
      hasNamedContext: () => false,
      mainContext: async () => ({ kind: "local", name: "context", excludes: [] }),
      resolveImage: async () => ({
        id: "busybox",
        name: `docker.io/library/busybox:latest@${BUSYBOX}`,
        platform: AMD64,
        config: {},
        history: [],
        layers: 1,
      }),
    },
    new AbortController().signal,
  );
  return {
    images: [{ name: "docker.io/library/busybox:latest", platform: AMD64, digest: BUSYBOX, isLocal: false }],
    git: [{ url: "http://127.0.0.1:8099/repo.git#v1", object: "0731f04d7dfb637029dc2e79962e3ed3e769f9e0" }],
    http: [{ url: "http://127.0.0.1:8099/file.txt", digest: FILE }],
    locals: ["context", "dockerfile"],
    config: {},
    args: new Map(Object.entries(args)),
    vcs: new Map(),
    dockerfile: { name: "Dockerfile", text },
    result: plan.result,
    imageOf: () => ({ platform: AMD64, layers: 1 }),
    builderPlatform: AMD64,
    startedMs: 0,
    finishedMs: 1000,
    invocationId: undefined,
  };
}

const LOOK: ProvenanceLook = { mode: "max", version: "v1", builderId: "https://example.com/b", isReproducible: false };
const WORLD: ProvenanceWorld = { secrets: [], redact, layers: undefined };

suite("the reference's provenance of the same build", () => {
  const text = readFileSync(join(FIXTURES, "Dockerfile"), "utf8");
  const args = {
    "add-hosts": "foo=1.2.3.4",
    "build-arg:PLAIN": "7",
    "label:foo": "bar",
    "shm-size": "104857600",
    ulimit: "nofile=1024:2048",
  };
  // Of the base, of four steps on it, of the copy that is merged in, of two steps on that.
  const layers = Array.from({ length: 8 }, (_, at): Descriptor => {
    return { mediaType: MEDIA.ociLayerGzip, digest: digestOf(`layer ${at}`), size: at };
  });

  for (const version of ["v1", "v0.2"] as const) {
    for (const mode of ["min", "max"] as const) {
      test(`${version}, mode=${mode}`, async () => {
        const recorded: unknown = JSON.parse(readFileSync(join(FIXTURES, `${mode}-${version}.json`), "utf8"));
        const ours = provenance(await factsOf(text, args), { ...LOOK, version, mode }, { ...WORLD, layers });
        assert.deepEqual(comparable(ours), comparable(recorded));
      });
    }
  }
});

/** Without what no two builds share, and without what the reference says about itself alone. */
function comparable(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, inner: unknown) => {
    switch (key) {
      case "invocationId":
      case "buildInvocationID":
      case "startedOn":
      case "finishedOn":
      case "buildStartedOn":
      case "buildFinishedOn":
        return typeof inner;
      // Digests of steps are each builder's own; every step has one.
      case "digestMapping":
        return Object.values(inner as Record<string, string>).sort();
      // Which steps left layers; the layers are others.
      case "layers":
        return Object.keys(inner as Record<string, unknown>).sort();
      // The version of BuildKit's frontend and of the form of its images; how its daemon was asked; how it runs a step.
      case "dockerfileVersion":
      case "compatibilityVersion":
      case "root":
      case "removeMountStubsRecursive":
      // Which files of a context a step asks its client for: here the context is at hand.
      case "local.followpaths":
        return undefined;
      // How the Dockerfile itself was loaded.
      case "infos":
        return (inner as { data: unknown; filename: unknown }[]).map(({ data, filename }) => ({ data, filename }));
      // A repository's root is copied by another rule.
      case "copy":
        return (inner as { dest: unknown }).dest === "/r"
          ? { ...(inner as object), dirCopyContents: undefined }
          : inner;
      // The agent's name where none was given.
      case "SSHOpt":
        return { ...(inner as object), ID: "default" };
      // Where a source op itself is written: we know the line of ADD for it, too.
      case "locations":
        return Array.isArray(inner) ? inner : withoutSources(inner as Record<string, unknown>);
      default:
        return inner;
    }
  });
}

/** The steps of the Dockerfile above that are sources. */
function withoutSources(locations: Record<string, unknown>): Record<string, unknown> {
  const sources = new Set(["step1", "step3", "step5", "step10", "step15"]);
  return Object.fromEntries(Object.entries(locations).filter(([step]) => !sources.has(step)));
}

suite("secrets", () => {
  const text = [
    "FROM busybox",
    "ARG API_TOKEN",
    "ARG NAME",
    "RUN --mount=type=secret,id=pw echo $API_TOKEN",
    "ADD https://files.example/f?t=${API_TOKEN} /f",
    "COPY <<EOF /conf",
    "token=${API_TOKEN}",
    "EOF",
    "",
  ].join("\n");
  const args = {
    "build-arg:API_TOKEN": "tok-12345678",
    "build-arg:NAME": "has the-password in it",
    "build-arg:PLAIN": "1",
    "context:other": "https://user:pass1234@git.example/x.git",
  };

  test("neither build arguments that look like one nor the values of --secret are anywhere in it", async () => {
    const facts = {
      ...(await factsOf(text, args)),
      http: [{ url: "https://files.example/f?t=tok-12345678", digest: digestOf("") }],
      dockerfile: { name: "Dockerfile", text: `${text}# the-password\n` },
    };
    for (const mode of ["min", "max"] as const) {
      const made = provenance(facts, { ...LOOK, mode }, { ...WORLD, secrets: ["the-password\n"] });
      const json = decodedJson(made);
      for (const secret of ["tok-12345678", "the-password", "pass1234"])
        assert.equal(json.includes(secret), false, `${mode}: ${secret}`);
      assert.equal(json.includes("API_TOKEN=<withheld>"), mode === "max");
    }
  });

  test("an argument that is withheld is not named among the arguments, and the request is not complete", async () => {
    const facts = await factsOf(text, args);
    const request = requestOf(provenance(facts, LOOK, WORLD));
    assert.deepEqual(Object.keys(request.args), ["build-arg:NAME", "build-arg:PLAIN", "context:other"]);
    assert.equal(request.isComplete, false);
    const proxied = await factsOf("FROM busybox\n", { "build-arg:http_proxy": "http://u:proxy-word@p:1" });
    assert.deepEqual(requestOf(provenance(proxied, LOOK, WORLD)), { args: undefined, isComplete: false });
    const plain = requestOf(provenance(await factsOf("FROM busybox\n", { "build-arg:PLAIN": "1" }), LOOK, WORLD));
    assert.deepEqual(plain, { args: { "build-arg:PLAIN": "1" }, isComplete: true });
  });
});

test("the same build has the same provenance when it derives its id, and another one another id", async () => {
  const idOf = async (args: Readonly<Record<string, string>>): Promise<unknown> => {
    const made = provenance(await factsOf("FROM busybox\nRUN x\n", args), LOOK, WORLD);
    return (made as { runDetails: { metadata: { invocationId: unknown } } }).runDetails.metadata.invocationId;
  };
  assert.match(String(await idOf({})), /^[0-9a-z]{25}$/);
  assert.equal(await idOf({}), await idOf({}));
  assert.notEqual(await idOf({}), await idOf({ target: "x" }));
});

test("a build that reads no folder names all it used, and without a network it is hermetic", async () => {
  const metadataOf = async (text: string): Promise<Record<string, unknown>> => {
    const made = provenance({ ...(await factsOf(text, {})), locals: [] }, LOOK, WORLD);
    return (made as { runDetails: { metadata: Record<string, unknown> } }).runDetails.metadata;
  };
  const closed = await metadataOf("FROM busybox\nRUN --network=none x\n");
  assert.deepEqual(closed["buildkit_completeness"], { request: true, resolvedDependencies: true });
  assert.equal(closed["buildkit_hermetic"], true);
  assert.equal((await metadataOf("FROM busybox\nRUN x\n"))["buildkit_hermetic"], undefined);
});

/** JSON with everything in base64 laid open. */
function decodedJson(value: unknown): string {
  return JSON.stringify(value, (key, inner: unknown) =>
    key === "data" && typeof inner === "string" ? Buffer.from(inner, "base64").toString() : inner,
  );
}

function requestOf(made: unknown): { readonly args: Record<string, string>; readonly isComplete: boolean } {
  const { buildDefinition, runDetails } = made as {
    buildDefinition: { externalParameters: { request: { args: Record<string, string> } } };
    runDetails: { metadata: { buildkit_completeness: { request: boolean } } };
  };
  return {
    args: buildDefinition.externalParameters.request.args,
    isComplete: runDetails.metadata.buildkit_completeness.request,
  };
}
