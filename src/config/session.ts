// The session of a build that this process asked for itself: its files, its environment, its agents.

import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { BuildError, isErrno } from "../../builder/core/errors.ts";
import type { Session } from "../../builder/core/session.ts";
import type { Environment } from "./environment.ts";
import type { LocalRegistries } from "./registries.ts";

/** BuildKit's bound (session/secrets/secretsprovider). */
const LARGEST_SECRET_BYTES = 500 * 1024;
/** Likewise (session/sshforward/sshprovider). */
const LARGEST_KEY_BYTES = 100 * 1024;

/** A secret that the build may ask for; neither `path` nor `variable`: to be guessed from the id. */
export interface OfferedSecret {
  readonly id: string;
  readonly path?: string;
  readonly variable?: string;
}

/** An SSH agent that the build may ask for: the one at a socket, or one of ours for key files; no paths: that at SSH_AUTH_SOCK. */
export interface OfferedAgent {
  readonly id: string;
  readonly paths: readonly string[];
}

export interface SessionOptions {
  readonly secrets: readonly OfferedSecret[];
  readonly ssh: readonly OfferedAgent[];
  readonly environment: Environment;
  readonly credentials: LocalRegistries["credentials"];
}

/** Throws what `localSession` does of secrets and agents that cannot be had; nothing is begun. */
export async function checkOffered({ secrets, ssh, environment }: Omit<SessionOptions, "credentials">): Promise<void> {
  for (const spec of secrets) await locateSecret(spec, environment);
  for (const spec of ssh) await locateAgent(spec, environment);
}

/** Checks what was named at once (a missing file should not surface after an hour), reads it when it is asked for. */
export async function localSession({ secrets, ssh, environment, credentials }: SessionOptions): Promise<Session> {
  const sources = new Map<string, SecretSource>();
  for (const spec of secrets) sources.set(spec.id, await locateSecret(spec, environment));
  const agents = new Map<string, LocatedAgent>();
  for (const spec of ssh) agents.set(spec.id, await locateAgent(spec, environment));
  return {
    secretIds: [...sources.keys()],
    secret: async (id) => {
      const source = sources.get(id);
      if (source === undefined) return undefined;
      if (source.kind === "value") return source.bytes;
      const bytes = await readFile(source.path);
      checkSize(id, bytes.length);
      return bytes;
    },
    sshAgent: async (id) => await agents.get(id)?.socket(),
    privateKeys: async () =>
      await Promise.all(
        [...agents].flatMap(([id, { keyFiles }]) =>
          keyFiles.map(async (path) => ({ id, bytes: await readFile(path) })),
        ),
      ),
    credentials,
    dockerDaemon: async () => {
      const { dockerHost } = await import("./daemon/docker-host.ts");
      return await dockerHost(environment);
    },
  };
}

type SecretSource =
  | { readonly kind: "file"; readonly path: string }
  /** Undefined bytes: a variable that is not set, which is a secret that is not there. */
  | { readonly kind: "value"; readonly bytes: Uint8Array | undefined };

/** Without type, an environment variable named like the id comes before a file of that name (docker's guess). */
async function locateSecret(spec: OfferedSecret, environment: Environment): Promise<SecretSource> {
  const guessed = spec.path === undefined && spec.variable === undefined;
  const variable = spec.variable ?? (guessed && environment[spec.id] !== undefined ? spec.id : undefined);
  if (variable !== undefined) {
    const value = environment[variable];
    const bytes = value === undefined ? undefined : Buffer.from(value, "utf8");
    if (bytes !== undefined) checkSize(spec.id, bytes.length);
    return { kind: "value", bytes };
  }
  const path = resolve(spec.path ?? spec.id);
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new BuildError("INPUT_MISSING", `secret "${spec.id}": "${path}" is a directory`);
    checkSize(spec.id, found.size);
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENOTDIR", "EACCES")) throw error;
    const why = isErrno(error, "EACCES") ? "may not be read" : "is not there";
    throw new BuildError("INPUT_MISSING", `secret "${spec.id}": the file "${path}" ${why}`, {
      cause: error,
      hint: guessed ? `nor is there an environment variable "${spec.id}"` : undefined,
    });
  }
  return { kind: "file", path };
}

function checkSize(id: string, bytes: number): void {
  if (bytes > LARGEST_SECRET_BYTES) {
    throw new BuildError("USAGE", `secret "${id}" is too big: ${bytes} bytes, at most 500 KiB are allowed`);
  }
}

interface LocatedAgent {
  /** Of the agent, when it is asked for. */
  readonly socket: () => Promise<string>;
  readonly keyFiles: readonly string[];
}

/** An agent, or keys: their files are read and understood at once. */
async function locateAgent({ id, paths }: OfferedAgent, environment: Environment): Promise<LocatedAgent> {
  const [first] = paths;
  const path = first ?? environment["SSH_AUTH_SOCK"];
  if (path === undefined || path === "") {
    throw new BuildError(
      "INPUT_MISSING",
      `--ssh ${id}: invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set`,
    );
  }
  const kinds = await Promise.all([path, ...paths.slice(1)].map((one) => kindOf(one, id)));
  if (kinds.every((kind) => kind === "file")) return { socket: await keyAgent(id, paths), keyFiles: paths };
  if (kinds.length > 1)
    throw new BuildError("USAGE", `--ssh ${id}: a socket stands alone, it cannot be joined with keys`);
  const socket = resolve(path);
  return { socket: () => Promise.resolve(socket), keyFiles: [] };
}

async function kindOf(path: string, id: string): Promise<"socket" | "file"> {
  const found = await stat(path).catch((error: unknown) => {
    throw new BuildError("INPUT_MISSING", `--ssh ${id}: there is no "${path}"`, { cause: error });
  });
  if (found.isSocket()) return "socket";
  if (!found.isFile())
    throw new BuildError("INPUT_MISSING", `--ssh ${id}: "${path}" is neither a socket nor a key file`);
  if (found.size > LARGEST_KEY_BYTES)
    throw new BuildError("USAGE", `--ssh ${id}: "${path}" is too big for a key: ${found.size} bytes`);
  return "file";
}

/** One agent for all keys, started when it is first asked for. */
async function keyAgent(id: string, paths: readonly string[]): Promise<() => Promise<string>> {
  const { readPrivateKey } = await import("./ssh/private-key.ts");
  const keys = await Promise.all(
    paths.map((path) =>
      readPrivateKey(path).catch((error: unknown) => {
        if (!(error instanceof BuildError)) throw error;
        throw new BuildError(error.code, `--ssh ${id}: ${error.message}`, { hint: error.hint });
      }),
    ),
  );
  let socket: Promise<string> | undefined;
  return () => (socket ??= import("./ssh/agent.ts").then(({ startAgent }) => startAgent(keys)));
}
