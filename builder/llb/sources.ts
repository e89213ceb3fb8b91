// Source ops: where files come from, by the scheme of an identifier and by attributes (BuildKit, solver/pb/attr.go). An
// attribute that means something there and nothing here is refused.

import type { Digest } from "../core/digest.ts";
import { parseDigest } from "../core/digest.ts";
import type { Platform } from "../core/image/platform.ts";
import type { SourceOp } from "../graph/op.ts";
import type { VertexOptions } from "../graph/vertex.ts";
import { vertex } from "../graph/vertex.ts";
import type { LlbSource } from "./definition.ts";
import { invalid, unsupported } from "./order.ts";
import type { Output } from "./outputs.ts";

/** Of sources that are results of other builds. */
export const RESULT_SCHEME = "tsbuild-result";

/** An image as far as a graph needs it. */
export interface SourceImage {
  /** Opaque: the resolver knows what to load for it. */
  readonly id: string;
  readonly name: string;
  readonly layers: number;
}

/** A folder of the client's, as a source names it. */
export interface LocalSource {
  readonly name: string;
  /** The session that has it; "" for that of the build. */
  readonly session: string;
  readonly sharedKeyHint: string;
}

/** An image in a store of the client's. */
export interface LayoutSource {
  readonly name: string;
  readonly digest: Digest;
  readonly store: string;
  readonly session: string;
}

/** What sources need from outside. */
export interface SourceWorld {
  /** `isPulled`: ask the registry even for what is here. Throws when there is no such image. */
  image(reference: string, platform: Platform, isPulled: boolean): Promise<SourceImage>;
  layoutImage(source: LayoutSource, platform: Platform): Promise<SourceImage>;
  /** What another build of the client's made, by the name that it was given. Throws `USAGE` when there is none of it. */
  result(id: string, platform: Platform): Promise<SourceImage>;
  /** Makes a folder known; what is returned names it in the graph. */
  local(source: LocalSource): Promise<string>;
}

/** The output of a source op; undefined for an image without layers. */
export async function sourceOutput(
  { identifier, attrs }: LlbSource,
  platform: Platform,
  options: VertexOptions,
  world: SourceWorld,
): Promise<Output> {
  const [, scheme = "", rest = ""] = /^([\w+-]+):\/\/(.*)$/s.exec(identifier) ?? [];
  const read = new Attributes(attrs);
  const made = (source: SourceOp["source"]): Output => {
    read.refuseOthers(scheme);
    return vertex({ kind: "source", source }, [], options);
  };
  const imageOutput = ({ id, name, layers }: SourceImage): Output =>
    layers === 0 ? undefined : made({ type: "image", id, name });
  switch (scheme) {
    case "docker-image": {
      const mode = read.text("image.resolvemode") ?? "default";
      if (!["default", "pull", "local"].includes(mode)) throw unsupported(`the resolve mode "${mode}" of an image`);
      const checksum = read.text("image.checksum");
      read.ignore("image.recordtype");
      read.refuseOthers(scheme);
      const reference = checksum === undefined ? rest : withDigest(rest, parseDigest(checksum));
      return imageOutput(await world.image(reference, platform, mode === "pull"));
    }
    case "oci-layout": {
      const [, name = "", digest = ""] = /^(.*)@(.+)$/.exec(rest) ?? [];
      const [store, session] = [read.text("oci.store") ?? "", read.text("oci.session") ?? ""];
      if (name === "") throw invalid(`"${identifier}" names no image by its digest`);
      if (store === "") throw invalid(`"${identifier}" does not say in which store of the client's it is`);
      read.refuseOthers(scheme);
      return imageOutput(await world.layoutImage({ name, digest: parseDigest(digest), store, session }, platform));
    }
    case RESULT_SCHEME:
      read.refuseOthers(scheme);
      return imageOutput(await world.result(rest, platform));
    case "local": {
      const excludes = read.list("local.excludepatterns");
      const [includes, follows] = [read.list("local.includepattern"), read.list("local.followpaths")];
      const session = read.text("local.session") ?? "";
      const sharedKeyHint = read.text("local.sharedkeyhint") ?? "";
      read.ignore("local.unique", "local.differ");
      read.refuseOthers(scheme);
      return made({
        type: "local",
        name: await world.local({ name: rest, session, sharedKeyHint }),
        excludes,
        ...(includes.length === 0 ? {} : { includes }),
        ...(follows.length === 0 ? {} : { follows }),
      });
    }
    case "http":
    case "https":
      return made(httpSource(identifier, read));
    case "git":
      return made(gitSource(rest, read));
    default:
      throw unsupported(`the source "${identifier.slice(0, 200)}"`);
  }
}

function withDigest(reference: string, digest: Digest): string {
  if (!reference.includes("@")) return `${reference}@${digest}`;
  if (!reference.endsWith(`@${digest}`)) throw invalid(`"${reference}" is to have the digest ${digest}`);
  return reference;
}

function httpSource(url: string, read: Attributes): SourceOp["source"] {
  if (!URL.canParse(url)) throw invalid(`"${url.slice(0, 200)}" is no URL`);
  const checksum = read.text("http.checksum");
  const [mode, uid, gid] = [
    read.number("http.perm", /^0?[0-7]{1,4}$/, 8),
    read.number("http.uid", /^\d{1,10}$/, 10),
    read.number("http.gid", /^\d{1,10}$/, 10),
  ];
  // Of a path the last part counts, as there.
  const named = read.text("http.filename")?.split("/").at(-1);
  const fileName = named || new URL(url).pathname.split("/").at(-1) || "download";
  if (fileName === "." || fileName === "..") throw invalid(`"${fileName}" is no name of a file`);
  return {
    type: "http",
    url,
    fileName,
    ...(checksum === undefined ? {} : { checksum: parseDigest(checksum) }),
    ...(mode === undefined ? {} : { mode }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  };
}

/** Secrets with logins for git have these names here, as they have in every client unless it is told otherwise. */
const LOGINS = { "git.authheadersecret": "GIT_AUTH_HEADER", "git.authtokensecret": "GIT_AUTH_TOKEN" } as const;

function gitSource(rest: string, read: Attributes): SourceOp["source"] {
  const [address = "", fragment = ""] = splitOnce(rest, "#");
  const [ref = "", subdir = ""] = splitOnce(fragment, ":");
  const url = read.text("git.fullurl") ?? `git://${address}`;
  if (url.startsWith("-") || /[\s\0]/.test(url)) throw invalid("the URL of a git source is none");
  for (const [attribute, name] of Object.entries(LOGINS)) {
    const secret = read.text(attribute);
    if (secret !== undefined && secret !== name && !secret.startsWith(`${name}.`))
      throw unsupported(`a login for git in the secret "${secret}" (it is to be ${name})`);
  }
  const agent = read.text("git.mountsshsock") ?? "default";
  if (agent !== "default") throw unsupported(`an SSH agent "${agent}" for git (it is to be "default")`);
  if (read.text("git.knownsshhosts") !== undefined) throw unsupported("keys of SSH hosts (git.knownsshhosts)");
  const mtime = read.text("git.mtime") ?? "checkout";
  if (mtime !== "checkout" && mtime !== "commit") throw unsupported(`times of git's files by "${mtime}"`);
  const checksum = read.text("git.checksum");
  return {
    type: "git",
    url,
    keepGitDir: read.flag("git.keepgitdir"),
    ...(ref === "" ? {} : { ref }),
    ...(subdir === "" ? {} : { subdir: subdir.replace(/^\/+/, "") }),
    ...(checksum === undefined ? {} : { checksum }),
    ...(read.flag("git.skipsubmodules") ? { submodules: false } : {}),
    ...(mtime === "commit" ? { mtime } : {}),
    ...(read.flag("git.fetchbycommit") ? { fetchByCommit: true } : {}),
  };
}

function splitOnce(text: string, separator: string): readonly string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}

/** The attributes of a source, each read once. */
class Attributes {
  readonly #attrs: ReadonlyMap<string, string>;
  readonly #read = new Set<string>();

  constructor(attrs: ReadonlyMap<string, string>) {
    this.#attrs = attrs;
  }

  /** Undefined where it is not said. */
  text(name: string): string | undefined {
    this.#read.add(name);
    return this.#attrs.get(name) || undefined;
  }

  flag(name: string): boolean {
    return this.text(name) === "true";
  }

  number(name: string, form: RegExp, radix: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (!form.test(text)) throw invalid(`${name} is "${text.slice(0, 100)}"`);
    return Number.parseInt(text, radix);
  }

  /** A list of texts, as JSON. */
  list(name: string): readonly string[] {
    const text = this.text(name);
    if (text === undefined) return [];
    try {
      const list: unknown = JSON.parse(text);
      if (list === null) return [];
      if (Array.isArray(list) && list.every((item) => typeof item === "string")) return list;
    } catch {
      // said below
    }
    throw invalid(`${name} is no list of texts in JSON`);
  }

  /** What is no business of ours: how the sender's own cache or its comparison of files works. */
  ignore(...names: readonly string[]): void {
    for (const name of names) this.#read.add(name);
  }

  /** Throws `UNSUPPORTED` for what was not read. */
  refuseOthers(scheme: string): void {
    const other = [...this.#attrs.keys()].find((name) => !this.#read.has(name));
    if (other !== undefined) throw unsupported(`the attribute "${other.slice(0, 100)}" of ${scheme}`);
  }
}
