// What the conversion asks of the world, and what it gives back.

import type { Platform } from "../../core/image/platform.ts";
import type { Vertex } from "../../graph/vertex.ts";
import type { LintFinding } from "../instruction.ts";
import type { FindingSink } from "../lint.ts";
import type { HistoryEntry, RuntimeConfig } from "../../core/image/image-config.ts";

/** A base image as the conversion sees it: its config, and the id its source op carries. */
export interface ResolvedImage {
  /** Opaque id for the source op: the resolver knows what to load for it. */
  readonly id: string;
  /** Name for people, with digest if one is known: "docker.io/library/busybox:latest@sha256:…". */
  readonly name: string;
  readonly platform: Platform;
  readonly author?: string;
  readonly osVersion?: string;
  readonly osFeatures?: readonly string[];
  readonly config: RuntimeConfig;
  readonly history: readonly HistoryEntry[];
  /** Number of layers. */
  readonly layers: number;
}

/** A named context (`--build-context`), or the main one, as the conversion may use it. */
export type NamedContext =
  | { readonly kind: "image"; readonly image: ResolvedImage }
  | { /** `docker-image://scratch`: no files, the config of FROM scratch. */ readonly kind: "scratch" }
  | {
      readonly kind: "local";
      /** Name of the local source. */ readonly name: string;
      readonly excludes: readonly string[];
    }
  | { readonly kind: "source"; /** A git or http context. */ readonly vertex: Vertex; readonly subdir: string };

/** What the conversion needs from outside; implemented by `builder/build.ts`. */
export interface ConvertWorld {
  /** Resolves `FROM name` / `--from=name` for a platform. Throws when there is no such image. */
  resolveImage(name: string, platform: Platform): Promise<ResolvedImage>;
  /** Whether a named context of that name was given; looks at names only, loads nothing. */
  hasNamedContext(name: string, platform: Platform): boolean;
  /**
   * The named context of that name, loaded; undefined if none was given. `name` may be any form of an image
   * name ("busybox", "docker.io/library/busybox:latest"), and "name::os/arch" beats "name" for its platform.
   */
  namedContext(name: string, platform: Platform): Promise<NamedContext | undefined>;
  /** The main context with .dockerignore read; called at most once and only if something copies from it. */
  mainContext(): Promise<NamedContext>;
  /** When what a source op names was made, in seconds since the epoch; undefined where nothing tells. */
  sourceSeconds(source: Vertex): Promise<number | undefined>;
}

/** The options of a conversion; all from the request. */
export interface ConvertOptions {
  readonly target: string | undefined;
  readonly targetPlatform: Platform;
  /** Nobody asked for a platform: the image keeps that of its base. */
  readonly implicitPlatform?: boolean;
  readonly buildPlatform: Platform;
  /** Whether several platforms are built: names get "[linux/arm64 …]". */
  readonly multiPlatform: boolean;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly labels: ReadonlyMap<string, string>;
  /** `true`: all; a list: these stages (lower case); `false`: none. */
  readonly noCache: boolean | readonly string[];
  /** Every RUN runs. */
  readonly noCacheForRuns?: boolean;
  readonly network: "default" | "host" | "none";
  readonly hostname: string | undefined;
  readonly extraHosts: readonly { readonly host: string; readonly ip: string }[];
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly shmSizeBytes: number;
  readonly cgroupParent: string;
  /** Absolute paths that no RUN puts into a layer. */
  readonly leaveOut?: readonly string[] | undefined;
  /** Entitlements granted: "network.host", "security.insecure". */
  readonly allow: readonly string[];
  /** SOURCE_DATE_EPOCH in seconds, when given by the request (a build arg of that name counts as well). */
  readonly epochSeconds: number | undefined;
  /** Where nothing tells the epoch it is 0. */
  readonly reproducible?: boolean;
  /** Lint rules to skip, and whether findings are errors, from the request (`BUILDKIT_DOCKERFILE_CHECK`). */
  readonly check: string | undefined;
  /** Hears of findings when they are made; what the reader of the file has found already is not told again. */
  readonly onFinding?: FindingSink | undefined;
  /** Converts every stage, not only those that the target needs, as a lint run without a target does. */
  readonly allStages?: boolean;
}

/** The graph of one platform and the draft of its image config. */
export interface Plan {
  /** The vertex whose result is the image's rootfs; undefined for an image without layers. */
  readonly result: Vertex | undefined;
  readonly platform: Platform;
  readonly author?: string;
  readonly osVersion?: string;
  readonly osFeatures?: readonly string[];
  readonly config: RuntimeConfig;
  /** Entries without `empty_layer` stand for the result's layers, in order; those of the base image come first. */
  readonly history: readonly HistoryEntry[];
  readonly epochSeconds: number | undefined;
  readonly findings: readonly LintFinding[];
}
