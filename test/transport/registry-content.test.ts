// What a registry knows beside images: its tags, in pages; what refers to what; and to forget.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { deleteManifest, deleteTag, listReferrers, listTags } from "../../builder/registry.ts";
import type { RegistryAccess } from "../../builder/registry-options.ts";
import { type Descriptor, MEDIA } from "../../builder/core/image/descriptor.ts";
import { digestOf } from "../../builder/core/digest.ts";
import type { BlobStore } from "../../builder/store/store.ts";
import { openRegistrySink } from "../../builder/transport/registry/sink.ts";
import { startFaultProxy } from "../support/fault-proxy.ts";
import { startMemoryRegistry } from "../support/memory-registry.ts";
import { noRegistry, type RunningRegistry, startLiar, startRegistry } from "./registry-server.ts";
import { isError, optionsFor, pull, push, signal, Workbench } from "./registry-workbench.ts";
import { makeImage, type SampleImage } from "./sample-image.ts";

const workbench = new Workbench();
after(() => workbench[Symbol.dispose]());

const access: RegistryAccess = {
  router: optionsFor().router,
  environment: new Map(),
  session: { secret: async () => undefined, sshAgent: async () => undefined, credentials: async () => undefined },
};

let store: BlobStore;
let image: SampleImage;
before(async () => {
  store = await workbench.newStore();
  image = await makeImage(store, [2000]);
});

/** Pushes an artifact that refers to the image; its descriptor. */
async function attach(host: string, text: string, artifactType: string): Promise<Descriptor> {
  const empty = Buffer.from("{}");
  const layer = { mediaType: "text/plain", ...(await store.put(Buffer.from(text))) };
  const config = { mediaType: "application/vnd.oci.empty.v1+json", ...(await store.put(empty)) };
  const subject = { mediaType: image.manifest.mediaType, digest: image.manifest.digest, size: image.manifest.size };
  const annotations = { "org.example.text": text };
  const content = { schemaVersion: 2, mediaType: MEDIA.ociManifest, artifactType, config, layers: [layer], subject, annotations }; // prettier-ignore
  const bytes = Buffer.from(JSON.stringify(content));
  const descriptor = { mediaType: MEDIA.ociManifest, digest: digestOf(bytes), size: bytes.length };
  // A real registry needs its moment to write.
  const retry = { retries: 4, firstDelayMs: 400, longestDelayMs: 5000, random: Math.random };
  await using sink = await openRegistrySink(`${host}/app`, { ...optionsFor(), retry });
  for (const blob of [layer, config]) await sink.putBlob(blob, () => store.open(blob.digest, signal), signal);
  await sink.putDocument(descriptor, bytes, [], signal);
  return { ...descriptor, annotations, artifactType };
}

const SIGNATURE = "application/vnd.example.signature";
const SBOM = "application/vnd.example.sbom";

/** Without order: it is the registry's. */
const sorted = (referrers: readonly Descriptor[]): Descriptor[] =>
  referrers.toSorted((a, b) => (a.digest < b.digest ? -1 : 1));

suite("docker-registry", { skip: noRegistry }, () => {
  let registry: RunningRegistry;
  before(async () => {
    registry = await startRegistry();
    for (const tag of ["1", "2", "old"]) await push(store, image, `${registry.host}/app:${tag}`, optionsFor());
  });
  after(() => registry[Symbol.asyncDispose]());

  test("lists its tags", async () => {
    assert.deepEqual((await listTags(access, `${registry.host}/app`, signal)).toSorted(), ["1", "2", "old"]);
    await assert.rejects(
      pull(store, `${registry.host}/app:olt`, optionsFor()),
      isError("INPUT_MISSING", /manifest olt of .* MANIFEST_UNKNOWN/, /the repository has "old", "1", "2"/),
    );
    await assert.rejects(
      listTags(access, `${registry.host}/nothing`, signal),
      isError("INPUT_MISSING", /there is no repository "127.0.0.1:\d+\/nothing"/),
    );
  });

  test("keeps referrers by the tag schema, which the client looks after", async () => {
    const name = `${registry.host}/app:1`;
    assert.deepEqual(await listReferrers(access, name, signal), []);
    const signature = await attach(registry.host, "signed", SIGNATURE);
    const sbom = await attach(registry.host, "contents", SBOM);
    assert.deepEqual(sorted(await listReferrers(access, name, signal)), sorted([signature, sbom]));
    assert.deepEqual(await listReferrers(access, name, signal, SBOM), [sbom]);
    assert.deepEqual(await listReferrers(access, `${registry.host}/app@${image.manifest.digest}`, signal, SIGNATURE), [signature]); // prettier-ignore
    await attach(registry.host, "signed", SIGNATURE);
    assert.equal((await listReferrers(access, name, signal)).length, 2, "the same one once");
    await deleteManifest(access, `${registry.host}/app@${signature.digest}`, signal);
    assert.deepEqual(await listReferrers(access, name, signal), [sbom]);
    const tags = await listTags(access, name, signal);
    assert.ok(tags.includes(image.manifest.digest.replace(":", "-")), tags.join());
  });

  test("keeps all that is attached at the same time", async () => {
    const texts = ["a", "b", "c", "d"];
    const made = await Promise.all(texts.map((text) => attach(registry.host, text, "application/vnd.example.race")));
    const found = await listReferrers(access, `${registry.host}/app:1`, signal, "application/vnd.example.race");
    assert.deepEqual(sorted(found), sorted(made));
  });

  test("takes no single tag away, and says what one can do; a manifest goes with all its tags", async () => {
    await assert.rejects(
      deleteTag(access, `${registry.host}/app:old`, signal),
      isError("REGISTRY", /manifest old of .*\/app: /, /delete the manifest, and with it all its tags/),
    );
    assert.equal(await deleteManifest(access, `${registry.host}/app:old`, signal), image.manifest.digest);
    await assert.rejects(
      deleteManifest(access, `${registry.host}/app:1`, signal),
      isError("INPUT_MISSING", /manifest 1 of .* HTTP 404/),
    );
    await assert.rejects(
      pull(await workbench.newStore(), `${registry.host}/app:2`, optionsFor()),
      isError("INPUT_MISSING", /MANIFEST_UNKNOWN/),
    );
  });
});

suite("a registry with all of the specification", () => {
  test("is asked for referrers by its API, and needs no tag for them", async () => {
    await using registry = await startMemoryRegistry({ hasReferrers: true });
    await push(store, image, `${registry.host}/app:1`, optionsFor());
    const signature = await attach(registry.host, "signed", SIGNATURE);
    const sbom = await attach(registry.host, "contents", SBOM);
    assert.deepEqual(sorted(await listReferrers(access, `${registry.host}/app:1`, signal)), sorted([signature, sbom]));
    assert.deepEqual(await listReferrers(access, `${registry.host}/app:1`, signal, SBOM), [sbom]);
    assert.deepEqual(await listTags(access, `${registry.host}/app`, signal), ["1"]);
    await deleteManifest(access, `${registry.host}/app@${sbom.digest}`, signal);
    assert.deepEqual(await listReferrers(access, `${registry.host}/app:1`, signal), [signature]);
  });

  test("gives its tags in pages, also through a broken connection, and lets go of a single one", async () => {
    await using registry = await startMemoryRegistry({ pageSize: 2 });
    const tags = ["a", "b", "c", "d", "e"];
    for (const tag of tags) await push(store, image, `${registry.host}/app:${tag}`, optionsFor());
    await using proxy = await startFaultProxy(registry.host);
    let lists = 0;
    proxy.decide = ({ url }) => (url.includes("/tags/list") && ++lists === 2 ? { kind: "cut", where: "response", afterBytes: 3 } : undefined); // prettier-ignore
    const { listTags: list } = await import("../../builder/transport/registry/tags.ts");
    const reference = { registry: proxy.host, repository: "app" };
    assert.deepEqual(await list(reference, optionsFor(), signal), tags);
    assert.equal(lists, 4);
    await deleteTag(access, `${registry.host}/app:c`, signal);
    assert.deepEqual(await listTags(access, `${registry.host}/app`, signal), ["a", "b", "d", "e"]);
    await assert.rejects(deleteTag(access, `${registry.host}/app:c`, signal), isError("INPUT_MISSING", /HTTP 404/));
  });
});

suite("a registry whose lists are wrong", () => {
  const rejects = async (answer: Parameters<typeof startLiar>[0], message: RegExp): Promise<void> => {
    await using liar = await startLiar(answer);
    await assert.rejects(listTags(access, `${liar.host}/app`, signal), isError("REGISTRY", message));
  };

  test("is found out: pages in a circle, no JSON, another form, a next page elsewhere", async () => {
    await rejects(
      (_request, response) =>
        response.writeHead(200, { link: '</v2/app/tags/list?n=1>; rel="next"' }).end('{"tags":["a"]}'),
      /the list of tags of .*: the registry's pages have no end/,
    );
    await rejects((_request, response) => response.end("<html>"), /is not what the specification says/);
    await rejects((_request, response) => response.end('{"tags":"a"}'), /is not what the specification says/);
    await using other = await startLiar((request, response) =>
      response.end(JSON.stringify({ tags: [request.headers.authorization ?? "nobody"] })),
    );
    await using liar = await startLiar((request, response) => {
      if (request.headers.authorization === undefined)
        return response.writeHead(401, { "www-authenticate": "Basic realm=x" }).end();
      return response.writeHead(200, { link: `<http://${other.host}/>; rel=next` }).end('{"tags":["first"]}');
    });
    const { listTags: list } = await import("../../builder/transport/registry/tags.ts");
    const login = optionsFor({ username: "me", password: "s3cret" });
    assert.deepEqual(await list({ registry: liar.host, repository: "app" }, login, signal), ["first", "nobody"]);
  });
});
