// Sources from the network in the form in which policies see them, and back (BuildKit, source/http, source/git).

import { BuildError } from "../core/errors.ts";
import type { GitSource, HttpSource } from "./remote.ts";
import type { NamedSource } from "./source-policy.ts";

export type Police = (source: NamedSource) => NamedSource;

/** What a policy makes of a file by URL. Throws `INPUT_MISSING`, `USAGE`, `UNSUPPORTED`. */
export function policedHttp(source: HttpSource, police: Police): HttpSource {
  const { url, checksum, fileName, mode, uid, gid } = source;
  const attrs = attributes({
    "http.checksum": checksum,
    "http.filename": fileName,
    "http.perm": mode === undefined ? undefined : `0${mode.toString(8)}`,
    "http.uid": uid?.toString(),
    "http.gid": gid?.toString(),
  });
  const next = police({ identifier: url, attrs });
  const changed = changedIn(attrs, next, ["http.checksum"]);
  if (!/^https?:\/\//.test(next.identifier)) throw otherKind(url, next);
  return {
    ...source,
    url: next.identifier,
    ...(changed.size === 0 ? {} : { checksum: changed.get("http.checksum") ?? "" }),
  };
}

/** What a policy makes of a repository. Throws `INPUT_MISSING`, `USAGE`, `UNSUPPORTED`. */
export function policedGit(source: GitSource, police: Police): GitSource {
  const { url, ref = "", subdir = "", checksum, keepGitDir, submodules, mtime, fetchByCommit } = source;
  const attrs = attributes({
    "git.fullurl": url,
    "git.checksum": checksum,
    "git.keepgitdir": keepGitDir ? "true" : undefined,
    "git.skipsubmodules": submodules === false ? "true" : undefined,
    "git.mtime": mtime,
    "git.fetchbycommit": fetchByCommit === true ? "true" : undefined,
  });
  const fragment = ref === "" && subdir === "" ? "" : `#${ref}${subdir === "" ? "" : `:${subdir}`}`;
  const identifier = `git://${hostAndPath(url)}${fragment}`;
  const next = police({ identifier, attrs });
  const changed = changedIn(attrs, next, ["git.fullurl", "git.checksum"]);
  if (next.identifier === identifier && changed.size === 0) return source;
  const [, nextRef = "", nextSubdir = ""] = /^git:\/\/[^#]*(?:#([^:]*)(?::(.*))?)?$/s.exec(next.identifier) ?? [];
  if (!next.identifier.startsWith("git://")) throw otherKind(identifier, next);
  // The full URL is what is fetched: a policy that moves a repository says it, too.
  const { ref: _ref, subdir: _subdir, resolved: _resolved, ...rest } = source;
  const asked = next.attrs.get("git.checksum") ?? "";
  return {
    ...rest,
    url: next.attrs.get("git.fullurl") ?? url,
    ...(nextRef === "" ? {} : { ref: nextRef }),
    ...(nextSubdir === "" ? {} : { subdir: nextSubdir.replace(/^\/+/, "") }),
    ...(asked === "" ? {} : { checksum: asked }),
  };
}

function hostAndPath(url: string): string {
  const plain = url.replace(/^[a-z+]+:\/\//, "");
  const address = plain.replace(/^[^/@]*@/, "");
  // git@host:path
  return plain === url ? address.replace(":", "/") : address;
}

function attributes(all: Readonly<Record<string, string | undefined>>): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(all).flatMap(([key, value]) => (value === undefined || value === "" ? [] : [[key, value]])),
  );
}

/** The attributes that a policy has set. Throws `UNSUPPORTED` for those that nothing follows from. */
export function changedIn(
  before: ReadonlyMap<string, string>,
  { identifier, attrs }: NamedSource,
  known: readonly string[],
): ReadonlyMap<string, string> {
  const changed = new Map([...attrs].filter(([key, value]) => before.get(key) !== value));
  const other = [...changed.keys()].find((key) => !known.includes(key));
  if (other === undefined) return changed;
  throw new BuildError("UNSUPPORTED", `the source policy sets "${other}" of "${identifier}", which is not supported`, {
    hint: `it may set ${known.join(", ")}`,
  });
}

/** Asks policies about a source of which they may change nothing. Throws `INPUT_MISSING`, `USAGE`, `UNSUPPORTED`. */
export function requireAllowed(identifier: string, police: Police): void {
  const next = police({ identifier, attrs: new Map() });
  changedIn(new Map(), next, []);
  if (next.identifier !== identifier) throw otherKind(identifier, next);
}

/** A policy may move a source, and not make another kind of thing of it. */
export function otherKind(identifier: string, next: NamedSource): BuildError {
  return new BuildError(
    "UNSUPPORTED",
    `the source policy makes "${next.identifier}" of "${identifier}": a source stays of its kind`,
  );
}
