// Which blobs images need, read from the documents of the store.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { isErrno } from "../core/errors.ts";
import { BuildError } from "../core/errors.ts";

const Described = v.looseObject({ digest: v.string(), annotations: v.exactOptional(v.record(v.string(), v.string())) });
const Index = v.looseObject({ manifests: v.array(Described) });
const Document = v.looseObject({
  config: v.exactOptional(Described),
  layers: v.exactOptional(v.array(Described)),
  manifests: v.exactOptional(v.array(Described)),
  blobs: v.exactOptional(v.array(Described)),
});

const LARGEST_DOCUMENT = 32 << 20;
const NAMES = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/** An entry of `index.json` and the blobs it needs, by hex digest. */
export interface NamedBlobs {
  /** As `index.json` has it; without a name the digest. */
  readonly name: string;
  readonly blobs: ReadonlySet<string>;
  /** Documents that are there and cannot be read: what they name is not known. */
  readonly unreadable: readonly string[];
  /** What manifests that are there name, and is not there. */
  readonly missing: readonly string[];
}

/** The images of `<root>/index.json`. Throws `STORE` when that cannot be read: then nothing is known of any. */
export function readNamedBlobs(root: string): NamedBlobs[] {
  const path = join(root, "index.json");
  let index: v.InferOutput<typeof Index>;
  try {
    index = v.parse(Index, JSON.parse(readFileSync(path, "utf8")));
  } catch (error) {
    throw new BuildError("STORE", `"${path}" is damaged: it is not known which images the store has`, {
      cause: error,
      hint: "tsbuild fsck says what can be mended",
    });
  }
  return index.manifests.map(({ digest, annotations }) => {
    const name = NAMES.map((key) => annotations?.[key]).find((one) => one !== undefined) ?? digest;
    return { name, ...blobsBelow(root, digest) };
  });
}

/** A document with all that it names, whether it is there or not. */
function blobsBelow(root: string, digest: string): Omit<NamedBlobs, "name"> {
  const blobs = new Set<string>();
  const unreadable: string[] = [];
  const missing: string[] = [];
  const pending = [{ digest, isDocument: true, isTop: true }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const hex = next.digest.replace(/^sha256:/, "");
    if (blobs.has(hex)) continue;
    blobs.add(hex);
    if (!next.isDocument) {
      if (!existsSync(join(root, "blobs/sha256", hex))) missing.push(next.digest);
      continue;
    }
    const document = readDocument(root, hex);
    if (document === "damaged") unreadable.push(hex);
    if (document === undefined && next.isTop) missing.push(next.digest);
    if (document === "damaged" || document === undefined) continue;
    for (const child of document.manifests ?? [])
      pending.push({ digest: child.digest, isDocument: true, isTop: false });
    for (const child of [document.config ?? [], document.layers ?? [], document.blobs ?? []].flat())
      pending.push({ digest: child.digest, isDocument: false, isTop: false });
  }
  return { blobs, unreadable, missing };
}

/** A manifest or index; undefined when it is not there: an index may name platforms that were never fetched. */
function readDocument(root: string, hex: string): v.InferOutput<typeof Document> | "damaged" | undefined {
  if (!/^[0-9a-f]{64}$/.test(hex)) return undefined;
  try {
    const bytes = readFileSync(join(root, "blobs/sha256", hex));
    if (bytes.length > LARGEST_DOCUMENT) return "damaged";
    return v.parse(Document, JSON.parse(bytes.toString("utf8")));
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    if (error instanceof SyntaxError || error instanceof v.ValiError) return "damaged";
    throw error;
  }
}
