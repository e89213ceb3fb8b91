// The frame of an OCI image layout on disk (image-spec, image-layout.md): `oci-layout`,
// `index.json`, `blobs/sha256`. Made where nothing is, checked where something is.

import { readFileSync, statSync } from "node:fs";
import { access, link, open, readdir, rename, rm, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BuildError, isErrno, isSystemError } from "../core/errors.ts";
import type { ErrorCode } from "../core/errors.ts";
import { MEDIA } from "../core/image/descriptor.ts";
import { readSmallFile } from "../core/system/small-file.ts";
import { temporaryPath } from "./temporary.ts";
import { makeDirectories } from "./directories.ts";

const LAYOUT_VERSION = "1.0.0";

/** The bytes of a fresh `oci-layout`. */
export const LAYOUT_TEXT = `{"imageLayoutVersion":"${LAYOUT_VERSION}"}`;

/**
 * Makes `root` an image layout unless it is one. `own` is a folder beside the layout's files for temporary ones.
 * Throws `code` when it is something else, of another version, or cannot be written.
 */
export async function prepareLayout(root: string, own: string, code: ErrorCode): Promise<void> {
  await explained(root, code, async () => {
    const version = await layoutVersion(root, code);
    if (version === undefined) await refuseForeign(root, own, code);
    await makeDirectories(join(root, "blobs/sha256"));
    await makeDirectories(own);
    if (version === undefined) {
      const empty = { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [] };
      await appear(join(root, "index.json"), JSON.stringify(empty), own, "keep");
      await appear(join(root, "oci-layout"), LAYOUT_TEXT, own, "keep");
      // Another process may have been the one who wrote it.
      await layoutVersion(root, code);
    }
  });
}

/** The version in `oci-layout`, undefined when there is no such file. Throws `code` when it is not ours to read. */
export async function layoutVersion(root: string, code: ErrorCode): Promise<string | undefined> {
  let text: string;
  try {
    text = (await readSmallFile(join(root, "oci-layout"))).toString("utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    if (isErrno(error, "ENOTDIR")) throw new BuildError(code, `"${root}" is not a directory`, { cause: error });
    throw error;
  }
  const version = versionIn(text);
  if (version === undefined) throw new BuildError(code, `"${join(root, "oci-layout")}" names no layout version`);
  if (!version.startsWith("1.")) {
    throw new BuildError(
      code,
      `"${root}" is an image layout of version "${version}"; this tsbuild reads ${LAYOUT_VERSION}`,
    );
  }
  return version;
}

/**
 * Gives a damaged `oci-layout` its content again, which is always the same, where the folder `own` says whose layout it is:
 * in its place, since somebody may hold a lock on it. Whether it was damaged, and could be written.
 */
export async function mendLayout(root: string, own: string): Promise<boolean> {
  const path = join(root, "oci-layout");
  const text = await readSmallFile(path).catch(() => undefined);
  if (text === undefined || versionIn(text.toString("utf8")) !== undefined) return false;
  try {
    await access(own);
    await writeFile(path, LAYOUT_TEXT, { flag: "r+" });
    await truncate(path, LAYOUT_TEXT.length);
    return true;
  } catch (error) {
    if (isSystemError(error)) return false;
    throw error;
  }
}

/** Whether a list of images is there, and a list; what its entries say is looked at where they are used. */
export function isIndexWhole(root: string): boolean {
  const index = readJson(join(root, "index.json"));
  return typeof index === "object" && index !== null && "manifests" in index && Array.isArray(index.manifests);
}

/** What a file of JSON holds; undefined where it is not there, is none, or is longer than a document can be. */
export function readJson(path: string): unknown {
  try {
    return statSync(path).size > LARGEST_DOCUMENT ? undefined : JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, "ENOENT", "EISDIR")) return undefined;
    throw error;
  }
}

const LARGEST_DOCUMENT = 32 << 20;

/** A file that is there whole or not at all. "keep" leaves a file that is already there. */
export async function appear(
  path: string,
  content: string | Uint8Array,
  temporaryDirectory: string,
  existing: "keep" | "replace",
): Promise<void> {
  if (existing === "keep") {
    const there = await readSmallFile(path).catch(() => undefined);
    if (there !== undefined) return;
  }
  const temporary = temporaryPath(temporaryDirectory, "file");
  try {
    const file = await open(temporary, "wx", 0o644);
    try {
      await file.writeFile(content);
      await file.datasync();
    } finally {
      await file.close();
    }
    if (existing === "keep") await moveUnlessThere(temporary, path);
    else await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Of several at the same time one comes first, and what it put there stays: it may be locked by now. */
async function moveUnlessThere(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    // Not every file system has links.
    if (isErrno(error, "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK")) return await rename(from, to);
    if (!isErrno(error, "EEXIST")) throw error;
  }
  await rm(from);
}

/** What `body` throws of the operating system, as `code` with the reason a person can act on. */
export async function explained<T>(root: string, code: ErrorCode, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throw explain(root, code, error);
  }
}

/** The same for an error at hand. */
export function explain(root: string, code: ErrorCode, error: unknown): unknown {
  if (!isSystemError(error)) return error;
  const what = code === "STORE" ? "the store" : "the layout";
  const reasons: Record<string, readonly [string, string | undefined]> = {
    ENOSPC: [
      "the disk is full",
      code === "STORE" ? "free some space, or point --root at another file system" : "free some space",
    ],
    EDQUOT: ["the disk quota is used up", undefined],
    EROFS: ["the file system is read-only", code === "STORE" ? "point --root at a writable one" : undefined],
    EACCES: [
      `no permission for "${error.path ?? root}"`,
      code === "STORE" ? "point --root at a folder of yours" : undefined,
    ],
    EPERM: [`no permission for "${error.path ?? root}"`, undefined],
    ENOTDIR: [`"${error.path ?? root}" is not a directory`, undefined],
    EEXIST: [`"${error.path ?? root}" is not a directory`, undefined],
    ENOENT: [`"${error.path ?? root}" is missing`, undefined],
    EMFILE: ["too many files are open", "raise the limit: ulimit -n 65536"],
  };
  const [reason, hint] = reasons[error.code] ?? [error.message, undefined];
  return new BuildError(code, `cannot use ${what} in "${root}": ${reason}`, { cause: error, hint });
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems (FUSE, 9p) do not sync directories.
    if (!isErrno(error, "EINVAL", "ENOTSUP", "EPERM")) throw error;
  } finally {
    await handle.close();
  }
}

function versionIn(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (
      typeof value === "object" &&
      value !== null &&
      "imageLayoutVersion" in value &&
      typeof value.imageLayoutVersion === "string"
    ) {
      return value.imageLayoutVersion;
    }
  } catch {
    // Said by the caller.
  }
  return undefined;
}

// A layout is not strewn into a folder that holds something else: one typo in --root would.
// A crash in the middle of the first preparation leaves only names of ours.
async function refuseForeign(root: string, own: string, code: ErrorCode): Promise<void> {
  const names: readonly string[] = await readdir(root).catch((error: unknown) => {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  });
  // Another process has made the layout since its version was looked for.
  if (names.includes("oci-layout")) return;
  const ours = new Set([
    "blobs",
    "index.json",
    own
      .slice(root.length)
      .split("/")
      .find((part) => part !== ""),
  ]);
  const foreign = names.find((name) => !ours.has(name) && !name.startsWith(".") && name !== "lost+found");
  if (foreign !== undefined) {
    throw new BuildError(code, `"${root}" is not an image layout and not empty: it holds "${foreign}"`, {
      hint: "name an empty or a new folder",
    });
  }
}
