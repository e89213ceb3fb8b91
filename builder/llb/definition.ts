// A graph as clients send it in BuildKit's low-level form (BuildKit, solver/pb/ops.proto), decoded: nothing of it has been
// looked at yet. Numbers and names are the sender's.

import type { Digest } from "../core/digest.ts";

/** An output of another op. */
export interface LlbInput {
  readonly digest: string;
  readonly index: number;
}

export interface LlbPlatform {
  readonly architecture: string;
  readonly os: string;
  readonly variant: string;
  readonly osVersion: string;
}

interface Grant {
  readonly id: string;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly optional: boolean;
}

export interface LlbMount {
  /** Number of the op's input; -1: an empty directory. */
  readonly input: number;
  readonly selector: string;
  readonly target: string;
  /** Number of the op's output; -1: none. */
  readonly output: number;
  readonly readonly: boolean;
  /** 0 bind, 1 secret, 2 ssh, 3 cache, 4 tmpfs. */
  readonly type: number;
  readonly tmpfs: { readonly size: number } | undefined;
  readonly cache: { readonly id: string; readonly sharing: number } | undefined;
  readonly secret: Grant | undefined;
  readonly ssh: Grant | undefined;
}

export interface LlbExec {
  readonly meta:
    | {
        readonly args: readonly string[];
        readonly env: readonly string[];
        readonly cwd: string;
        readonly user: string;
        readonly proxy:
          | {
              readonly http: string;
              readonly https: string;
              readonly ftp: string;
              readonly no: string;
              readonly all: string;
            }
          | undefined;
        readonly extraHosts: readonly { readonly host: string; readonly ip: string }[];
        readonly hostname: string;
        readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
        readonly cgroupParent: string;
        readonly validExitCodes: readonly number[];
      }
    | undefined;
  readonly mounts: readonly LlbMount[];
  /** 0 default, 1 host, 2 none. */
  readonly network: number;
  /** 0 sandbox, 1 insecure. */
  readonly security: number;
  readonly secretEnv: readonly { readonly id: string; readonly name: string; readonly optional: boolean }[];
  readonly devices: readonly { readonly name: string }[];
}

export interface LlbSource {
  readonly identifier: string;
  readonly attrs: ReadonlyMap<string, string>;
}

export interface LlbUser {
  /** `input` numbers what has the account files. */
  readonly byName: { readonly name: string; readonly input: number } | undefined;
  readonly byId: number | undefined;
}

export interface LlbOwner {
  readonly user: LlbUser | undefined;
  readonly group: LlbUser | undefined;
}

/** What the actions that make something have in common; times are ns since the epoch, -1 is now. */
interface Making {
  readonly owner: LlbOwner | undefined;
  readonly timestamp: bigint;
}

export interface LlbCopy extends Making {
  readonly source: string;
  readonly destination: string;
  /** -1: the source's. */
  readonly mode: number;
  readonly modeText: string;
  readonly followSymlink: boolean;
  readonly dirContentsOnly: boolean;
  readonly unpack: boolean;
  readonly createDestination: boolean;
  readonly allowWildcard: boolean;
  readonly allowEmptyWildcard: boolean;
  readonly includes: readonly string[];
  readonly excludes: readonly string[];
  readonly alwaysReplace: boolean;
  readonly required: readonly string[];
}

export interface LlbAction {
  /** Numbers of the op's inputs or, from their count on, of its actions; -1: an empty directory. */
  readonly input: number;
  readonly secondaryInput: number;
  /** Number of the op's output; -1: none. */
  readonly output: number;
  readonly copy: LlbCopy | undefined;
  readonly mkfile: (Making & { readonly path: string; readonly mode: number; readonly data: Uint8Array }) | undefined;
  readonly mkdir:
    (Making & { readonly path: string; readonly mode: number; readonly makeParents: boolean }) | undefined;
  readonly rm: { readonly path: string; readonly allowNotFound: boolean; readonly allowWildcard: boolean } | undefined;
  readonly symlink: (Making & { readonly oldPath: string; readonly newPath: string }) | undefined;
}

export interface LlbFile {
  readonly actions: readonly LlbAction[];
}

/** One op; of the bodies one is there, and in the closing one none. */
export interface LlbOp {
  readonly inputs: readonly LlbInput[];
  readonly exec: LlbExec | undefined;
  readonly source: LlbSource | undefined;
  readonly file: LlbFile | undefined;
  readonly merge: { readonly inputs: readonly { readonly input: number }[] } | undefined;
  readonly diff:
    | { readonly lower: { readonly input: number } | undefined; readonly upper: { readonly input: number } | undefined }
    | undefined;
  /** Not offered. */
  readonly build: object | undefined;
  readonly passthrough: object | undefined;
  readonly platform: LlbPlatform | undefined;
  readonly constraints: { readonly filter: readonly string[] } | undefined;
}

export interface LlbMetadata {
  readonly ignoreCache: boolean;
  readonly description: ReadonlyMap<string, string>;
  /** What the op needs of whoever runs it. */
  readonly caps: ReadonlyMap<string, boolean>;
  /** Limits of cgroups; not offered. */
  readonly resources: object | undefined;
}

/** Where ops are written, in files that the client has. */
export interface LlbSourceMap {
  readonly locations: ReadonlyMap<
    string,
    {
      readonly locations: readonly {
        readonly sourceIndex: number;
        readonly ranges: readonly {
          readonly start: { readonly line: number } | undefined;
          readonly end: { readonly line: number } | undefined;
        }[];
      }[];
    }
  >;
  readonly infos: readonly { readonly filename: string; readonly data: Uint8Array }[];
}

/** A whole graph. */
export interface LlbDefinition {
  /** By the digests of their bytes, in the order in which they were sent; the last one closes. */
  readonly ops: ReadonlyMap<Digest, LlbOp>;
  readonly metadata: ReadonlyMap<string, LlbMetadata>;
  readonly source: LlbSourceMap | undefined;
}
