// An image as the goldens have it: config, history, the entries of each layer, and what the root file system differs in
// from that of its base. On the way every digest, size and count is checked; what is wrong stands in `problems`.

import { createHash } from "node:crypto";

import { decompress } from "../support/decompress.ts";
import { canonicalLayer, type Entries, type Entry, readLayer } from "./layer.ts";
import type { Layout } from "./oci-layout.ts";
import { listManifests, type OciConfig, readConfig } from "./oci-layout.ts";
import { Tree } from "./tree.ts";

export interface Golden {
  readonly outcome: "ok" | "error";
  readonly error?: string;
  readonly images?: readonly Image[];
}

export interface Image {
  readonly config: Readonly<Record<string, unknown>>;
  readonly history: readonly {
    readonly created_by: string;
    readonly empty_layer?: boolean;
    readonly created?: string;
  }[];
  readonly layers: readonly { readonly base?: string; readonly entries?: Entries }[];
  readonly rootfs: {
    readonly entries: Entries;
    readonly removed: readonly string[];
    readonly hardlinks: readonly string[][];
  };
  readonly problems?: readonly string[];
}

/** What of times and contents counts. */
export interface Counts {
  readonly created: boolean;
  /** Globs of paths whose times count. */
  readonly mtime: readonly string[];
}

/** diff_id and members of a blob, by its digest: base layers are read once. */
export type KnownLayers = Map<
  string,
  { readonly diffId: string; readonly members: readonly (readonly [string, Entry])[] }
>;

/** Reads all images of a layout, attestations left out, in the order of their platforms. */
export function readImages(layout: Layout, bases: KnownLayers, counts: Counts): Image[] {
  const images = listManifests(layout).map((manifest) => {
    const config = readConfig(layout, manifest);
    const problems: string[] = [];
    const diffIds = config.rootfs.diff_ids;
    if (diffIds.length !== manifest.layers.length) {
      problems.push(`${manifest.layers.length} layers in the manifest, ${diffIds.length} diff_ids in the config`);
    }
    const filled = config.history.filter(({ empty_layer }) => empty_layer !== true).length;
    if (config.history.length > 0 && filled !== diffIds.length) {
      problems.push(`${filled} history entries that are not empty for ${diffIds.length} layers`);
    }

    const [tree, base] = [new Tree(), new Tree()];
    let inBase = true;
    const layers = manifest.layers.map((descriptor, at) => {
      const blob = layout.blob(descriptor);
      const known = bases.get(descriptor.digest);
      const { diffId, members } = known ?? readBlob(blob);
      if (at < diffIds.length && diffIds[at] !== diffId) {
        problems.push(`layer ${at} has diff_id ${diffId}, the config says ${diffIds[at]}`);
      }
      inBase &&= [...bases.values()].some((layer) => layer.diffId === diffId);
      tree.apply(members);
      if (inBase) {
        base.apply(members);
        return { base: diffId };
      }
      const { entries, twice } = canonicalLayer(members);
      if (twice.length > 0) problems.push(`layer ${at} has entries twice: ${twice.slice(0, 5).join(", ")}`);
      return { entries: comparable(Object.entries(entries), counts) };
    });
    return {
      config: { ...configOf(config), ...(counts.created ? { created: config.created } : {}) },
      history: config.history.map((step) => ({
        created_by: step.created_by ?? "",
        ...(step.empty_layer === true ? { empty_layer: true } : {}),
        ...(counts.created ? { created: step.created } : {}),
      })) as Image["history"],
      layers,
      rootfs: rootfsOf(tree, base, counts),
      ...(problems.length > 0 ? { problems } : {}),
    };
  });
  return images.toSorted((a, b) => (platformOf(a) < platformOf(b) ? -1 : 1));
}

/** The layers of a layout, by the digest of their blobs. */
export function readKnownLayers(layout: Layout): KnownLayers {
  const known: KnownLayers = new Map();
  for (const { layers } of listManifests(layout)) {
    for (const layer of layers) known.set(layer.digest, readBlob(layout.blob(layer)));
  }
  return known;
}

function readBlob(blob: Buffer): { diffId: string; members: [string, Entry][] } {
  const tar = decompress(blob);
  return { diffId: `sha256:${createHash("sha256").update(tar).digest("hex")}`, members: readLayer(tar) };
}

/** An empty list, map or text is the same as none; other fields do not count. ArgsEscaped means nothing on Linux. */
function configOf(config: OciConfig): Record<string, unknown> {
  const outer = ["architecture", "os", "os.version", "variant", "author"] as const;
  const inner =
    "User ExposedPorts Env Entrypoint Cmd Volumes WorkingDir Labels StopSignal Healthcheck OnBuild Shell".split(" ");
  return Object.fromEntries(
    [
      ...outer.map((key) => [key, config[key]] as const),
      ...inner.map((key) => [`config.${key}`, config.config[key]] as const),
    ].filter(([, value]) => !isEmpty(value)),
  );
}

function isEmpty(value: unknown): boolean {
  return !value || (typeof value === "object" && Object.keys(value).length === 0);
}

function rootfsOf(tree: Tree, base: Tree, counts: Counts): Image["rootfs"] {
  const changed = [...tree.files].filter(([name, entry]) => base.files.get(name) !== entry);
  const entries = comparable(
    changed.toSorted(([a], [b]) => (a < b ? -1 : 1)),
    counts,
  );
  // Written again without a change is as good as untouched.
  for (const [name, entry] of Object.entries(entries)) {
    const old = base.files.get(name);
    if (old !== undefined && isSame(comparable([[name, old]], counts)[name], entry)) delete entries[name];
  }
  return {
    entries,
    removed: [...base.files.keys()].filter((name) => !tree.files.has(name)).toSorted(),
    hardlinks: tree.hardLinks(new Set(base.files.values())),
  };
}

/** Without the times that do not count. */
function comparable(entries: readonly (readonly [string, Entry])[], { mtime: globs }: Counts): Entries {
  const patterns = globs.map(globPattern);
  return Object.fromEntries(
    entries.map(([name, { mtime, ...entry }]) => {
      const counts = ["file", "dir", "symlink", "fifo"].includes(entry.type) && patterns.some((it) => it.test(name));
      return [name, counts && mtime !== undefined ? { ...entry, mtime } : entry];
    }),
  );
}

function isSame(a: Entry | undefined, b: Entry): boolean {
  const sorted = (entry: Entry | undefined): string =>
    JSON.stringify(Object.entries(entry ?? {}).toSorted(([x], [y]) => (x < y ? -1 : 1)));
  return sorted(a) === sorted(b);
}

/** As fnmatch(3): a star goes over slashes too. */
function globPattern(glob: string): RegExp {
  return new RegExp(`^${glob.replaceAll(/[\\^$.|?+()[\]{}]/g, "\\$&").replaceAll("*", ".*")}$`, "s");
}

function platformOf({ config }: Image): string {
  return ["os", "architecture", "variant"].map((key) => JSON.stringify(config[key]) ?? "").join("\0");
}
