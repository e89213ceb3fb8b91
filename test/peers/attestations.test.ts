// What is stated of an image: where every output has it, what other tools make of it, and that it is the same again.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { after, before, suite, test } from "node:test";

import { noRegistry, startRegistry } from "../transport/registry-server.ts";
import { attempt, missing, removeFolder, run, tsbuild } from "./demo-image.ts";

const BIN = path.join(import.meta.dirname, "../../bin/tsbuild.js");
const EMPTY = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
const BOTH = ["--provenance=mode=max", "--sbom=true"];

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly os: string; readonly architecture: string };
  readonly annotations?: Record<string, string>;
}

interface Manifest {
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
}

interface Statement {
  readonly _type: string;
  readonly predicateType: string;
  readonly subject: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[];
  readonly predicate: Record<string, unknown>;
}

suite("attestations", () => {
  let folder = "";
  let context = "";
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), "tsbuild-attest-"));
    context = path.join(folder, "context");
    mkdirSync(context);
    writeFileSync(path.join(context, "Dockerfile"), "FROM scratch\nCOPY go.sum a /app/\nLABEL a=b\n");
    writeFileSync(path.join(context, "go.sum"), "example.com/used v1.2.3 h1:abc=\n");
    writeFileSync(path.join(context, "a"), "a\n");
  });
  after(() => removeFolder(folder));

  const place = (name: string): string => path.join(folder, name);
  const build = (root: string, ...flags: readonly string[]): string =>
    tsbuild(["build", "--root", place(root), "-q", ...flags, context], { SOURCE_DATE_EPOCH: "1700000000" });
  /** Builds into a layout folder, of which it gives a reader that checks every digest. */
  const layout = (name: string, ...flags: readonly string[]): Layout => {
    build("store", ...flags, "-o", `type=oci,tar=false,dest=${place(name)}`);
    return new Layout(place(name));
  };

  test("there are none unless they are asked for", () => {
    const top = layout("plain").top();
    assert.equal(top.mediaType, "application/vnd.oci.image.manifest.v1+json");
    assert.equal(
      layout("off", "--provenance=false", "--sbom=false", "--attest=type=sbom,disabled=true").top().manifests,
      undefined,
    );
  });

  test("an image and its statements are in one index, in the form of the reference", () => {
    const files = layout("both", ...BOTH, "-t", "example.com/app:1", "-t", "other");
    const [image, attestation, ...others] = files.top().manifests;
    assert.ok(image !== undefined && attestation !== undefined && others.length === 0);
    assert.deepEqual(attestation.platform, { architecture: "unknown", os: "unknown" });
    assert.deepEqual(attestation.annotations, {
      "vnd.docker.reference.digest": image.digest,
      "vnd.docker.reference.type": "attestation-manifest",
    });
    const manifest: Manifest = files.json(attestation);
    assert.equal(manifest.artifactType, "application/vnd.docker.attestation.manifest.v1+json");
    assert.deepEqual(manifest.config, {
      mediaType: "application/vnd.oci.empty.v1+json",
      digest: EMPTY,
      size: 2,
      data: "e30=",
    });
    assert.deepEqual(manifest.subject, { mediaType: image.mediaType, digest: image.digest, size: image.size });
    const types = ["https://spdx.dev/Document", "https://slsa.dev/provenance/v1"];
    assert.deepEqual(
      manifest.layers.map(({ mediaType, annotations }) => [mediaType, annotations]),
      types.map((type) => ["application/vnd.in-toto+json", { "in-toto.io/predicate-type": type }]),
    );
    for (const [at, layer] of manifest.layers.entries()) {
      const statement: Statement = files.json(layer);
      assert.equal(statement._type, "https://in-toto.io/Statement/v1");
      assert.equal(statement.predicateType, types[at]);
      const digest: { readonly sha256: string } = { sha256: image.digest.slice("sha256:".length) };
      assert.deepEqual(statement.subject, [
        { name: "pkg:docker/example.com/app@1?platform=linux%2Famd64", digest },
        { name: "pkg:docker/other@latest?platform=linux%2Famd64", digest },
      ]);
    }
    const { predicate } = files.statement("https://slsa.dev/provenance/v1");
    const { externalParameters } = predicate["buildDefinition"] as { externalParameters: Record<string, unknown> };
    assert.deepEqual(externalParameters["configSource"], { path: "Dockerfile" });
  });

  test("the list of packages says in which layer a package is named", () => {
    const files = layout("listed", "--sbom=true");
    const [image] = files.top().manifests;
    const { packages, files: evidence } = files.statement("https://spdx.dev/Document").predicate as {
      packages: { name: string; versionInfo?: string }[];
      files: { fileName: string; comment: string }[];
    };
    assert.deepEqual(packages.map(({ name, versionInfo }) => [name, versionInfo]).at(-1), [
      "example.com/used",
      "v1.2.3",
    ]);
    const [layer] = files.json<Manifest>(image as Descriptor).layers;
    assert.deepEqual(
      evidence.map(({ fileName, comment }) => [fileName, comment]),
      [["/app/go.sum", `layerID: ${layer?.digest}`]],
    );
  });

  test("of several platforms each has its own, behind all images", () => {
    const files = layout("platforms", "--provenance=mode=min", "--platform=linux/amd64,linux/arm64", "-t", "app");
    const entries = files.top().manifests;
    const places = entries.map(({ platform }) => `${platform?.os}/${platform?.architecture}`);
    assert.deepEqual(places, ["linux/amd64", "linux/arm64", "unknown/unknown", "unknown/unknown"]);
    for (const [at, platform] of ["amd64", "arm64"].entries()) {
      const [image, attestation] = [entries[at], entries[at + 2]];
      assert.equal(attestation?.annotations?.["vnd.docker.reference.digest"], image?.digest);
      const [layer] = files.json<Manifest>(attestation as Descriptor).layers;
      const { subject } = files.json<Statement>(layer as Descriptor);
      assert.deepEqual(subject, [
        {
          name: `pkg:docker/app@latest?platform=linux%2F${platform}`,
          digest: { sha256: image?.digest.slice("sha256:".length) },
        },
      ]);
    }
  });

  test("as images, for registries that take no artifacts", () => {
    const root = place("legacy");
    build("store", "--provenance=mode=min,version=v0.2", "-o", `type=oci,tar=false,oci-artifact=false,dest=${root}`);
    const files = new Layout(root);
    const [, attestation] = files.top().manifests;
    const manifest: Manifest = files.json(attestation as Descriptor);
    assert.deepEqual([manifest.artifactType, manifest.subject], [undefined, undefined]);
    assert.deepEqual(files.json(manifest.config), {
      architecture: "unknown",
      os: "unknown",
      config: {},
      rootfs: { type: "layers", diff_ids: manifest.layers.map(({ digest }) => digest) },
    });
    assert.equal(
      files.statement("https://slsa.dev/provenance/v0.2").predicate["buildType"],
      "https://mobyproject.org/buildkit@v1",
    );
  });

  test("the same build states the same, on another store as well", () => {
    const digests = ["twice-a", "twice-b"].map((root): string => {
      const out = place(`${root}-layout`);
      build(root, ...BOTH, "-t", "app", "-o", `type=oci,tar=false,dest=${out}`);
      return new Layout(out).entry().digest;
    });
    assert.equal(digests[0], digests[1]);
  });

  test("beside files they are files of their own, about all others", () => {
    const out = place("files");
    build("store", ...BOTH, "-o", `type=local,dest=${out}`);
    assert.deepEqual(readdirSync(out), ["app", "provenance.json", "sbom.spdx.json"]);
    for (const name of ["provenance.json", "sbom.spdx.json"]) {
      assert.equal(statSync(path.join(out, name)).mode & 0o777, 0o600);
      const { subject }: Statement = JSON.parse(readFileSync(path.join(out, name), "utf8"));
      const expected = ["app/a", "app/go.sum"].map((file) => ({
        name: file,
        digest: { sha256: sha256(readFileSync(path.join(out, file))) },
      }));
      assert.deepEqual(subject, expected);
    }
    build(
      "store",
      "--provenance=mode=min,filename=p.json",
      "-o",
      `type=tar,attestation-prefix=x-,dest=${place("files.tar")}`,
    );
    assert.deepEqual(
      run("tar", ["-tf", place("files.tar")])
        .trim()
        .split("\n"),
      ["app/", "app/a", "app/go.sum", "x-p.json"],
    );
  });

  test("a statement that would replace a file of the result is an error, and nothing is written", () => {
    writeFileSync(path.join(context, "other.Dockerfile"), "FROM scratch\nCOPY a /sbom.spdx.json\n");
    const out = place("taken.tar");
    const { status, stderr } = failing("--sbom=true", "-f", "other.Dockerfile", "-o", `type=tar,dest=${out}`);
    assert.equal(status, 73);
    assert.match(stderr, /the attestation "sbom\.spdx\.json" would replace another file/);
    assert.throws(() => statSync(out));
  });

  for (const [flags, status, message] of [
    [["--sbom=generator=docker/scanner"], 125, /the generator "docker\/scanner" is not run/],
    [["--provenance=true", "-o", "type=image,oci-mediatypes=false"], 125, /an attestation needs OCI media types/],
    [["--provenance=complete-materials=true"], 66, /the build read local folders \("context", "dockerfile"\)/],
  ] as const) {
    test(`${flags.join(" ")} is refused`, () => {
      const found = failing(...flags);
      assert.equal(found.status, status, found.stderr);
      assert.match(found.stderr, message);
    });
  }

  test("the metadata file has the provenance too", () => {
    const file = place("metadata.json");
    build("store", "--provenance=mode=min", "--metadata-file", file);
    const { "buildx.build.provenance": provenance } = JSON.parse(readFileSync(file, "utf8"));
    assert.deepEqual(Object.keys(provenance), ["buildDefinition", "runDetails"]);
  });

  test("what has attestations is one image still: in the list, as a base, as one platform", () => {
    build("store", ...BOTH, "-t", "attested:1");
    const listed = tsbuild(["images", "--root", place("store"), "--json"])
      .trim()
      .split("\n");
    const own = listed.map((line) => JSON.parse(line)).filter(({ name }) => name.endsWith("attested:1"));
    assert.deepEqual(
      own.map(({ platform }) => platform),
      ["linux/amd64"],
    );
    writeFileSync(path.join(context, "next.Dockerfile"), "FROM attested:1\nCOPY a /b\n");
    build("store", "-f", "next.Dockerfile", "-o", `type=oci,tar=false,dest=${place("next")}`);
    assert.equal(new Layout(place("next")).top().layers.length, 2);
  });

  for (const form of ["true", "false"]) {
    test(
      `a registry takes them, and skopeo carries them (oci-artifact=${form})`,
      { skip: missing("skopeo") || noRegistry },
      async () => {
        await using registry = await startRegistry();
        const name = `${registry.host}/app:1`;
        const pushed = `type=image,name=${name},push=true,oci-artifact=${form}`;
        build("store", ...BOTH, "--insecure-registry", registry.host, "-o", pushed);
        const raw = run("skopeo", ["inspect", "--raw", "--tls-verify=false", `docker://${name}`]);
        const top: Manifest = JSON.parse(raw);
        assert.equal(top.manifests.length, 2);
        const out = place(`copied-${form}`);
        run("skopeo", [
          "copy",
          "--all",
          "--preserve-digests",
          "--src-tls-verify=false",
          `docker://${name}`,
          `oci:${out}:1`,
        ]);
        const copied = new Layout(out);
        assert.equal(copied.entry().digest, `sha256:${sha256(raw)}`);
        for (const entry of top.manifests) {
          const manifest: Manifest = copied.json(entry);
          for (const blob of [manifest.config, ...manifest.layers]) copied.bytes(blob);
        }
        // Whoever asks for the platform gets the image.
        const one = JSON.parse(run("skopeo", ["inspect", "--tls-verify=false", `docker://${name}`]));
        assert.deepEqual([one.Architecture, one.Layers.length], ["amd64", 1]);
      },
    );
  }

  test("podman loads the archive of an attested image", { skip: missing("podman") }, () => {
    const archive = place("podman.tar");
    build("store", ...BOTH, "-t", "podman-attested:1", "-o", `type=docker,dest=${archive}`);
    const podman = ["--root", place("podman/root"), "--runroot", place("podman/run"), "--storage-driver", "vfs"];
    assert.match(run("podman", [...podman, "load", "--input", archive]), /podman-attested:1/);
  });

  function failing(...flags: readonly string[]): ReturnType<typeof attempt> {
    const args = [BIN, "build", "--root", place("store"), "-q", ...flags, context];
    return attempt(process.execPath, args, { cwd: context });
  }
});

/** An OCI layout on disk; whatever is read of it has the digest and the size it should have. */
class Layout {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  entry(): Descriptor {
    const index: Manifest = JSON.parse(readFileSync(path.join(this.#folder, "index.json"), "utf8"));
    return index.manifests[0] as Descriptor;
  }

  top(): Manifest {
    return this.json(this.entry());
  }

  json<T>(descriptor: Descriptor): T {
    return JSON.parse(this.bytes(descriptor).toString()) as T;
  }

  bytes({ digest, size }: Descriptor): Buffer {
    const bytes = readFileSync(path.join(this.#folder, "blobs/sha256", digest.slice("sha256:".length)));
    assert.deepEqual([bytes.length, `sha256:${sha256(bytes)}`], [size, digest]);
    return bytes;
  }

  statement(type: string): Statement {
    const { layers } = this.json<Manifest>(this.top().manifests[1] as Descriptor);
    const layer = layers.find(({ annotations }) => annotations?.["in-toto.io/predicate-type"] === type);
    return this.json(layer as Descriptor);
  }
}

function sha256(bytes: string | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
