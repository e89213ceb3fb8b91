// What a door asks of the engine. Every door (command line, daemon, job) makes one of
// these; nothing in the engine reads flags, environment or clock beside it.

import type { SnapshotterName } from "./choose-snapshotter.ts";
import type { OutgoingFile } from "./core/client-file.ts";
import type { Compression } from "./core/image/descriptor.ts";
import type { CacheFrom, CacheTo } from "./cache-request.ts";
import type { BuildError } from "./core/errors.ts";
import type { EventSink } from "./core/events.ts";
import type { DefinitionRequest } from "./definition-request.ts";
import type { Platform } from "./core/image/platform.ts";
import type { ExpandName } from "./core/image/reference.ts";
import type { Digest } from "./core/digest.ts";
import type { ClientFolder, ClientStore, Session } from "./core/session.ts";
import type { DiskSettings } from "./disk/settings.ts";
import type { RequiredSandbox } from "./executor/executor.ts";
import type { EarlierParts } from "./records/earlier-parts.ts";
import type { RegistryRouter } from "./transport/registry/endpoints.ts";
import type { ResolvedRef } from "./source/remote.ts";
import type { SourcePolicy } from "./source/source-policy.ts";
import type { Turns } from "./core/slots.ts";
import type { UnpackLimits } from "./layer/unpack-limits.ts";
import type { ImageLocation } from "./core/image/image-location.ts";
import type { BuildReasons } from "./why.ts";

export type { RequiredSandbox } from "./executor/executor.ts";
export type { Turns } from "./core/slots.ts";
export { EarlierParts } from "./records/earlier-parts.ts";
export type { ResolvedRef } from "./source/remote.ts";

/** Where a build context (main or named) comes from. */
export type ContextSpec =
  | { readonly kind: "directory"; readonly path: string }
  /** A folder on another machine. */
  | { readonly kind: "client"; readonly folder: ClientFolder }
  /** A tar (plain or compressed) on a stream, or a bare Dockerfile: told apart by content. */
  | { readonly kind: "stream"; readonly open: () => AsyncIterable<Uint8Array>; readonly unpack?: Unpack }
  | { readonly kind: "git"; readonly url: string; readonly unpack?: Unpack }
  | { readonly kind: "http"; readonly url: string; readonly unpack?: Unpack }
  /** Only for named contexts. */
  | { readonly kind: "image"; readonly reference: string }
  | { readonly kind: "location"; readonly location: ImageLocation }
  /** An image in the store of a remote client; only for named contexts. */
  | { readonly kind: "client-image"; readonly digest: Digest; readonly store: ClientStore }
  /** What a client's graph gives. */
  | { readonly kind: "definition"; readonly definition: DefinitionRequest };

/** What came from elsewhere is to be a client's folder: its ignore file counts, owners do not. */
export interface Unpack {
  /** The folder inside that is the context; "" for all of it. */
  readonly subPath: string;
}

/** Where the Dockerfile comes from. */
export type DockerfileSpec =
  /** A path as the person wrote it: from the working directory, else inside the context; default "Dockerfile" in the context. */
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "default" }
  /** In a folder on another machine, which need not be that of the context; default "Dockerfile". */
  | {
      readonly kind: "client";
      readonly folder: ClientFolder;
      readonly path?: string;
      /** Of the folder, where it is one of several. */ readonly id?: string;
    }
  | { readonly kind: "stream"; readonly open: () => AsyncIterable<Uint8Array> }
  | { readonly kind: "http"; readonly url: string };

/** A sink for one output file: a path (written to a temporary file, renamed at the end) or a stream (stdout). */
export type FileSink =
  | { readonly kind: "file"; readonly path: string }
  | {
      readonly kind: "stream";
      readonly write: (chunk: Uint8Array) => Promise<void>;
      /** All has been written: resolves when whoever reads it has it. */
      readonly end?: () => Promise<void>;
    };

/** A folder with a remote client that takes a whole result. */
export interface FolderSink {
  /** Parents first, what is in a directory right after it, hard links after their targets; resolves when the client has it all. */
  write(files: readonly OutgoingFile[]): Promise<void>;
}

/** How layers and manifests of an image output look. */
export interface ImageOptions {
  readonly names: readonly string[];
  readonly mediaTypes: "oci" | "docker";
  readonly compression: Compression;
  readonly level?: number;
  readonly encoder?: "native" | "portable";
  /** Also layers that are there in another compression are made anew. */
  readonly forceCompression: boolean;
  /** Whether attestations are artifacts that name their image (default), or look like an image. */
  readonly attestationForm?: "artifact" | "image";
  /** Also attestations that are for images only go into an archive of it; a store or a registry always gets them. */
  readonly inlineAttestations?: boolean;
  /** By place, then key; `platform` limits it to one ("" is all). */
  readonly annotations: readonly {
    readonly place: "manifest" | "manifest-descriptor" | "index" | "index-descriptor";
    readonly platform: string;
    readonly key: string;
    readonly value: string;
  }[];
}

export type ExportSpec =
  | {
      readonly type: "image";
      readonly image: ImageOptions;
      readonly push: boolean;
      readonly pushByDigest: boolean;
      readonly store: boolean;
      /** An image without a name stays in the store all the same, by its digest, as with docker. */
      readonly keepUnnamed?: boolean;
      /** A tag that the registry has and does not let anybody change stays as it is, and that is no failure. */
      readonly keepImmutableTags?: boolean;
    }
  | {
      readonly type: "oci" | "docker";
      readonly image: ImageOptions;
      readonly destination:
        | FileSink
        | { readonly kind: "directory"; readonly path: string }
        /** Without a name: the client keeps its own list. */
        | { readonly kind: "client"; readonly store: ClientStore };
    }
  /** Into the docker daemon of whoever asked; without one the image stays in the local store. */
  | { readonly type: "load"; readonly image: ImageOptions }
  | {
      readonly type: "local";
      readonly path: string;
      readonly platformSplit?: boolean;
      readonly deleteExtra: boolean;
      /** In front of the names of files with attestations. */
      readonly attestationPrefix?: string;
    }
  | {
      readonly type: "client";
      readonly folder: FolderSink;
      readonly platformSplit?: boolean;
      readonly attestationPrefix?: string;
    }
  | {
      readonly type: "tar";
      readonly destination: FileSink;
      readonly platformSplit?: boolean;
      readonly attestationPrefix?: string;
    }
  | { readonly type: "cacheonly" }
  /** Whoever asked looks into the files themselves, which are there until this resolves. Nothing tells of it. */
  | { readonly type: "look"; readonly look: (files: readonly OutgoingFile[]) => Promise<void> };

/** What is to be stated about the result; nothing unless it is asked for. */
export interface AttestationRequest {
  readonly provenance?: {
    readonly mode: "min" | "max";
    readonly version: "v1" | "v0.2";
    readonly builderId: string;
    /** Of the file beside a result that is no image. */
    readonly fileName: string;
    readonly isReproducible: boolean;
    /** Only for images. */
    readonly inlineOnly: boolean;
    /** Fail when the build read something that it cannot name by a digest: a folder of the client's. */
    readonly needsAllMaterials: boolean;
  };
  /** A list of the packages in the result, made by the built-in scanner. */
  readonly sbom?: Record<string, never>;
}

/** Which results of earlier builds may be taken. */
export interface CacheRules {
  /** Those of RUN as well. */
  readonly runs: boolean;
  /** Results that are older do not count. */
  readonly maxAgeMs: number;
}

/** Everything one build is asked for. */
export interface BuildRequest {
  /** Root folder of the store, absolute. */
  readonly root: string;
  readonly context: ContextSpec;
  readonly dockerfile: DockerfileSpec;
  /** A graph in the place of a Dockerfile; context, Dockerfile and what is about them do not count then. */
  readonly definition?: DefinitionRequest | undefined;
  readonly namedContexts: ReadonlyMap<string, ContextSpec>;
  readonly target: string | undefined;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly labels: ReadonlyMap<string, string>;
  /** Empty: the host's. */
  readonly platforms: readonly Platform[];
  readonly noCache: boolean | readonly string[];
  readonly pull: boolean;
  /** Roots of other stores that may have base images; nothing is written there. */
  readonly otherRoots?: readonly string[];
  /** A folder of base images that a warmer filled, and for how long they count. */
  readonly warmed?: { readonly path: string; readonly maxAgeMs: number };
  /** Which earlier results count: of RUN none, none that is older. */
  readonly cacheRules?: CacheRules;
  readonly network: "default" | "host" | "none";
  readonly extraHosts: readonly { readonly host: string; readonly ip: string }[];
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly shmSizeBytes: number;
  readonly cgroupParent: string;
  /** Absolute paths that no RUN puts into a layer. */
  readonly leaveOut?: readonly string[];
  readonly allow: readonly string[];
  readonly exports: readonly ExportSpec[];
  readonly attestations?: AttestationRequest;
  /** For whoever keeps records of builds: the result says how it came to be whatever its outputs state (mode max, v0.2). */
  readonly recordsProvenance?: boolean | undefined;
  /** Caches elsewhere that may have results (--cache-from). */
  readonly cacheFrom?: readonly CacheFrom[];
  /** Where what this build knows goes, for other builds (--cache-to). */
  readonly cacheTo?: readonly CacheTo[];
  /** Fewer layers in images: "new" makes one of what this build adds to its base, "all" one of everything. */
  readonly squash?: "new" | "all";
  /** Writes what came from elsewhere to a lock file, or takes only what one names. Without a path it is `<Dockerfile>.lock`. */
  readonly lock?: { readonly mode: "write" | "enforce"; readonly path?: string };
  /** What git refs named in earlier builds of one client's build, by vertex: asked once, and the same for all of them. Filled in. */
  readonly gitRefs?: Map<Digest, ResolvedRef>;
  /** Which sources it may have, and what they are replaced by; each of them counts. */
  readonly sourcePolicies?: readonly SourcePolicy[] | undefined;
  /** What was told of builds that were parts of this one. */
  readonly earlier?: EarlierParts | undefined;
  /** RUN steps at a time. */
  readonly jobs: number;
  /** Where other builds share the machine: says when a RUN step may run. */
  readonly turns?: Turns | undefined;
  /** SOURCE_DATE_EPOCH in seconds; `--reproducible` without one is 0. */
  readonly epochSeconds: number | undefined;
  /** Fail rather than write bytes that another machine could not reproduce. */
  readonly reproducible: boolean;
  readonly requireSandbox: RequiredSandbox | undefined;
  /** How the rootfs of a RUN is made; undefined: whatever works best. */
  readonly snapshotter?: SnapshotterName | undefined;
  /** How much layers and archives may unpack to; undefined: the defaults. */
  readonly limits?: UnpackLimits | undefined;
  /** How much of the disk the store may have; BuildKit's defaults where it is not said. */
  readonly disk?: DiskSettings | undefined;
  readonly session: Session;
  /** Ids of secrets that may stand in the result (`--allow-secret-in-image`). */
  readonly allowSecretInImage?: readonly string[];
  readonly events: EventSink;
  /** ms since the epoch; the only clock of the build. */
  readonly now: () => number;
  readonly hostPlatform: Platform;
  /** Where registries are reached. */
  readonly router: RegistryRouter;
  /** Further attempts where a registry does not answer; never fewer than there are by default. */
  readonly registryRetries?: number;
  /** What an image name that is not in the store stands for; undefined: what docker makes of it. */
  readonly expandName?: ExpandName | undefined;
  /** The environment that git, proxies and credential helpers may see. */
  readonly environment: ReadonlyMap<string, string>;
  readonly check: string | undefined;
  /** Part of other work, which is what is remembered: this is only when it fails. */
  readonly isInternal?: boolean | undefined;
  /** Only say which steps would run, and why: nothing is run, written or remembered. */
  readonly dryRun?: boolean | undefined;
  /** Told under which id the build is remembered, when it has ended. */
  readonly onRemembered?: ((id: string) => void) | undefined;
  /** Open a shell in a RUN that fails; undefined: none. */
  readonly shellOnError?: ErrorShell | undefined;
}

/** A person at a terminal who wants to look at what a failed step left. */
export interface ErrorShell {
  /** The kind of terminal (TERM). */
  readonly terminal: string;
  /** Told when the shell is about to have the terminal. */
  ready(failure: BuildError): Promise<void>;
}

/** What one build made. */
export interface BuildResult {
  /** Of each platform's image; empty for outputs that are no image. */
  readonly images: readonly ImageIdentity[];
  /** The manifest, or the index of several platforms. */
  readonly digest: string | undefined;
  readonly descriptor: { readonly mediaType: string; readonly digest: Digest; readonly size: number } | undefined;
  readonly names: readonly string[];
  readonly warnings: number;
  /** How it came to be, as SLSA provenance, by platform ("linux/amd64"); only when it was asked for, or records are kept. */
  readonly provenance?: ReadonlyMap<string, object>;
  /** Of a dry run: what would become of its steps. */
  readonly plan?: BuildReasons;
}

/** The identities of one image, all verified by validate(). */
export interface ImageIdentity {
  readonly platform: Platform;
  /** sha256 of the config. */
  readonly imageId: string;
  /** sha256 of the manifest. */
  readonly manifestDigest: string;
}
