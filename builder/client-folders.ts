// The folders of remote clients, as a door that has such clients keeps them from build to build.

import { join } from "node:path";
import { KeptFolders } from "./source/kept-folders.ts";

export type { FolderPlace } from "./source/kept-folders.ts";
export type { KeptFolder } from "./source/kept-folder.ts";

/** The folders that are kept in the store at `root`. */
export function clientFolders(root: string): KeptFolders {
  return new KeptFolders(join(root, "tsbuild"));
}

export type ClientFolders = KeptFolders;
