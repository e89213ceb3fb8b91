// Contexts and Dockerfiles as clients name them, as those of a request. A client reaches its own folders and what is on
// the network; nothing that it says names a file of this machine.

import { posix } from "node:path";
import type { Digest } from "../../../builder/core/digest.ts";
import { parseDigest } from "../../../builder/core/digest.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import { parseReference } from "../../../builder/core/image/reference.ts";
import type { ClientFolder } from "../../../builder/core/session.ts";
import type { SourcePolicy } from "../../../builder/source-policy.ts";
import type { ContextSpec, DockerfileSpec } from "../../../builder/request.ts";
import type { ClientSession } from "../session/client-session.ts";
import { clientStore } from "../session/client-store.ts";
import type { ClientFolders } from "../../../builder/client-folders.ts";
import type { AskedDefinition } from "./definition.ts";
import { readDefinition } from "./definition.ts";
import { sessionFolder } from "./session-folder.ts";
import { uploaded } from "../session/remote-session.ts";

const UPLOAD_URL = "http://buildkit-session/";

/** What contexts are opened with. */
export interface ContextsWorld {
  readonly session: ClientSession | undefined;
  /** Other sessions, where a folder lies in one of them. */
  readonly otherSession: (id: string) => Promise<ClientSession>;
  readonly places: ClientFolders;
  readonly held: DisposableStack;
  readonly signal: AbortSignal;
  /** Which sources the build may have. */
  readonly policies: readonly SourcePolicy[];
}

/** What contexts may be beside what the session has: an image that was made in the store, or a graph. */
export type FrontendInput = (
  { readonly kind: "image"; readonly digest: Digest } | { readonly kind: "graph"; readonly definition: AskedDefinition }
) & {
  /** A file in it; undefined when there is none of that path. Throws what building it throws. */
  readonly file: (path: string) => Promise<Uint8Array | undefined>;
};

type InputsWorld = ContextsWorld & { readonly inputs?: ReadonlyMap<string, FrontendInput> | undefined };

export interface Contexts {
  readonly context: ContextSpec;
  readonly dockerfile: DockerfileSpec;
  readonly namedContexts: ReadonlyMap<string, ContextSpec>;
}

/** The contexts that frontend attributes name (BuildKit, frontend/dockerui/config.go). Throws `USAGE`, `UNSUPPORTED`. */
export async function readContexts(attrs: ReadonlyMap<string, string>, world: InputsWorld): Promise<Contexts> {
  const asked = attrs.get("context") ?? "";
  const path = insideFolder(attrs.get("filename") ?? "");
  const context = await mainContext(asked, attrs, world);
  const dockerfileKey = attrs.get("dockerfilekey");
  const input = dockerfileKey === undefined && !isRemote(context) ? world.inputs?.get("dockerfile") : undefined;
  let dockerfile: DockerfileSpec;
  if (input !== undefined) {
    dockerfile = { kind: "stream", open: () => dockerfileIn(input, path || "Dockerfile") };
  } else if (!isRemote(context) || dockerfileKey !== undefined) {
    const name = dockerfileKey ?? "dockerfile";
    const folder = await folderOf(name, attrs, world);
    const id = `${attrs.get(`local-sessionid:${name}`) ?? world.session?.id ?? ""} ${name}`;
    dockerfile = { kind: "client", folder, id, ...(path === "" ? {} : { path }) };
  } else {
    dockerfile = path === "" || path === "Dockerfile" ? { kind: "default" } : { kind: "path", path };
  }
  const namedContexts = new Map<string, ContextSpec>();
  for (const [key, value] of attrs)
    if (key.startsWith("context:")) {
      const name = key.slice("context:".length);
      namedContexts.set(name, await namedContext(name, value, attrs, world));
    }
  return { context, dockerfile, namedContexts };
}

/** What has its Dockerfile in itself. */
function isRemote({ kind }: ContextSpec): boolean {
  return kind === "git" || kind === "http" || kind === "stream";
}

async function* dockerfileIn({ file }: FrontendInput, path: string): AsyncGenerator<Uint8Array, void, void> {
  const lower = posix.basename(path) === "Dockerfile" ? [posix.join(posix.dirname(path), "dockerfile")] : [];
  for (const name of [path, ...lower]) {
    const bytes = await file(name);
    if (bytes === undefined) continue;
    yield bytes;
    return;
  }
  throw new BuildError("INPUT_MISSING", `failed to read dockerfile: open ${path}: no such file or directory`);
}

function contextOf(input: FrontendInput, world: ContextsWorld): ContextSpec {
  return input.kind === "image"
    ? { kind: "location", location: { transport: "store", image: input.digest } }
    : { kind: "definition", definition: readDefinition(input.definition, world) };
}

async function mainContext(
  asked: string,
  attrs: ReadonlyMap<string, string>,
  { inputs, ...world }: InputsWorld,
): Promise<ContextSpec> {
  const input = remoteContext(asked) === undefined ? inputs?.get("context") : undefined;
  if (input !== undefined) return contextOf(input, world);
  if (asked.startsWith(UPLOAD_URL)) {
    const session = needed(world.session, "a context that is piped in");
    return { kind: "stream", open: () => uploaded(session, asked.slice(UPLOAD_URL.length - 1), world.signal) };
  }
  if (asked === "" || asked.startsWith("local:")) {
    const name = asked === "" ? (attrs.get("contextkey") ?? "context") : asked.slice("local:".length);
    return { kind: "client", folder: await folderOf(name, attrs, world) };
  }
  const remote = remoteContext(asked);
  if (remote === undefined) throw new BuildError("USAGE", `"${asked}" is no build context`);
  return remote;
}

async function namedContext(
  name: string,
  value: string,
  attrs: ReadonlyMap<string, string>,
  { inputs, ...world }: InputsWorld,
): Promise<ContextSpec> {
  const [, scheme = "", rest = ""] = /^([\w-]+):(?:\/\/)?(.*)$/s.exec(value) ?? [];
  switch (scheme) {
    case "local":
      return { kind: "client", folder: await folderOf(rest, attrs, world) };
    case "docker-image":
      if (rest !== "scratch") parseReference(rest);
      return { kind: "image", reference: rest };
    case "oci-layout": {
      const [, store, digest] = /^([^@:]+)(?::[^@]*)?@(.+)$/.exec(rest) ?? [];
      if (store === undefined || digest === undefined)
        throw new BuildError("USAGE", `the named context "${name}": "${value}" names no image by its digest`);
      const session = needed(world.session, "an image of the client's");
      return {
        kind: "client-image",
        digest: parseDigest(digest),
        store: clientStore(session, `oci:${store}`, world.signal),
      };
    }
    case "input": {
      const input = inputs?.get(rest);
      if (input === undefined)
        throw new BuildError("USAGE", `the named context "${name}": there is no input "${rest}"`);
      return contextOf(input, world);
    }
  }
  const remote = remoteContext(value);
  if (remote === undefined)
    throw new BuildError("USAGE", `the named context "${name}": "${value}" is no build context`);
  return remote;
}

/** A folder of the client's; one that lies in another session says so. */
async function folderOf(name: string, attrs: ReadonlyMap<string, string>, world: ContextsWorld): Promise<ClientFolder> {
  const { session, otherSession } = world;
  const other = attrs.get(`local-sessionid:${name}`);
  const owner = other === undefined ? needed(session, "a folder of the client's") : await otherSession(other);
  const sharedKeyHint = attrs.get(`sharedkey:localdir:${name}`) ?? "";
  return sessionFolder({ session: owner, name, sharedKeyHint }, world);
}

function needed(session: ClientSession | undefined, what: string): ClientSession {
  if (session === undefined) throw new BuildError("USAGE", `${what} needs a session, and the request names none`);
  return session;
}

/** What is a URL of a git repository or of a file (BuildKit, dfgitutil). */
function remoteContext(text: string): ContextSpec | undefined {
  if (/^(git|ssh):\/\//.test(text) || /^[\w.-]+@[\w.-]+:/.test(text)) return { kind: "git", url: text };
  if (text.startsWith("github.com/")) return { kind: "git", url: text };
  if (!/^https?:\/\//.test(text)) return undefined;
  return /\.git(#.*|\?.*)?$/.test(text) ? { kind: "git", url: text } : { kind: "http", url: text };
}

/** Relative and without "..": what a client names lies in the folder that it names. */
function insideFolder(path: string): string {
  return path === "" ? "" : posix.join("/", path).slice(1);
}
