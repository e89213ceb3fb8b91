// Sources from the network: files by URL, git repositories.

import { BuildError } from "../core/errors.ts";
import type { Session } from "../core/session.ts";
import type { FileTree } from "../layer/file-tree.ts";

/** What a source op says. */
export type RemoteSource =
  | { readonly type: "http"; readonly url: string; readonly checksum?: string; readonly fileName: string; readonly mode?: number; readonly uid?: number; readonly gid?: number }
  | { readonly type: "git"; readonly url: string; readonly ref?: string; readonly subdir?: string; readonly keepGitDir: boolean; readonly checksum?: string };

export interface RemoteOptions {
  /** Where downloads and checkouts go; a folder of this process. */
  readonly directory: string;
  readonly session: Session;
  readonly environment: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
  readonly now: () => number;
}

/** Downloads or checks out a source. */
export function openRemote(source: RemoteSource, _options: RemoteOptions): Promise<FileTree> {
  return Promise.reject(new BuildError("UNSUPPORTED", `a source by ${source.type} ("${source.url}") is not supported yet`));
}
