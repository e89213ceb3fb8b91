// skopeo's `dir:`: one image as plain files, for looking at and for carrying. `version`,
// `manifest.json` (of several platforms: the index, and `<hex>.manifest.json` each), and
// every blob under the hex digits of its digest.

import type { FileHandle } from "node:fs/promises";
import { mkdir, open, readdir, readFile, rename, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { Descriptor } from "../core/image/descriptor.ts";
import { Digester, digestOf, hexOf } from "../core/digest.ts";
import { cannotWrite } from "../core/system/cannot-write.ts";
import { BuildError, isErrno } from "../core/errors.ts";
import { parseDocument } from "../image/read.ts";
import { appear } from "../store/layout.ts";
import { takeLock } from "../store/lock.ts";
import { sweepTemporary, temporaryPath } from "../store/temporary.ts";
import { chunksOf, openRegular } from "./file-chunks.ts";
import type { ImageSink, ImageSource, SinkForms } from "./source.ts";
import { verified } from "./write-blob.ts";

const MANIFEST_FILE = "manifest.json";
const VERSION_FILE = "version";
const VERSION = "Directory Transport Version: 1.1\n";
const KNOWN_VERSION = /^Directory Transport Version: 1\.\d+\n?$/;
const DOCUMENT_BYTES = 16 << 20;
/** Of our own while something is written. */
const TEMPORARY = ".tsbuild";

/** Opens such a folder. Throws `INPUT_MISSING`, `ARCHIVE_INVALID`. */
export async function openDir(path: string): Promise<ImageSource> {
  const name = `dir "${path}"`;
  const read = async (file: string): Promise<Uint8Array> => {
    await using handle = await openIn(path, file, name);
    const { size } = await handle.stat();
    if (size > DOCUMENT_BYTES)
      throw new BuildError("ARCHIVE_INVALID", `${name}: "${file}" has ${size} bytes: it is no manifest`);
    return await handle.readFile();
  };
  const bytes = await read(MANIFEST_FILE);
  const version = await readFile(join(path, VERSION_FILE), "utf8").catch(() => VERSION); // early skopeos wrote none
  if (!KNOWN_VERSION.test(version))
    throw new BuildError(
      "ARCHIVE_INVALID",
      `${name} is of a version that is not known: "${version.trim().slice(0, 60)}"`,
    );
  const document = parseDocument(bytes, `manifest.json of ${name}`);
  const mediaType = document.kind === "index" ? document.index.mediaType : document.manifest.mediaType;
  const top: Descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
  return {
    name,
    top: async () => ({ descriptor: top, bytes }),
    document: async ({ digest }) => (digest === top.digest ? bytes : await read(`${hexOf(digest)}.manifest.json`)),
    async *blob({ digest }, signal) {
      await using file = await openIn(path, hexOf(digest), name);
      yield* chunksOf(file, {}, signal);
    },
    pathOf: async ({ digest }) => join(path, hexOf(digest)),
    async [Symbol.asyncDispose]() {
      // Nothing is held open.
    },
  };
}

/**
 * A folder as a sink, for one copy at a time: another one waits. A folder that holds something else is refused; of an
 * image that it holds, what the new one does not need goes at the end. Throws `OUTPUT`.
 */
export async function openDirSink(path: string): Promise<ImageSink> {
  const name = `dir "${path}"`;
  const temporary = join(path, TEMPORARY);
  await using undo = new AsyncDisposableStack();
  await explained(path, async () => {
    undo.use(await prepared(path, temporary));
    await mkdir(temporary, { recursive: true }); // whoever had the lock has taken it away
    sweepTemporary(temporary);
  });
  const kept = new Set<string>([VERSION_FILE, MANIFEST_FILE, TEMPORARY]);
  let top: Uint8Array | undefined;
  const place = async (file: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> => {
    kept.add(file);
    const unfinished = temporaryPath(temporary);
    try {
      await using handle = await open(unfinished, "wx", 0o644);
      for await (const chunk of chunks) await handle.writeFile(chunk);
      await handle.datasync();
      await rename(unfinished, join(path, file));
    } catch (error) {
      await rm(unfinished, { force: true });
      throw explain(path, error);
    }
  };
  const held = undo.move();
  return {
    name,
    forms: FORMS,
    async has(descriptor, signal) {
      if (!(await isThere(join(path, hexOf(descriptor.digest)), descriptor, signal))) return false;
      kept.add(hexOf(descriptor.digest));
      return true;
    },
    putBlob: (descriptor, bytes) => place(hexOf(descriptor.digest), verified(descriptor, bytes(), name)),
    async putDocument(descriptor, bytes, _names, _signal, isTop = false) {
      if (isTop) top = bytes;
      else await place(`${hexOf(descriptor.digest)}.manifest.json`, [bytes]);
    },
    async finish() {
      if (top === undefined) throw new BuildError("INTERNAL", "there is no image for a folder");
      await place(MANIFEST_FILE, [top]);
      for (const file of await readdir(path)) if (!kept.has(file)) await rm(join(path, file), { recursive: true });
    },
    async [Symbol.asyncDispose]() {
      await rm(temporary, { recursive: true, force: true });
      await dropEmpty(path);
      await held.disposeAsync();
    },
  };
}

const FORMS: SinkForms = {
  families: ["oci", "docker"],
  compressions: ["gzip", "zstd", "uncompressed"],
  indexes: true,
  artifacts: true,
  keepsManifest: true,
};

async function openIn(path: string, file: string, name: string): Promise<FileHandle> {
  try {
    return await openRegular(join(path, file));
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR"))
      throw new BuildError("INPUT_MISSING", `${name} holds no image: it has no file "${file}"`, { cause: error });
    throw error;
  }
}

/** Makes the folder and takes its lock. Whoever has it may take an empty folder away again. */
async function prepared(path: string, temporary: string): Promise<AsyncDisposable> {
  for (let attempt = 0; ; attempt++) {
    try {
      await prepare(path, temporary);
      return await takeLock(join(path, VERSION_FILE));
    } catch (error) {
      if (attempt === ATTEMPTS || !isErrno(error, "ENOENT")) throw error;
    }
  }
}

const ATTEMPTS = 100;

// The file `version` is what is locked.
async function prepare(path: string, temporary: string): Promise<void> {
  await mkdir(path, { recursive: true });
  const found = await readdir(path);
  const isOurs = found.includes(VERSION_FILE)
    ? KNOWN_VERSION.test(await readFile(join(path, VERSION_FILE), "utf8"))
    : found.every((name) => name === TEMPORARY);
  if (!isOurs) {
    throw new BuildError("OUTPUT", `"${path}" is not empty and not what dir: writes: it holds "${found[0]}"`, {
      hint: "name a new folder",
    });
  }
  await mkdir(temporary, { recursive: true });
  await appear(join(path, VERSION_FILE), VERSION, temporary, "keep");
}

/** Takes a folder away again that was made for nothing. */
async function dropEmpty(path: string): Promise<void> {
  const found = await readdir(path).catch(() => []);
  if (found.length !== 1 || found[0] !== VERSION_FILE) return;
  await rm(join(path, VERSION_FILE), { force: true });
  await rmdir(path).catch(() => undefined);
}

async function isThere(path: string, { digest, size }: Descriptor, signal: AbortSignal): Promise<boolean> {
  try {
    await using file = await openRegular(path);
    if ((await file.stat()).size !== size) return false;
    const digester = new Digester();
    for await (const chunk of chunksOf(file, {}, signal)) digester.update(chunk);
    return digester.digest() === digest;
  } catch (error) {
    if (isErrno(error, "ENOENT") || error instanceof BuildError) return false;
    throw error;
  }
}

async function explained(path: string, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    throw explain(path, error);
  }
}

function explain(path: string, error: unknown): unknown {
  return cannotWrite(path, error, {
    ENOTDIR: "it, or a part of its path, is not a directory",
    EEXIST: "it is not a directory",
  });
}
