// A request as a daemon is asked for it: attributes of the Dockerfile frontend, exporters, and what the session offers
// (BuildKit, frontend/dockerui/config.go; buildx, build/opt.go).

import { existsSync, realpathSync } from "node:fs";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { BuildError } from "../../builder/core/errors.ts";
import { formatPlatform } from "../../builder/core/image/platform.ts";
import type { BuildRequest, ContextSpec } from "../../builder/request.ts";
import type { OfferedLayout } from "../../builder/offered-layout.ts";
import type { SolveRequest } from "../api/proto/control.ts";
import { cachesOf } from "./asked-caches.ts";
import { exportersOf } from "./exporters.ts";
import type { Offered } from "./offered-files.ts";

const DEFAULT_SHM_BYTES = 64 << 20;
const UPLOAD_PATH = "/context";

/** What is asked for, and what is offered for it. */
export interface Asked {
  readonly solve: Pick<SolveRequest, "frontendAttrs" | "exporters" | "entitlements" | "cache">;
  readonly offered: Omit<Offered, "failed">;
  /** Layouts by the ids of the content stores that they are. */
  readonly stores: ReadonlyMap<string, OfferedLayout>;
  /** Names the context from build to build. */
  readonly sharedKey: string;
  /** What is left to do here when the daemon is done, with what its exporters said. */
  readonly finish: readonly Finish[];
}

/** Takes what the exporters of a daemon said. */
export type Finish = (response: ReadonlyMap<string, string>) => Promise<void>;

/** What is gathered for a request; the rest of it goes with `held`. */
export interface Draft {
  readonly attrs: Map<string, string>;
  readonly folders: Map<string, string | { readonly file: string; readonly bytes: Uint8Array }>;
  readonly uploads: Map<string, () => AsyncIterable<Uint8Array>>;
  readonly stores: Map<string, OfferedLayout>;
  readonly finish: Finish[];
  readonly held: AsyncDisposableStack;
  readonly signal: AbortSignal;
}

/** What is offered may be used until `held` is disposed of. Throws `UNSUPPORTED` for what cannot be asked of a daemon. */
export async function askedOf(request: BuildRequest, held: AsyncDisposableStack, signal: AbortSignal): Promise<Asked> {
  const draft: Draft = {
    attrs: new Map(),
    folders: new Map(),
    uploads: new Map(),
    stores: new Map(),
    finish: [],
    held,
    signal,
  };
  mainContext(request, draft);
  await dockerfile(request, draft);
  for (const [name, context] of request.namedContexts) await namedContext(name, context, request, draft);
  settings(request, draft.attrs);
  const { exporters, outputs } = await exportersOf(request, draft);
  const { imports, exports } = await cachesOf(request, draft);
  if (imports.length > 0)
    draft.attrs.set(
      "cache-imports",
      JSON.stringify(
        imports.map(({ type, attrs }) => ({
          Type: type,
          Attrs: Object.fromEntries(attrs),
        })),
      ),
    );
  return {
    solve: {
      frontendAttrs: draft.attrs,
      exporters,
      entitlements: request.allow.filter((name) => name !== "buildx.local.delete"),
      cache: {
        oldExport: "",
        oldImports: [],
        imports,
        exports,
      },
    },
    offered: { folders: draft.folders, uploads: draft.uploads, outputs },
    stores: draft.stores,
    finish: draft.finish,
    sharedKey: [...draft.folders.values()].map((folder) => (typeof folder === "string" ? folder : "")).join(":"),
  };
}

function mainContext({ context }: BuildRequest, { attrs, folders, uploads }: Draft): void {
  switch (context.kind) {
    case "directory":
      folders.set("context", realpathSync(context.path));
      return;
    case "stream":
      uploads.set(UPLOAD_PATH, context.open);
      attrs.set("context", `http://buildkit-session${UPLOAD_PATH}`);
      return;
    case "git":
    case "http":
      attrs.set("context", context.url);
      return;
    case "client":
    case "image":
    case "location":
    case "client-image":
    case "definition":
      throw new BuildError("UNSUPPORTED", "this build context cannot be sent to a daemon");
  }
}

/** Beside or inside the context, or at hand: then it is a folder of its own. */
async function dockerfile({ dockerfile: spec, context }: BuildRequest, { attrs, folders }: Draft): Promise<void> {
  const local = context.kind === "directory" ? context.path : undefined;
  const at = (directory: string, file: string): void => {
    attrs.set("filename", file);
    folders.set("dockerfile", realpathSync(directory));
    if (local === undefined) attrs.set("dockerfilekey", "dockerfile");
  };
  switch (spec.kind) {
    case "default":
      if (local !== undefined) at(local, "Dockerfile");
      return;
    case "path": {
      // With a context elsewhere it lies there, unless its path says otherwise.
      const here = local !== undefined || isAbsolute(spec.path) ? [resolve(spec.path)] : [];
      const places = [...here, ...(local === undefined ? [] : [join(local, spec.path)])];
      const found = places.find((path) => existsSync(path));
      if (found !== undefined) at(dirname(found), basename(found));
      else if (local !== undefined)
        throw new BuildError(
          "INPUT_MISSING",
          `failed to read dockerfile: open ${spec.path}: no such file or directory`,
        );
      else attrs.set("filename", spec.path);
      return;
    }
    case "stream": {
      const chunks: Uint8Array[] = [];
      for await (const chunk of spec.open()) chunks.push(chunk);
      folders.set("dockerfile", {
        file: "Dockerfile",
        bytes: Buffer.concat(chunks),
      });
      attrs.set("filename", "Dockerfile");
      if (local === undefined) attrs.set("dockerfilekey", "dockerfile");
      return;
    }
    case "http":
      throw new BuildError("UNSUPPORTED", `a Dockerfile at a URL is not sent to a daemon: "${spec.url}"`, {
        hint: "pipe it in: curl URL | tsbuild build -f - …",
      });
    case "client":
      throw new BuildError("UNSUPPORTED", "this Dockerfile cannot be sent to a daemon");
  }
}

async function namedContext(name: string, context: ContextSpec, request: BuildRequest, draft: Draft): Promise<void> {
  const { attrs, folders, stores, held, signal } = draft;
  switch (context.kind) {
    case "directory":
      folders.set(`named-${name}`, realpathSync(context.path));
      attrs.set(`context:${name}`, `local:named-${name}`);
      return;
    case "image":
      attrs.set(`context:${name}`, `docker-image://${context.reference}`);
      return;
    case "git":
    case "http":
      attrs.set(`context:${name}`, context.url);
      return;
    case "location": {
      const { offerImage, offerLayout } = await import("../../builder/offered-layout.ts");
      const { path, digest } = await offerImage(context.location, request, held, signal);
      const store = `named-${stores.size}`;
      stores.set(`oci:${store}`, held.use(offerLayout(path, "references")));
      attrs.set(`context:${name}`, `oci-layout://${store}@${digest}`);
      return;
    }
    case "stream":
    case "client":
    case "client-image":
    case "definition":
      throw new BuildError("UNSUPPORTED", `the named context "${name}" cannot be sent to a daemon`);
  }
}

function settings(request: BuildRequest, attrs: Map<string, string>): void {
  for (const [name, value] of request.buildArgs) attrs.set(`build-arg:${name}`, value);
  for (const [name, value] of request.labels) attrs.set(`label:${name}`, value);
  const said: Readonly<Record<string, string | undefined>> = {
    target: request.target,
    platform: request.platforms.map(formatPlatform).join(","),
    "image-resolve-mode": request.pull ? "pull" : undefined,
    "force-network-mode": request.network === "default" ? undefined : request.network,
    "add-hosts": request.extraHosts.map(({ host, ip }) => `${host}=${ip}`).join(","),
    ulimit: request.ulimits.map(({ name, soft, hard }) => `${name}=${soft}:${hard}`).join(","),
    "shm-size": request.shmSizeBytes === DEFAULT_SHM_BYTES ? undefined : String(request.shmSizeBytes),
    "cgroup-parent": request.cgroupParent,
  };
  for (const [key, value] of Object.entries(said)) if (value) attrs.set(key, value);
  if (request.noCache !== false) attrs.set("no-cache", request.noCache === true ? "" : request.noCache.join(","));
  const { provenance, sbom } = request.attestations ?? {};
  if (sbom !== undefined) attrs.set("attest:sbom", "");
  if (provenance === undefined) return;
  const { mode, version, builderId, fileName, isReproducible, inlineOnly } = provenance;
  const fields = [`mode=${mode}`, `version=${version}`, ...(builderId === "" ? [] : [`builder-id=${builderId}`])];
  if (fileName !== "provenance.json" && fileName !== "") fields.push(`filename=${fileName}`);
  if (isReproducible) fields.push("reproducible=true");
  if (inlineOnly) fields.push("inline-only=true");
  attrs.set("attest:provenance", fields.join(","));
}
