// --lock and --locked: what a build takes from elsewhere is written down, or is taken only
// as it was written down. What a Dockerfile names by a digest itself needs no lock.

import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { Withheld } from "../../attest/withheld.ts";
import type { ImagePin, ResolvedBase } from "../images/base-images.ts";
import type { Digest } from "../../core/digest.ts";
import { BuildError, isErrno, withLocation } from "../../core/errors.ts";
import type { Platform } from "../../core/image/platform.ts";
import { formatPlatform } from "../../core/image/platform.ts";
import type { Reference } from "../../core/image/reference.ts";
import { formatReference, parseReference } from "../../core/image/reference.ts";
import { writeOutput } from "../../exporter/file-sink.ts";
import type { Vertex } from "../../graph/vertex.ts";
import { topological } from "../../graph/vertex.ts";
import type { InputLoader } from "./inputs.ts";
import type { Lock, LockedCommit, LockedImage } from "./lock-file.ts";
import { EMPTY_LOCK, formatLock, parseLock, updateLock } from "./lock-file.ts";
import type { BuildRequest } from "../../request.ts";
import { withheldOf } from "../secrets/secret-values.ts";
import { redact } from "../../source/redact.ts";
import type { GitSource, HttpSource } from "../../source/remote.ts";
import type { SourcePins } from "./source-trees.ts";

/** The lock of one build. */
export class BuildLock implements SourcePins {
  readonly path: string;
  readonly #lock: Lock;
  readonly #withheld: Withheld;

  private constructor(path: string, lock: Lock, withheld: Withheld) {
    this.path = path;
    this.#lock = lock;
    this.#withheld = withheld;
  }

  /** Opens the lock that a request asks for; `dockerfilePath` is where its Dockerfile lies on disk. Throws `USAGE`, `INPUT_MISSING`, `CONFIG`. */
  static async open(request: BuildRequest, dockerfilePath: string | undefined): Promise<BuildLock | undefined> {
    const { lock } = request;
    if (lock === undefined) return undefined;
    const path = lock.path ?? (dockerfilePath === undefined ? undefined : `${dockerfilePath}.lock`);
    if (path === undefined) {
      throw new BuildError("USAGE", "the Dockerfile does not lie in a folder, so neither does its lock file", {
        hint: "say where it is: --lock-file FILE",
      });
    }
    const text = await textOf(path);
    if (text === undefined && lock.mode === "enforce") {
      throw new BuildError("INPUT_MISSING", `there is no lock file "${path}"`, { hint: "write one with --lock" });
    }
    return new BuildLock(path, text === undefined ? EMPTY_LOCK : parseLock(text, path), await withheldOf(request));
  }

  /** What a name must stand for. Throws `DOCKERFILE` when the lock does not say. */
  image(reference: Reference, platform: Platform): ImagePin {
    const name = formatReference(reference);
    const locked = this.#lock.images[name];
    const manifest = locked?.platforms[formatPlatform(platform)];
    if (locked === undefined || manifest === undefined)
      throw this.#missing(`the image ${name} for ${formatPlatform(platform)}`);
    return { digest: locked.digest, manifest };
  }

  http(source: HttpSource): HttpSource {
    if (source.checksum !== undefined) return source;
    const key = this.#key(source.url);
    const checksum = this.#lock.urls[key];
    if (checksum === undefined) throw this.#missing(`the URL ${key}`);
    return { ...source, checksum };
  }

  git(source: GitSource): GitSource {
    if (isPinned(source)) return source;
    const key = this.#gitKey(source);
    const locked = this.#lock.git[key];
    if (locked === undefined) throw this.#missing(`the git ref ${key}`);
    const { commit, ref, object } = locked;
    return { ...source, resolved: { ref, object: object ?? commit, commit } };
  }

  /** Looks every URL and git ref of a graph up before anything runs. Throws `DOCKERFILE` with the place of the first that is missing. */
  check(targets: readonly Vertex[]): void {
    for (const { op, options } of topological(targets)) {
      if (op.kind !== "source") continue;
      try {
        if (op.source.type === "http") this.http(op.source);
        if (op.source.type === "git") this.git(op.source);
      } catch (error) {
        throw options.location === undefined ? error : withLocation(error, options.location);
      }
    }
  }

  /** Writes what a build found into the file; one that would not change stays as it is. */
  async write(resolved: InputLoader["resolved"], signal: AbortSignal): Promise<void> {
    const found: Lock = {
      images: lockedImages(resolved.images),
      urls: Object.fromEntries(
        resolved.http.flatMap(({ source, digest }): [string, Digest][] =>
          source.checksum === undefined ? [[this.#key(source.url), digest]] : [],
        ),
      ),
      git: Object.fromEntries(
        resolved.git.flatMap(({ source, resolved: commit }): [string, LockedCommit][] =>
          isPinned(source) ? [] : [[this.#gitKey(source), lockedCommit(commit)]],
        ),
      ),
    };
    const text = formatLock(updateLock(this.#lock, found));
    if (text === (await textOf(this.path))) return;
    await writeOutput({ kind: "file", path: this.path }, bytesOf(text), signal);
  }

  /** A URL as it stands in a file that everybody reads. */
  #key(url: string): string {
    return this.#withheld.scrub(redact(url));
  }

  #gitKey({ url, ref = "" }: GitSource): string {
    return this.#key(url) + (ref === "" ? "" : `#${ref}`);
  }

  #missing(what: string): BuildError {
    return new BuildError("DOCKERFILE", `${what} is not in the lock file "${basename(this.path)}"`, {
      hint: "--lock writes what is missing into it",
    });
  }
}

/** By name; those from layouts and archives are the client's own files. */
function lockedImages(bases: readonly ResolvedBase[]): Readonly<Record<string, LockedImage>> {
  const found: Record<string, { digest: Digest; platforms: Record<string, Digest> }> = {};
  for (const { name, platform, top, id, isLocal } of bases) {
    if (isLocal || parseReference(name).digest !== undefined) continue;
    const image = (found[name] ??= { digest: top, platforms: {} });
    image.platforms[formatPlatform(platform)] = id;
  }
  return found;
}

function lockedCommit({ ref, object, commit }: InputLoader["resolved"]["git"][number]["resolved"]): LockedCommit {
  const isTag = commit !== undefined && commit !== object;
  return { commit: commit ?? object, ...(ref === undefined ? {} : { ref }), ...(isTag ? { object } : {}) };
}

/** A commit is named, not a branch or a tag that moves. */
function isPinned({ ref, checksum }: GitSource): boolean {
  const isCommit = (text = ""): boolean => /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
  return isCommit(ref) || isCommit(checksum);
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw new BuildError("INPUT_MISSING", `cannot read the lock file "${path}"`, { cause: error });
  }
}

async function* bytesOf(text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text);
}
