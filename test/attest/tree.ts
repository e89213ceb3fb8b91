// A rootfs in memory: names and what is in the files.

import { bytePath } from "../../builder/core/bytes/byte-path.ts";
import type { BytePath } from "../../builder/core/bytes/byte-path.ts";
import type { ContentSource, Entry } from "../../builder/layer/entry.ts";
import { RootfsView } from "../../builder/layer/view/view.ts";

/** The content of a file: text or bytes; programs are executable. */
export type FileContent = string | Uint8Array | { readonly program: Uint8Array };

/** A view of one layer for each map, bottom first. */
export function treeOf(...layers: readonly Readonly<Record<string, FileContent>>[]): RootfsView {
  return new RootfsView(layers.map(layerOf));
}

function layerOf(files: Readonly<Record<string, FileContent>>): ConstructorParameters<typeof RootfsView>[0][number] {
  const contents = new Map<BytePath, Uint8Array>();
  const entries = Object.entries(files).map(([name, content]): Entry => {
    const isProgram = typeof content === "object" && "program" in content;
    const bytes = typeof content === "string" ? Buffer.from(content) : isProgram ? content.program : content;
    const path = bytePath(name);
    contents.set(path, bytes);
    return { path, type: "file", mode: isProgram ? 0o755 : 0o644, uid: 0, gid: 0, size: bytes.length, mtimeNs: 0n };
  });
  return {
    entries,
    sources: (paths) =>
      Promise.resolve(
        new Map(
          paths.map((path): [BytePath, ContentSource] => [
            path,
            { kind: "bytes", bytes: contents.get(path) ?? new Uint8Array() },
          ]),
        ),
      ),
  };
}
