// The image's volumes in a bundle: file systems in memory that begin as what the image has there.

import type { BytePath } from "../core/bytes/byte-path.ts";
import { bytePath, joinBytes } from "../core/bytes/byte-path.ts";
import type { RuntimeConfig } from "../core/image/image-config.ts";
import { resolvePath } from "../layer/tree/resolve-path.ts";
import type { RootfsView } from "../layer/view/view.ts";
import type { IdRange } from "./id-map.ts";
import { hostIdOf } from "./id-map.ts";

/** A path that the image wants to be a volume, with what it is in the image. */
export interface BundleVolume {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whether the runtime is to copy the image's files into it. */
  readonly copied: boolean;
}

export interface VolumePlan {
  readonly volumes: readonly BundleVolume[];
  /** Those that begin empty though the image has files there. */
  readonly emptied: readonly string[];
}

/** By path. An owner that the bundle's user namespace (`maps`) lacks becomes its root. */
export function planVolumes(
  config: RuntimeConfig,
  view: RootfsView,
  maps: { readonly uids: readonly IdRange[]; readonly gids: readonly IdRange[] } | undefined,
): VolumePlan {
  const known = (map: readonly IdRange[] | undefined, id: number): number =>
    map === undefined || hostIdOf(map, id) !== undefined ? id : 0;
  const emptied: string[] = [];
  const volumes = Object.keys(config.Volumes ?? {})
    .toSorted()
    .map((path): BundleVolume => {
      const { path: place, entry } = resolvePath(view, bytePath(path), { followLast: true });
      if (entry?.type !== "dir") return { path, mode: 0o755, uid: 0, gid: 0, copied: false };
      const copied = isCopyable(view, place);
      if (!copied) emptied.push(path);
      return { path, mode: entry.mode, uid: known(maps?.uids, entry.uid), gid: known(maps?.gids, entry.gid), copied };
    });
  return { volumes, emptied };
}

/** runc copies files, directories and links, and fails at anything else (1.1.5, fileutils.CopyDirectory). */
function isCopyable(view: RootfsView, directory: BytePath): boolean {
  return view.list(directory).every((name) => {
    const path = joinBytes(directory, name);
    const type = view.lstat(path)?.type;
    return type === "dir" ? isCopyable(view, path) : type === "file" || type === "symlink";
  });
}
