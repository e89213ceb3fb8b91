// What store.test.ts does in other processes: `tag ROOT WHO N`, `hang ROOT`, `image ROOT`.

import { MEDIA } from "../../builder/core/image/descriptor.ts";
import { openStore } from "../../builder/store/open.ts";

const [, , what, root = "", who = "", count = "0"] = process.argv;
const store = await openStore(root);
const signal = new AbortController().signal;

switch (what) {
  case "tag":
    for (let i = 0; i < Number(count); i++) {
      const blob = await store.put(Buffer.from(`${who} ${i}`));
      await store.names.tag(`docker.io/library/${who}:${i}`, { mediaType: MEDIA.ociManifest, ...blob });
    }
    break;
  case "hang": {
    const writer = await store.writer(signal);
    await writer.write(Buffer.alloc(1 << 20));
    process.stdout.write("writing\n");
    setInterval(() => writer.path, 1000);
    break;
  }
  case "image": {
    const config = await store.put(
      Buffer.from('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'),
    );
    const manifest = {
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      config: { mediaType: MEDIA.ociConfig, ...config },
      layers: [],
    };
    await store.names.tag("app:1", {
      mediaType: MEDIA.ociManifest,
      ...(await store.put(Buffer.from(JSON.stringify(manifest)))),
    });
    break;
  }
  default:
    throw new Error(`unknown: ${what}`);
}
