// Sources of ADD that are not in the context: git repositories and URLs.

import type { CopyAction, SourceOp } from "../../../graph/op.ts";
import type { Vertex, VertexOptions } from "../../../graph/vertex.ts";
import { vertex } from "../../../graph/vertex.ts";
import type { Add, Copy } from "../../instruction.ts";
import { fault } from "../fault.ts";
import { parseGitUrl } from "./git-url.ts";
import type { GitUrl } from "./git-url.ts";

/** Whether a source is a git repository or a URL. Throws for git URLs with wrong parameters. */
export function isRemote(source: string): boolean {
  return parseGitUrl(source) !== undefined || /^https?:\/\//.test(source);
}

/** A source to download, and how it is copied. */
export interface RemoteSource {
  readonly vertex: Vertex;
  readonly fields: Pick<CopyAction, "source" | "unpack" | "dirContentsOnly">;
}

/** The source op of a remote source of ADD; an error for COPY. */
export function remoteSource(
  instruction: Copy | Add,
  source: string,
  checksum: string,
  options: VertexOptions,
): RemoteSource {
  const git = parseGitUrl(source);
  if (instruction.kind === "copy")
    throw fault(git === undefined ? "source can't be a URL for COPY" : "source can't be a git ref for COPY");
  if (git !== undefined) return gitSource(instruction, git, checksum, options);
  const fileName = nameInUrl(source);
  const op: SourceOp = {
    kind: "source",
    source: { type: "http", url: source, fileName, ...(checksum === "" ? {} : { checksum: checkedDigest(checksum) }) },
  };
  return {
    vertex: vertex(op, [], options),
    fields: { source: `/${fileName}`, unpack: instruction.unpack ?? false, dirContentsOnly: false },
  };
}

function gitSource(instruction: Add, git: GitUrl, checksum: string, options: VertexOptions): RemoteSource {
  if (
    instruction.keepGitDir !== undefined &&
    git.keepGitDir !== undefined &&
    instruction.keepGitDir !== git.keepGitDir
  ) {
    throw fault("inconsistent keep-git-dir configuration");
  }
  if (checksum !== "" && git.checksum !== undefined && checksum !== git.checksum) {
    throw fault(`checksum mismatch "${checksum}" != "${git.checksum}"`);
  }
  const commit = git.checksum ?? checksum;
  const op: SourceOp = {
    kind: "source",
    source: {
      type: "git",
      url: git.remote,
      keepGitDir: git.keepGitDir ?? instruction.keepGitDir ?? false,
      ...(git.ref === undefined ? {} : { ref: git.ref }),
      ...(git.subdir === undefined ? {} : { subdir: git.subdir }),
      ...(commit === "" ? {} : { checksum: commit }),
      ...(git.submodules === false ? { submodules: false } : {}),
      ...(git.fetchByCommit === true ? { fetchByCommit: true } : {}),
    },
  };
  return { vertex: vertex(op, [], options), fields: { source: "/", unpack: false, dirContentsOnly: true } };
}

/** The last part of a URL's path, or a name nobody would choose. */
function nameInUrl(source: string): string {
  const { pathname } = URL.parse(source) ?? { pathname: "" };
  return decoded(pathname).replace(/\/+$/, "").split("/").at(-1) || "__unnamed__";
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

const DIGEST_LENGTHS: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

function checkedDigest(text: string): string {
  const [, algorithm = "", hex = ""] = /^([a-z0-9]+(?:[+._-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)$/.exec(text) ?? [];
  if (algorithm === "") throw fault("invalid checksum digest format");
  const length = DIGEST_LENGTHS[algorithm];
  if (length === undefined) throw fault("unsupported digest algorithm");
  if (hex.length !== length) throw fault("invalid checksum digest length");
  if (!/^[a-f0-9]+$/.test(hex)) throw fault("invalid checksum digest format");
  return text;
}
