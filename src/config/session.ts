// The session of a build that this process asked for itself: its files, its environment, its agents.

import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { BuildError, isErrno } from "../../builder/core/errors.ts";
import type { Session } from "../../builder/core/session.ts";
import { CredentialFiles } from "./credentials.ts";
import type { Environment } from "./environment.ts";

/** BuildKit's bound (session/secrets/secretsprovider). */
const LARGEST_SECRET_BYTES = 500 * 1024;

/** A secret that the build may ask for; neither `path` nor `variable`: to be guessed from the id. */
export interface OfferedSecret {
  readonly id: string;
  readonly path?: string;
  readonly variable?: string;
}

/** An SSH agent that the build may ask for; no paths: the one at SSH_AUTH_SOCK. */
export interface OfferedAgent {
  readonly id: string;
  readonly paths: readonly string[];
}

export interface SessionOptions {
  readonly secrets: readonly OfferedSecret[];
  readonly ssh: readonly OfferedAgent[];
  readonly environment: Environment;
}

/** Checks what was named at once (a missing file should not surface after an hour), reads it when it is asked for. */
export async function localSession({ secrets, ssh, environment }: SessionOptions): Promise<Session> {
  const sources = new Map<string, SecretSource>();
  for (const spec of secrets) sources.set(spec.id, await locateSecret(spec, environment));
  const agents = new Map<string, string>();
  for (const spec of ssh) agents.set(spec.id, await locateAgent(spec, environment));
  const credentials = new CredentialFiles(environment);
  return {
    secret: async (id) => {
      const source = sources.get(id);
      if (source === undefined) return undefined;
      if (source.kind === "value") return source.bytes;
      const bytes = await readFile(source.path);
      checkSize(id, bytes.length);
      return bytes;
    },
    sshAgent: (id) => Promise.resolve(agents.get(id)),
    credentials: (registry) => credentials.find(registry),
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

async function locateAgent({ id, paths }: OfferedAgent, environment: Environment): Promise<string> {
  const [first] = paths;
  const path = first ?? environment["SSH_AUTH_SOCK"];
  if (path === undefined || path === "") {
    throw new BuildError(
      "INPUT_MISSING",
      `--ssh ${id}: invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set`,
    );
  }
  const found = await stat(path).catch((error: unknown) => {
    throw new BuildError("INPUT_MISSING", `--ssh ${id}: there is no "${path}"`, { cause: error });
  });
  if (found.isSocket() && paths.length <= 1) return resolve(path);
  if (found.isSocket())
    throw new BuildError("USAGE", `--ssh ${id}: a socket stands alone, it cannot be joined with keys`);
  throw new BuildError("UNSUPPORTED", `--ssh ${id}: key files are not supported yet`, {
    hint: `run: eval "$(ssh-agent)" && ssh-add ${path}   and then use --ssh ${id}=$SSH_AUTH_SOCK`,
  });
}
