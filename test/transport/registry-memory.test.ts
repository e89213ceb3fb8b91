// A transfer's memory does not grow with what is transferred.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import process from "node:process";
import { after, suite, test } from "node:test";
import { promisify } from "node:util";
import { type Descriptor, MEDIA } from "../../builder/core/image/descriptor.ts";
import { digestOf } from "../../builder/core/digest.ts";
import { assembleManifest } from "../../builder/image/manifest.ts";
import { startLiar } from "./registry-server.ts";
import { Workbench } from "./registry-workbench.ts";

const MIB = 1 << 20;
const LAYER_MIB = 256;
/** Without care dead buffers alone take 64 MiB more. */
const GROWTH_MIB = 64;

const workbench = new Workbench();
after(() => workbench[Symbol.dispose]());

suite(`a layer of ${LAYER_MIB} MiB`, () => {
  test(`needs less than ${GROWTH_MIB} MiB on its way in, and on its way out`, async () => {
    const block = randomBytes(MIB);
    const hash = createHash("sha256");
    for (let i = 0; i < LAYER_MIB; i++) hash.update(block);
    const layer: Descriptor = { mediaType: MEDIA.ociLayerGzip, digest: `sha256:${hash.digest("hex")}`, size: LAYER_MIB * MIB }; // prettier-ignore
    const config = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [digestOf("")] } })); // prettier-ignore
    const described = { mediaType: MEDIA.ociConfig, digest: digestOf(config), size: config.length };
    const { descriptor, bytes } = assembleManifest(described, [layer], "oci");
    let taken = 0;
    await using registry = await startLiar((request, response) => {
      const { url = "", method = "" } = request;
      request.on("data", (chunk: Buffer) => (taken += chunk.length));
      if (method === "POST") return void response.writeHead(202, { location: `${url}x` }).end();
      if (method === "PUT") return void request.on("end", () => response.writeHead(201).end());
      if (method === "HEAD") return void response.writeHead(404).end();
      if (url.includes("/manifests/")) return void response.writeHead(200, { "content-type": descriptor.mediaType }).end(bytes); // prettier-ignore
      if (url.endsWith(described.digest)) return void response.end(config);
      response.writeHead(200, { "content-length": String(layer.size) });
      let left = LAYER_MIB;
      const more = (): void => {
        while (left > 0) if ((left--, !response.write(block))) return void response.once("drain", more);
        response.end();
      };
      more();
    });
    const store = await workbench.newStore();
    const grown = async (what: string): Promise<number> => {
      const args = [join(import.meta.dirname, "transfer-child.ts"), what, store.layoutPath, `${registry.host}/app:1`, descriptor.digest]; // prettier-ignore
      return Number((await promisify(execFile)(process.execPath, args)).stdout) / MIB;
    };
    const pulled = await grown("fetch");
    assert.equal(await store.sizeOf(layer.digest), layer.size);
    const pushed = await grown("push");
    assert.equal(taken, layer.size + config.length + bytes.length);
    assert.ok(pulled < GROWTH_MIB && pushed < GROWTH_MIB, `${pulled} MiB in, ${pushed} MiB out`);
  });
});
