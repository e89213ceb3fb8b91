// Statements about a build's results, put where each output has them: in the index of an
// image, or as files beside the result's own.

import type { BytePath } from "../core/bytes/byte-path.ts";
import { bytePath, displayPath, joinBytes } from "../core/bytes/byte-path.ts";
import type { Descriptor } from "../core/image/descriptor.ts";
import { BuildError } from "../core/errors.ts";
import type { TellPart } from "../core/events.ts";
import { imagePackageUrl } from "../core/package-url.ts";
import type { Platform } from "../core/image/platform.ts";
import type { AttestationForm, Statement, Subject } from "../image/attestation.ts";
import { assembleAttestations, statementBytes } from "../image/attestation.ts";
import type { JsonObject } from "../image/json.ts";
import type { Document } from "../image/manifest.ts";
import type { Entry, SourcedEntry } from "../layer/entry.ts";
import type { FileTree } from "../layer/tree/file-tree.ts";
import type { BlobStore } from "../store/store.ts";

/** What somebody states about the result for one platform. */
export interface Attestation {
  readonly predicateType: string;
  /** Of the file beside a result that is no image: "provenance.json". */
  readonly fileName: string;
  /** Only for images, and not for archives of them. */
  readonly inlineOnly: boolean;
  /** Made when an output wants it. `layers` are the result's in an image, bottom first; undefined for one that is none. */
  predicate(layers: readonly Descriptor[] | undefined, signal: AbortSignal): Promise<JsonObject>;
}

/** An image's statements, in the store. */
export interface AttachedStatements {
  readonly document: Document;
  readonly blobs: readonly Descriptor[];
}

/** How an image's statements are written. */
export interface AttachOptions {
  /** Full references of the image. */
  readonly names: readonly string[];
  readonly platform: Platform;
  readonly form: AttestationForm;
  readonly store: BlobStore;
  readonly signal: AbortSignal;
  readonly tell: TellPart;
}

/** Stores the statements about an image; `layers` are its own. */
export async function attach(
  attestations: readonly Attestation[],
  image: Descriptor,
  layers: readonly Descriptor[],
  { names, platform, form, store, signal, tell }: AttachOptions,
): Promise<AttachedStatements> {
  const subjects = names.map((name): Subject => ({ name: imagePackageUrl(name, platform), digest: image.digest }));
  const statements = await statementsOf(attestations, subjects, layers, signal);
  const made = assembleAttestations(image, statements, form);
  await tell(`exporting attestation manifest ${made.descriptor.digest}`, async () => {
    for (const { bytes } of made.blobs) await store.put(bytes);
    await store.put(made.bytes);
  });
  return { document: made, blobs: made.blobs.map(({ descriptor }) => descriptor) };
}

/** Where the files of statements go. */
export interface StatementFiles {
  /** In front of each name. */
  readonly prefix: string;
  /** ms since the epoch. */
  readonly timeMs: number;
}

/** The statements about a tree as files in its root; their subjects are all its regular files. Throws `OUTPUT` for a name that is taken. */
export async function statementFiles(
  attestations: readonly Attestation[],
  tree: FileTree,
  { prefix, timeMs }: StatementFiles,
  signal: AbortSignal,
): Promise<readonly SourcedEntry[]> {
  const wanted = attestations.filter(({ inlineOnly }) => !inlineOnly);
  if (wanted.length === 0) return [];
  const statements = await statementsOf(wanted, await subjectsOf(tree, signal), undefined, signal);
  const taken = new Set<string>();
  return statements.map((statement, at) => {
    const name = prefix + (wanted[at]?.fileName ?? "");
    if (taken.has(name) || tree.lstat(bytePath(name)) !== undefined) {
      throw new BuildError("OUTPUT", `the attestation "${name}" would replace another file of the result`, {
        hint: "name it otherwise: attestation-prefix=… in --output",
      });
    }
    taken.add(name);
    const bytes = statementBytes(statement, "  ");
    const entry: Entry = {
      path: bytePath(name),
      type: "file",
      mode: 0o600,
      uid: 0,
      gid: 0,
      size: bytes.length,
      mtimeNs: BigInt(timeMs) * 1_000_000n,
    };
    return { entry, source: { kind: "bytes", bytes } };
  });
}

async function statementsOf(
  attestations: readonly Attestation[],
  subjects: readonly Subject[],
  layers: readonly Descriptor[] | undefined,
  signal: AbortSignal,
): Promise<readonly Statement[]> {
  return await Promise.all(
    attestations.map(async (attestation) => ({
      predicateType: attestation.predicateType,
      subjects,
      predicate: await attestation.predicate(layers, signal),
    })),
  );
}

async function subjectsOf(tree: FileTree, signal: AbortSignal): Promise<readonly Subject[]> {
  const files: BytePath[] = [];
  const visit = (directory: BytePath): void => {
    for (const name of tree.list(directory)) {
      const path = joinBytes(directory, name);
      const type = tree.lstat(path)?.type;
      if (type === "dir") visit(path);
      else if (type === "file") files.push(path);
    }
  };
  visit("");
  const digests = await tree.digests(files, signal);
  return files.map((path) => {
    const digest = digests.get(path);
    if (digest === undefined) throw new BuildError("INTERNAL", `"/${displayPath(path)}" has no digest`);
    return { name: displayPath(path), digest };
  });
}
