// What the engine needs of whoever asked for the build: files, secrets, agents,
// credentials. This process implements it; a remote client over the API can too.

import type { Digest } from "./digest.ts";
import type { StoreSpace } from "./space.ts";

/** Registry credentials. Never log one. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
  /** An identity (refresh) token instead of a password. */
  readonly identityToken?: string;
  /** A token for the registry itself, sent as it is. */
  readonly registryToken?: string;
}

/** How to reach a docker daemon. */
export interface DaemonEndpoint {
  /** As DOCKER_HOST has it: "unix:///var/run/docker.sock", "tcp://host:2376". */
  readonly host: string;
  /** Somebody said where it is, or a socket is where one usually is. */
  readonly isThere: boolean;
  /** PEM texts for a TCP daemon that wants them; absent: plain HTTP. */
  readonly tls?: {
    readonly ca?: string;
    readonly certificate?: string;
    readonly key?: string;
    readonly isUnchecked: boolean;
  };
}

export interface Session {
  /** Ids of the secrets that the client has, where it can say. */
  readonly secretIds?: readonly string[];
  /** The bytes of `--secret id=…`; undefined when the client has none of that id. */
  secret(id: string): Promise<Uint8Array | undefined>;
  /** Path of a unix socket that speaks the SSH agent protocol for `--ssh id`; undefined when there is none. Closed with the session. */
  sshAgent(id: string): Promise<string | undefined>;
  /** Private keys that the client has read from files for `--ssh id`; what an agent holds is never seen. */
  privateKeys?(): Promise<readonly { readonly id: string; readonly bytes: Uint8Array }[]>;
  /** The Authorization header for a git remote ("github.com"), where the client has a login that is no secret of the build's. */
  gitAuthorization?(host: string): Promise<string | undefined>;
  /** Credentials for a repository of a registry ("docker.io", "127.0.0.1:5000"), or for all of it; undefined for anonymous. */
  credentials(registry: string, repository?: string): Promise<Credentials | undefined>;
  /** The client's docker daemon, or where it would be; nothing is asked of it yet. */
  dockerDaemon?(): Promise<DaemonEndpoint>;
}

/** What is wanted of a client's folder. */
export interface FolderSelection {
  /** Patterns of an ignore file, in order, "!" first where negated. */
  readonly excludes: readonly string[];
  /** Patterns of what is wanted, beside `paths`. */
  readonly includes?: readonly string[];
  /** Paths and patterns below the folder; links in them are followed. Empty, and without `includes`: all of it. */
  readonly paths: readonly string[];
}

/** A client's folder as it was brought. */
export interface BroughtFolder {
  /** Absolute. */
  readonly directory: string;
  /** What the kernel says of all that is in it, for whoever knows what that is (source/tree-scan.ts). */
  readonly scan: object | undefined;
}

/** A folder that lies with a remote client. */
export interface ClientFolder {
  /** Small files by their paths; those that are not there are left out. Throws `CONTEXT`. */
  read(paths: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>>;
  /**
   * Brings the files here; `progress` is told of the bytes that came, `space` is asked for what they take. The folder
   * stays as it is until the session ends, and nobody changes it but who brings it. Throws `CONTEXT`, `STORE`.
   */
  bring(selection: FolderSelection, progress: (bytes: number) => void, space: StoreSpace): Promise<BroughtFolder>;
}

/** Blobs and documents that lie with a remote client, by their digests. Nothing that it gives is verified. */
export interface ClientStore {
  /** Undefined when it is not there. */
  size(digest: Digest): Promise<number | undefined>;
  /** The bytes from `from` on. Throws `INPUT_MISSING`. */
  read(digest: Digest, from: number): AsyncIterable<Uint8Array>;
  /** Resolves when the client has all of it and its digest is right. Throws `OUTPUT`. */
  write(blob: { readonly digest: Digest; readonly size: number }, bytes: AsyncIterable<Uint8Array>): Promise<void>;
}
