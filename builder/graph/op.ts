// The operations of the graph, in BuildKit's vocabulary: source, exec, file, merge,
// diff. Plain data, serialisable; nothing here knows a Dockerfile.

import type { Platform } from "../core/image/platform.ts";

/** Something from outside: a base image, the build context, a URL, a git repository. */
export interface SourceOp {
  readonly kind: "source";
  readonly source:
    | {
        readonly type: "image";
        /** What the image resolver gave for this source. */ readonly id: string;
        /** Name for people. */ readonly name: string;
      }
    | {
        readonly type: "local";
        /** "context", or a named context's name. */
        readonly name: string;
        /** Patterns of .dockerignore, in order, "!" first where negated; applied on top of what is copied. */
        readonly excludes: readonly string[];
        /** Only what these patterns name is there; absent: all. */
        readonly includes?: readonly string[];
        /** These paths are there too, with what links in them lead to; without `includes` nothing else is. */
        readonly follows?: readonly string[];
      }
    | {
        readonly type: "http";
        readonly url: string;
        readonly checksum?: string;
        readonly fileName: string;
        readonly mode?: number;
        readonly uid?: number;
        readonly gid?: number;
      }
    | {
        readonly type: "git";
        readonly url: string;
        readonly ref?: string;
        readonly subdir?: string;
        readonly keepGitDir: boolean;
        readonly checksum?: string;
        /** False leaves submodules out. */
        readonly submodules?: boolean;
        /** "commit" gives every file the commit's time. */
        readonly mtime?: "commit";
        /** The checksum is the commit, wherever the ref is by now. */
        readonly fetchByCommit?: boolean;
      }
    | {
        /** An archive that a client sent or that lies at a URL, unpacked: owners are the archive's. */
        readonly type: "archive";
        /** The context's name. */
        readonly name: string;
      };
}

/** Where a mount of an exec comes from. `input` is an index into the vertex's inputs; -1 is an empty directory (scratch). */
export type ExecMount =
  | {
      readonly type: "bind";
      readonly input: number;
      readonly selector: string;
      readonly target: string;
      readonly readonly: boolean;
      /** What the program changes there is a result of its own. */
      readonly isOutput?: true;
    }
  | {
      readonly type: "cache";
      readonly input: number;
      readonly selector: string;
      readonly target: string;
      readonly id: string;
      readonly sharing: "shared" | "private" | "locked";
      readonly readonly: boolean;
      /** Of a cache directory that is made new; octal mode. */
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | { readonly type: "tmpfs"; readonly target: string; readonly sizeBytes?: number }
  | {
      readonly type: "secret";
      readonly id: string;
      readonly target?: string;
      readonly env?: string;
      readonly required: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | {
      readonly type: "ssh";
      readonly id: string;
      readonly target: string;
      readonly required: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    };

/** A program in a rootfs. Input 0 is the rootfs unless `rootInput` says -1 (scratch). */
export interface ExecOp {
  readonly kind: "exec";
  readonly rootInput: number;
  /** The program may not change its rootfs; what it leaves is in its mounts. */
  readonly isRootReadonly?: true;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  /** As USER says: "", "name", "name:group", "1000:1000"; resolved in the rootfs when it runs. */
  readonly user: string;
  readonly mounts: readonly ExecMount[];
  readonly network: "default" | "host" | "none";
  readonly security: "sandbox" | "insecure";
  readonly hostname: string;
  readonly extraHosts: readonly { readonly host: string; readonly ip: string }[];
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly shmSizeBytes: number;
  readonly cgroupParent: string;
  /** Absolute paths whose changes, with all below them, are not part of the result. */
  readonly leaveOut?: readonly string[];
  /** Exit codes of a program that did what it should; absent: 0. */
  readonly validExitCodes?: readonly number[];
  /** The number of the bind mount whose changed files are the result; absent: the rootfs is. */
  readonly result?: number;
  /** Variables of proxies: visible to the program, never part of the digest. */
  readonly platform: Platform;
}

/** Owner by number or by name; names are looked up in the destination's rootfs (`input` -1: this action's destination). */
export interface OwnerSpec {
  readonly user: string | number;
  /** Absent: the user's own primary group when by name, the user's number otherwise. */
  readonly group?: string | number;
}

/** How a mode is changed: octal 0-07777, or a symbolic expression of chmod(1). */
export type ModeSpec = { readonly octal: number } | { readonly symbolic: string };

export interface CopyAction {
  readonly action: "copy";
  /** Index into the vertex's inputs: where the files are. */
  readonly from: number;
  /** Path or pattern in the source, expanded, cleaned, absolute in the source's root. */
  readonly source: string;
  /** Path in the destination, absolute; a trailing slash says "a directory". */
  readonly destination: string;
  readonly owner?: OwnerSpec;
  readonly mode?: ModeSpec;
  /** The source may be a pattern (`*`, `?`, `[`; with `parents` also `**`). */
  readonly allowWildcard: boolean;
  readonly allowEmptyWildcard: boolean;
  /** Follow a symlink that the source path itself ends in. */
  readonly followSymlinks: boolean;
  /** Copy what is in a directory, not the directory. */
  readonly dirContentsOnly: boolean;
  /** Unpack the source if its content is an archive (ADD of local files). */
  readonly unpack: boolean;
  /** Keep the source's parent directories (COPY --parents). */
  readonly parents: boolean;
  /** Patterns of what is taken of a directory; absent: all of it. */
  readonly includes?: readonly string[];
  readonly excludes: readonly string[];
  /** What the absolute path of something that is taken must begin with, each of them. */
  readonly required?: readonly string[];
  readonly createDestinationPath: boolean;
  /** An existing non-directory at the destination is replaced by what is copied (COPY --link). */
  readonly alwaysReplace: boolean;
  /** All owners become 0:0 unless `owner` says otherwise (files of a client's context have no meaningful owner). */
  readonly resetOwner: boolean;
  /** mtime in ns of all that is copied; absent: the source's. */
  readonly timeNs?: string;
}

export interface MkfileAction {
  readonly action: "mkfile";
  readonly path: string;
  readonly mode: number;
  /** Content as UTF-8 text, or as base64 where `encoding` says so. */
  readonly data: string;
  readonly encoding?: "base64";
  readonly owner?: OwnerSpec;
  /** mtime in ns; absent: the op's. */
  readonly timeNs?: string;
}

export interface MkdirAction {
  readonly action: "mkdir";
  readonly path: string;
  readonly mode: number;
  readonly makeParents: boolean;
  readonly owner?: OwnerSpec;
  /** mtime in ns; absent: the op's. */
  readonly timeNs?: string;
}

export interface RmAction {
  readonly action: "rm";
  readonly path: string;
  readonly allowNotFound: boolean;
  readonly allowWildcard: boolean;
}

export interface SymlinkAction {
  readonly action: "symlink";
  readonly oldPath: string;
  readonly newPath: string;
  readonly owner?: OwnerSpec;
  /** mtime in ns; absent: the op's. */
  readonly timeNs?: string;
}

export type FileAction = CopyAction | MkfileAction | MkdirAction | RmAction | SymlinkAction;

/** Changes to a file tree, one layer for all actions. `destination` is an index into the inputs; -1 is scratch. */
export interface FileOp {
  readonly kind: "file";
  readonly destination: number;
  readonly actions: readonly FileAction[];
  /** mtime in ns of what the op itself makes (directories, inline files): SOURCE_DATE_EPOCH; absent: the build's time. */
  readonly createdTimeNs?: string;
}

/** Stacks the layers of all inputs, first at the bottom (COPY --link). */
export interface MergeOp {
  readonly kind: "merge";
}

/** What input 1 has on top of input 0. */
export interface DiffOp {
  readonly kind: "diff";
}

/** The bytes of an inline file. */
export function inlineBytes({ data, encoding }: MkfileAction): Uint8Array {
  return Buffer.from(data, encoding ?? "utf8");
}

/** Numbers of the inputs that the layers of an op's result stand on or are made of, bottom first. */
export function standsOn(op: Op, inputs: number): readonly number[] {
  switch (op.kind) {
    case "source":
    case "diff":
      return [];
    case "exec": {
      const mount = op.result === undefined ? undefined : op.mounts[op.result];
      const input = mount?.type === "bind" ? mount.input : op.rootInput;
      return input < 0 ? [] : [input];
    }
    case "file":
      return op.destination < 0 ? [] : [op.destination];
    case "merge":
      return Array.from({ length: inputs }, (_, at) => at);
  }
}

export type Op = SourceOp | ExecOp | FileOp | MergeOp | DiffOp;
