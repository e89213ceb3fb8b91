// Named contexts (`--build-context name=…`), found by any form of the name and loaded when
// a Dockerfile uses them.

import { BuildError } from "../../core/errors.ts";
import { formatPlatform, type Platform } from "../../core/image/platform.ts";
import { formatReference, parseReference } from "../../core/image/reference.ts";
import type { NamedContext } from "../../dockerfile/convert/plan.ts";
import { formatFullPlatform } from "../../dockerfile/convert/variables/platform-args.ts";
import { readIgnoreLines } from "../../dockerfile/dockerignore.ts";
import type { BaseImages, ImageContext } from "../images/base-images.ts";
import { gitVertex, httpContextVertex } from "./context-vertices.ts";
import { told } from "../internal-steps.ts";
import type { ContextWorld } from "./world.ts";
import type { ContextSpec } from "../../request.ts";
import { existingDirectory, readIgnoreFile } from "../../source/context.ts";
import { redact } from "../../source/redact.ts";

/** The named contexts of one build, each loaded once a platform. */
export class NamedContexts {
  readonly #world: ContextWorld;
  readonly #images: BaseImages;
  readonly #loaded = new Map<string, Promise<NamedContext>>();

  constructor(world: ContextWorld, images: BaseImages) {
    this.#world = world;
    this.#images = images;
  }

  /** Whether there is one of that name; loads nothing. */
  has(name: string, platform: Platform): boolean {
    return this.#find(name, platform) !== undefined;
  }

  /** The one of that name in a word: an image's name, else what kind of thing it is. */
  describe(name: string, platform: Platform): string | undefined {
    const [, spec] = this.#find(name, platform) ?? [];
    return spec?.kind === "image" ? spec.reference : spec?.kind;
  }

  /** The one of that name, loaded; undefined when there is none. */
  async load(name: string, platform: Platform): Promise<NamedContext | undefined> {
    const found = this.#find(name, platform);
    if (found === undefined) return undefined;
    const [key, spec] = found;
    const isImage = spec.kind === "image" || spec.kind === "location" || spec.kind === "client-image";
    const id = isImage ? `${key} ${formatPlatform(platform)}` : key;
    let loading = this.#loaded.get(id);
    if (loading === undefined) {
      loading = isImage ? this.#image(key, spec, platform) : this.#files(key, spec);
      this.#loaded.set(id, loading);
    }
    return await loading;
  }

  async #image(key: string, spec: ImageContext, platform: Platform): Promise<NamedContext> {
    if (spec.kind === "image" && spec.reference === "scratch") return { kind: "scratch" };
    const name = spec.kind === "image" ? spec.reference : fullName(bareName(key));
    const image = await told(this.#world.request, `[context ${key}] load metadata for ${name}`, () =>
      this.#images.byContext(spec, fullName(name), platform, this.#world.signal),
    );
    return { kind: "image", image };
  }

  async #files(key: string, spec: Exclude<ContextSpec, ImageContext>): Promise<NamedContext> {
    switch (spec.kind) {
      case "directory": {
        const directory = await existingDirectory(spec.path);
        const ignored = await told(this.#world.request, `[context ${key}] load .dockerignore`, () =>
          readIgnoreFile(directory, undefined),
        );
        const lines = ignored === undefined ? [] : readIgnoreLines(ignored.text);
        // "context", the main one's name, is never asked for: it is reserved.
        this.#world.trees.addLocal(key, {
          directory,
          ignoreFile: ignored === undefined ? undefined : { name: ignored.name, lines },
        });
        return { kind: "local", name: key, excludes: lines.map(({ pattern }) => pattern) };
      }
      case "client": {
        const { clientFiles } = await import("./client-context.ts");
        return await clientFiles(this.#world, spec.folder, { name: key, step: `[context ${key}] load .dockerignore` });
      }
      case "git":
        return { kind: "source", vertex: gitVertex(spec.url), subdir: "" };
      case "http":
        return {
          kind: "source",
          vertex: httpContextVertex(spec.url, `[context ${key}] ${redact(spec.url)}`),
          subdir: "",
        };
      case "definition":
        return await this.#world.given(spec, key);
      case "stream":
        throw new BuildError("USAGE", `the context "${key}" cannot be standard input`);
    }
  }

  /** By `name::platform` first, then by `name`, in the forms in which clients give them. */
  #find(name: string, platform: Platform): readonly [string, ContextSpec] | undefined {
    const contexts = this.#world.request.namedContexts;
    const names = [name, ...normalForms(name)];
    const platforms = [formatFullPlatform(platform), formatPlatform(platform)];
    const keys = [...platforms.flatMap((each) => names.map((one) => `${one}::${each}`)), ...names];
    for (const key of keys) {
      const spec = contexts.get(key);
      if (spec) return [key, spec];
    }
    return undefined;
  }
}

function bareName(key: string): string {
  return key.replace(/::[^:]*$/, "");
}

function normalForms(name: string): string[] {
  try {
    const full = formatReference(parseReference(name));
    const short = full.replace(/^docker\.io\/(?:library\/)?/, "");
    return [full, short, short.replace(/:latest$/, ""), full.replace(/:latest$/, "")];
  } catch {
    return []; // a stage or context name that is no image name
  }
}

/** A name as people see it in progress: full where it can be. */
export function fullName(name: string): string {
  try {
    return formatReference(parseReference(name));
  } catch {
    return name;
  }
}
