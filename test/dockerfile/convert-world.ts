// A small world for conversions: three images, two contexts, and a record of what was asked for.

import { readDockerfile } from "../../builder/dockerfile/instructions.ts";
import { convert } from "../../builder/dockerfile/convert/convert.ts";
import type {
  ConvertOptions,
  ConvertWorld,
  NamedContext,
  Plan,
  ResolvedImage,
} from "../../builder/dockerfile/convert/plan.ts";
import { BuildError } from "../../builder/core/errors.ts";
import type { RuntimeConfig } from "../../builder/core/image/image-config.ts";
import type { Platform } from "../../builder/core/image/platform.ts";
import { formatPlatform } from "../../builder/core/image/platform.ts";

const AMD64: Platform = { os: "linux", architecture: "amd64" };

const CONFIGS: Readonly<Record<string, RuntimeConfig>> = {
  plain: { Env: ["PATH=/bin"], Cmd: ["sh"] },
  full: {
    Env: ["PATH=/usr/bin", "BASE=1"],
    Entrypoint: ["/init"],
    Cmd: ["start"],
    WorkingDir: "/srv",
    User: "web",
    Labels: { from: "base" },
    Shell: ["/bin/bash", "-c"],
  },
  foreign: { Env: ["PATH=/bin"] },
  late: { OnBuild: ["COPY --from=side x /"] },
  triggers: { OnBuild: ["ARG TAG=none", "COPY $TAG /t", "RUN --mount=from=plain,target=/p use $TAG"] },
};

/** The world; `asked` collects the names of what was loaded. */
export function smallWorld(asked: string[] = []): ConvertWorld {
  const contexts: Readonly<Record<string, NamedContext>> = {
    assets: { kind: "local", name: "assets", excludes: [] },
    tools: { kind: "image", image: image("tools", AMD64) },
  };
  return {
    async resolveImage(name, platform) {
      asked.push(name);
      if (!Object.hasOwn(CONFIGS, name)) throw new BuildError("REGISTRY", `there is no image "${name}"`);
      return image(name, name === "foreign" ? { os: "linux", architecture: "s390x" } : platform);
    },
    hasNamedContext: (name) => Object.hasOwn(contexts, shortName(name)),
    async namedContext(name) {
      asked.push(`context ${shortName(name)}`);
      return Object.hasOwn(contexts, shortName(name)) ? contexts[shortName(name)] : undefined;
    },
    sourceSeconds: () => Promise.resolve(undefined),
    async mainContext() {
      asked.push("main context");
      return { kind: "local", name: "context", excludes: ["*.log", "tmp"] };
    },
  };
}

function shortName(name: string): string {
  return name.replace(/^docker\.io\/library\//, "").replace(/:latest$/, "");
}

function image(name: string, platform: Platform): ResolvedImage {
  const history = [{ created_by: `ADD ${name}.tar /` }];
  return {
    id: `${name} ${formatPlatform(platform)}`,
    name: `docker.io/library/${name}:latest`,
    platform,
    config: CONFIGS[name] ?? {},
    history,
    layers: 1,
  };
}

/** Options of a build that asks for nothing special. */
export const DEFAULTS: ConvertOptions = {
  target: undefined,
  targetPlatform: AMD64,
  implicitPlatform: true,
  buildPlatform: AMD64,
  multiPlatform: false,
  buildArgs: new Map(),
  labels: new Map(),
  noCache: false,
  network: "default",
  hostname: undefined,
  extraHosts: [],
  ulimits: [],
  shmSizeBytes: 0,
  cgroupParent: "",
  allow: [],
  epochSeconds: undefined,
  check: undefined,
};

/** Converts a Dockerfile's text in the small world. */
export async function convertText(
  text: string,
  options: Partial<ConvertOptions> = {},
  asked: string[] = [],
): Promise<Plan> {
  const dockerfile = readDockerfile(Buffer.from(text), "Dockerfile");
  return await convert(dockerfile, { ...DEFAULTS, ...options }, smallWorld(asked), new AbortController().signal);
}
