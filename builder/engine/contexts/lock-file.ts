// The lock file: what every base image, URL and git ref of a Dockerfile was, as JSON in a
// fixed order, to be kept beside the Dockerfile.
//
//   { "lockVersion": 1,
//     "images": { "docker.io/library/busybox:latest": { "digest": "sha256:…", "platforms": { "linux/amd64": "sha256:…" } } },
//     "urls":   { "https://…": "sha256:…" },
//     "git":    { "https://…/repo.git#main": { "commit": "…", "ref": "refs/heads/main" } } }

import * as v from "valibot";
import type { Digest } from "../../core/digest.ts";
import { isDigest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";

/** What a name stood for: the index or manifest, and the manifest of each platform that was built. */
export interface LockedImage {
  readonly digest: Digest;
  readonly platforms: Readonly<Record<string, Digest>>;
}

/** What a ref stood for. `object` is there when it is an annotated tag; `ref` is the full name. */
export interface LockedCommit {
  readonly commit: string;
  readonly ref?: string;
  readonly object?: string;
}

/** The content of a lock file. */
export interface Lock {
  readonly images: Readonly<Record<string, LockedImage>>;
  readonly urls: Readonly<Record<string, Digest>>;
  readonly git: Readonly<Record<string, LockedCommit>>;
}

export const EMPTY_LOCK: Lock = { images: {}, urls: {}, git: {} };

const DigestSchema = v.custom<Digest>(
  (input) => typeof input === "string" && isDigest(input),
  (issue) => `${issue.received} is not a sha256 digest`,
);
const ObjectName = v.pipe(v.string(), v.regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/, "it is not the name of a commit"));

const LockSchema = v.strictObject({
  lockVersion: v.literal(1),
  images: v.record(v.string(), v.strictObject({ digest: DigestSchema, platforms: v.record(v.string(), DigestSchema) })),
  urls: v.record(v.string(), DigestSchema),
  git: v.record(
    v.string(),
    v.strictObject({ commit: ObjectName, ref: v.exactOptional(v.string()), object: v.exactOptional(ObjectName) }),
  ),
});

/** Reads the text of a lock file. Throws `CONFIG`, naming the field that is wrong. */
export function parseLock(text: string, path: string): Lock {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new BuildError("CONFIG", `the lock file "${path}" is not JSON`, {
      cause: error,
      hint: error instanceof Error ? error.message : undefined,
    });
  }
  const result = v.safeParse(LockSchema, json);
  if (result.success) return { images: result.output.images, urls: result.output.urls, git: result.output.git };
  const [issue] = result.issues;
  throw new BuildError(
    "CONFIG",
    `the lock file "${path}" is not valid: "${v.getDotPath(issue) ?? "it"}": ${issue.message}`,
    {
      hint: "write it anew with --lock",
    },
  );
}

/** The text of a lock file: the same for the same content. */
export function formatLock({ images, urls, git }: Lock): string {
  const content = {
    lockVersion: 1,
    images: sorted(images, ({ digest, platforms }) => ({ digest, platforms: sorted(platforms, (each) => each) })),
    urls: sorted(urls, (each) => each),
    git: sorted(git, ({ commit, ref, object }) => ({
      commit,
      ...(ref === undefined ? {} : { ref }),
      ...(object === undefined ? {} : { object }),
    })),
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** A lock with what a build found. What the build did not use stays, so that targets and platforms can be locked one by one; of an image that changed only what was found counts. */
export function updateLock(old: Lock, found: Lock): Lock {
  const images = Object.entries(found.images).map(([name, image]): [string, LockedImage] => {
    const known = old.images[name];
    const platforms = known?.digest === image.digest ? { ...known.platforms, ...image.platforms } : image.platforms;
    return [name, { digest: image.digest, platforms }];
  });
  return {
    images: { ...old.images, ...Object.fromEntries(images) },
    urls: { ...old.urls, ...found.urls },
    git: { ...old.git, ...found.git },
  };
}

function sorted<T, U>(map: Readonly<Record<string, T>>, each: (value: T) => U): Record<string, U> {
  const entries = Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, value]) => [key, each(value)]));
}
