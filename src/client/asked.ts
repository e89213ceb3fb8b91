// A request as a daemon is asked for it: attributes of the Dockerfile frontend, exporters, and what the session offers
// (BuildKit, frontend/dockerui/config.go; buildx, build/opt.go).

import { existsSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { CacheFrom, CacheTo } from "../../builder/cache-request.ts";
import { BuildError } from "../../builder/core/errors.ts";
import { formatPlatform } from "../../builder/core/platform.ts";
import type { BuildRequest, ContextSpec } from "../../builder/request.ts";
import type { SolveRequest } from "../api/proto/control.ts";
import { exportersOf } from "./exporters.ts";
import type { Offered } from "./offered-files.ts";

const DEFAULT_SHM_BYTES = 64 << 20;
const UPLOAD_PATH = "/context";

/** What is asked for, and what is offered for it. */
export interface Asked {
  readonly solve: Pick<SolveRequest, "frontendAttrs" | "exporters" | "entitlements" | "cache">;
  readonly offered: Omit<Offered, "failed">;
  /** Names the context from build to build. */
  readonly sharedKey: string;
}

interface Draft {
  readonly attrs: Map<string, string>;
  readonly folders: Map<string, string | { readonly file: string; readonly bytes: Uint8Array }>;
  readonly uploads: Map<string, () => AsyncIterable<Uint8Array>>;
}

/** Throws `UNSUPPORTED` for what cannot be asked of a daemon. */
export async function askedOf(request: BuildRequest): Promise<Asked> {
  const draft: Draft = {
    attrs: new Map(),
    folders: new Map(),
    uploads: new Map(),
  };
  mainContext(request, draft);
  await dockerfile(request, draft);
  for (const [name, context] of request.namedContexts) namedContext(name, context, draft);
  settings(request, draft.attrs);
  const { exporters, outputs } = exportersOf(request.exports);
  const imports = (request.cacheFrom ?? []).map(importOf);
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
        exports: (request.cacheTo ?? []).map(exportOf),
      },
    },
    offered: { folders: draft.folders, uploads: draft.uploads, outputs },
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
      const places = [resolve(spec.path), ...(local === undefined ? [] : [join(local, spec.path)])];
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

function namedContext(name: string, context: ContextSpec, { attrs, folders }: Draft): void {
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
    case "stream":
    case "client":
    case "location":
    case "client-image":
      throw new BuildError(
        "UNSUPPORTED",
        `the named context "${name}" lies in an image layout or archive here, which a daemon is not sent`,
        {
          hint: "push the image to a registry, and name it with docker-image://",
        },
      );
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

type CacheEntry = {
  readonly type: string;
  readonly attrs: ReadonlyMap<string, string>;
};

function importOf(cache: CacheFrom): CacheEntry {
  if (cache.type !== "registry") throw localCache("--cache-from");
  const attrs = new Map([["ref", cache.reference]]);
  if (cache.mounts !== undefined) attrs.set("mounts", cache.mounts);
  return { type: "registry", attrs };
}

function exportOf(cache: CacheTo): CacheEntry {
  if (cache.type !== "registry" && cache.type !== "inline") throw localCache("--cache-to");
  const attrs = new Map<string, string>();
  if (cache.ignoreError) attrs.set("ignore-error", "true");
  if (cache.type === "inline") return { type: "inline", attrs };
  attrs.set("ref", cache.reference);
  attrs.set("mode", cache.mode);
  attrs.set("image-manifest", String(cache.imageManifest));
  attrs.set("oci-mediatypes", String(cache.ociMediaTypes));
  if (cache.compression !== undefined) attrs.set("compression", cache.compression);
  if (cache.level !== undefined) attrs.set("compression-level", String(cache.level));
  if (cache.forceCompression) attrs.set("force-compression", "true");
  if (cache.mounts === "max") attrs.set("mounts", "max");
  return { type: "registry", attrs };
}

function localCache(flag: string): BuildError {
  return new BuildError("UNSUPPORTED", `${flag}: this kind of cache is not offered with --host yet`, {
    hint: "use type=registry, or type=inline",
  });
}
