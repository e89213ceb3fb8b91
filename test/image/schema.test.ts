// Documents against the schemas of the image-spec: every fault with its place.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { chainIds } from "../../builder/image/chain-id.ts";
import { digestOf } from "../../builder/core/digest.ts";
import { schemaFaults } from "../../builder/image/schema.ts";

const OCI = "application/vnd.oci.image";
const descriptor = { mediaType: `${OCI}.config.v1+json`, digest: digestOf("c"), size: 1 };
const manifest = { schemaVersion: 2, mediaType: `${OCI}.manifest.v1+json`, config: descriptor, layers: [descriptor] };
const index = { schemaVersion: 2, manifests: [{ ...descriptor, platform: { os: "linux", architecture: "amd64" } }] };
const config = {
  created: "2015-10-31T22:22:56.015925234Z",
  architecture: "amd64",
  os: "linux",
  config: { Env: ["A=b"], Cmd: null, Volumes: { "/v": {} }, Labels: { a: "b" } },
  rootfs: { type: "layers", diff_ids: [digestOf("d")] },
  history: [{ created: "2015-10-31T22:22:54.690851953+02:00", created_by: "x", empty_layer: true }],
};

suite("the schemas", () => {
  test("take what is right, and fields they do not know", () => {
    assert.deepEqual(schemaFaults("manifest", { ...manifest, more: 1 }), []);
    assert.deepEqual(schemaFaults("index", index), []);
    assert.deepEqual(schemaFaults("config", { ...config, config: { ...config.config, Healthcheck: {} } }), []);
    assert.deepEqual(
      schemaFaults("manifest", { ...manifest, config: { ...descriptor, digest: "sha512+b64:x_=" } }),
      [],
    );
  });

  const faults: readonly [Parameters<typeof schemaFaults>[0], unknown, string, RegExp][] = [
    ["manifest", [], "", /not an object/],
    ["manifest", { ...manifest, schemaVersion: 1 }, "schemaVersion", /1 is not 2/],
    ["manifest", { ...manifest, layers: undefined }, "layers", /is missing/],
    ["manifest", { ...manifest, layers: [{ ...descriptor, digest: "sha256:12" }] }, "layers.0.digest", /length/],
    ["manifest", { ...manifest, config: { ...descriptor, digest: "no digest" } }, "config.digest", /not a digest/],
    ["manifest", { ...manifest, config: { ...descriptor, size: -1 } }, "config.size", /-1 is not a size/],
    ["manifest", { ...manifest, config: { ...descriptor, size: 1.5 } }, "config.size", /not a size/],
    ["manifest", { ...manifest, config: { ...descriptor, mediaType: "json" } }, "config.mediaType", /media type/],
    ["manifest", { ...manifest, layers: [{ ...descriptor, urls: ["::"] }] }, "layers.0.urls.0", /not a URI/],
    ["manifest", { ...manifest, annotations: { a: 1 } }, "annotations.a", /1 is not a text/],
    ["manifest", { ...manifest, subject: {} }, "subject.mediaType", /is missing/],
    ["index", { ...index, manifests: "none" }, "manifests", /not a list/],
    [
      "index",
      { ...index, manifests: [{ ...descriptor, platform: { os: "linux" } }] },
      "manifests.0.platform.architecture",
      /is missing/,
    ],
    ["config", { ...config, created: "yesterday" }, "created", /RFC 3339/],
    ["config", { ...config, os: 1 }, "os", /1 is not a text/],
    ["config", { ...config, config: { Env: "A=b" } }, "config.Env", /not a list of texts/],
    ["config", { ...config, config: { Labels: { a: 1 } } }, "config.Labels.a", /not a text/],
    ["config", { ...config, config: { ExposedPorts: { "80/tcp": 1 } } }, "config.ExposedPorts.80/tcp", /not an object/],
    ["config", { ...config, rootfs: { type: "tree", diff_ids: [] } }, "rootfs.type", /"tree" is not "layers"/],
    ["config", { ...config, rootfs: { type: "layers", diff_ids: ["x"] } }, "rootfs.diff_ids.0", /not a digest/],
    ["config", { ...config, history: [{ empty_layer: "yes" }] }, "history.0.empty_layer", /neither true nor false/],
  ];
  for (const [kind, json, place, message] of faults) {
    test(`name the place of a ${kind}'s fault: ${place || "the document"} (${message.source})`, () => {
      const found = schemaFaults(kind, json);
      const at = found.find(({ path }) => path === place);
      assert.ok(at, JSON.stringify(found));
      assert.match(at.message, message);
    });
  }

  test("find all faults, not the first one only", () => {
    const found = schemaFaults("config", { ...config, os: 1, architecture: 2, created: 3 });
    assert.deepEqual(found.map(({ path }) => path).sort(), ["architecture", "created", "os"]);
  });

  test("hold Docker's documents to Docker's rules", () => {
    const docker = {
      ...manifest,
      config: { ...descriptor, mediaType: "application/vnd.docker.container.image.v1+json" },
    };
    const mediaType = "application/vnd.docker.distribution.manifest.v2+json";
    assert.deepEqual(schemaFaults("manifest", { ...docker, mediaType }), []);
    assert.match(schemaFaults("manifest", { ...docker, mediaType, annotations: {} })[0]?.message ?? "", /have none/);
    assert.match(
      schemaFaults("manifest", { ...docker, mediaType: undefined, annotations: undefined })[0]?.path ?? "",
      /mediaType|annotations/,
    );
  });
});

test("a chain id is the lowest diff_id, and above it the digest of the one below and the diff_id", () => {
  const diffIds = ["a", "b", "c"].map(digestOf);
  const [first, second, third] = chainIds(diffIds);
  assert.equal(first, diffIds[0]);
  assert.equal(second, digestOf(`${diffIds[0]} ${diffIds[1]}`));
  assert.equal(third, digestOf(`${second} ${diffIds[2]}`));
  assert.deepEqual(chainIds([]), []);
});
