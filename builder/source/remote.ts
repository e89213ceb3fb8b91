// Sources from the network, files by URL and git repositories: what says which, and what
// they need of the engine.

import type { Session } from "../core/session.ts";
import type { StoreSpace } from "../core/space.ts";

/** A file by URL. */
export interface HttpSource {
  readonly type: "http";
  readonly url: string;
  /** `algorithm:hex`; what comes must have it. */
  readonly checksum?: string;
  /** Name of the file in the tree; "" is found as `downloadName` says. */
  readonly fileName: string;
  /** Octal; absent is 0600. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** What a ref names. */
export interface ResolvedRef {
  /** Full name ("refs/heads/main"); undefined when the commit itself was asked for. */
  readonly ref: string | undefined;
  /** The object the ref names: a commit, or an annotated tag. */
  readonly object: string;
  /** The commit that an annotated tag names, when the remote said it. */
  readonly commit: string | undefined;
}

/** A commit of a git repository. */
export interface GitSource {
  readonly type: "git";
  /** As git takes it. */
  readonly url: string;
  /** Branch, tag, full ref or full commit; absent is the default branch. */
  readonly ref?: string;
  readonly subdir?: string;
  readonly keepGitDir: boolean;
  /** The commit (or annotated tag) that must be found, or the beginning of its name. */
  readonly checksum?: string;
  /** False leaves submodules out. */
  readonly submodules?: boolean;
  /** "commit" gives every file the commit's time; absent is the time of the checkout. */
  readonly mtime?: "commit";
  /** The checksum is the commit, wherever the ref is by now. */
  readonly fetchByCommit?: boolean;
  /** What the ref names, when it is known already (a lock file): the remote is not asked. */
  readonly resolved?: ResolvedRef;
}

/** Who is told how a transfer goes. */
export interface SourceReport {
  /** Bytes done; `total` 0 when nothing is known of the end. */
  progress(name: string, current: number, total: number, isDone: boolean): void;
  /** Output of a program. */
  log(stream: 1 | 2, data: Uint8Array): void;
}

export interface RemoteOptions {
  /** `<root>/tsbuild`: downloads and repositories are kept below it, for later builds. */
  readonly storeDirectory: string;
  /** A folder of this process, on the same file system; gone at its end. */
  readonly workDirectory: string;
  /** Who keeps count of what is kept there. */
  readonly space?: StoreSpace | undefined;
  readonly session: Session;
  /** For proxies, PATH and certificates. */
  readonly environment: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
  readonly report?: SourceReport | undefined;
  /** Whether file:// repositories may be used; for those who vouch for the URL. */
  readonly allowFile?: boolean | undefined;
}
