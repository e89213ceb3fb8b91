// What refers to an image: signatures, SBOMs and other artifacts (distribution-spec, Listing Referrers). A registry that
// lacks the API keeps an index under a tag, which clients look after.

import { setTimeout as sleep } from "node:timers/promises";
import type { Descriptor } from "../../core/image/descriptor.ts";
import { MEDIA } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { Reference } from "../../core/image/reference.ts";
import { parseDocument } from "../../image/read.ts";
import type { RegistryClient, RegistryOptions } from "./client.ts";
import { manifestPath } from "./client.ts";
import { getDocument, resolveTag } from "./documents.ts";
import { pagesOf } from "./pages.ts";
import { referrerOf, referrersIndex, referrersTag } from "./referrers-index.ts";
import { Repository } from "./repository.ts";
import { pauseMs } from "./http/retry.ts";
import { oneChunk } from "./auth/token.ts";

const UPDATES = 5;

/**
 * Manifests whose subject is the manifest or index that a reference names; with `artifactType` only those of that type.
 * Throws `INPUT_MISSING` when a tag names nothing.
 */
export async function listReferrers(
  reference: Reference,
  options: RegistryOptions,
  signal: AbortSignal,
  artifactType?: string,
): Promise<readonly Descriptor[]> {
  const repository = new Repository(reference, options);
  try {
    const client = await repository.registry();
    const { tag = "latest" } = reference;
    const digest =
      reference.digest ??
      (await resolveTag(repository, tag, signal))?.digest ??
      (await getDocument(client, tag, signal)).descriptor.digest;
    const found = (await askApi(client, digest, artifactType, signal)) ?? (await readIndex(client, digest, signal));
    // A registry need not filter.
    return artifactType === undefined ? found : found.filter((referrer) => referrer.artifactType === artifactType);
  } finally {
    repository.close();
  }
}

/** Adds a manifest that names a subject to the index of the tag schema: for a registry that did not say that it does so itself. */
export async function addReferrer(
  client: RegistryClient,
  subject: Digest,
  manifest: Descriptor,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  const referrer = referrerOf(manifest, bytes);
  const others = (referrers: readonly Descriptor[]): Descriptor[] =>
    referrers.filter(({ digest }) => digest !== referrer.digest);
  await updateIndex(client, subject, signal, {
    edit: (referrers) => [...others(referrers), referrer],
    holds: (referrers) => referrers.some(({ digest }) => digest === referrer.digest),
  });
}

/** Takes a manifest that was deleted out of the index of the tag schema. */
export async function removeReferrer(
  client: RegistryClient,
  subject: Digest,
  manifest: Digest,
  signal: AbortSignal,
): Promise<void> {
  await updateIndex(client, subject, signal, {
    edit: (referrers) => referrers.filter(({ digest }) => digest !== manifest),
    holds: (referrers) => !referrers.some(({ digest }) => digest === manifest),
  });
}

// Undefined when the registry has no such API.
async function askApi(
  client: RegistryClient,
  digest: Digest,
  artifactType: string | undefined,
  signal: AbortSignal,
): Promise<Descriptor[] | undefined> {
  const what = `the list of referrers of ${digest}`;
  const filter = artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(artifactType)}`;
  let found: Descriptor[] | undefined;
  for await (const { bytes, response } of pagesOf(client, `referrers/${digest}${filter}`, what, signal)) {
    // Some registries answer every path with a page.
    if (found === undefined && (response.headers["content-type"] ?? "").includes("text/html")) return undefined;
    found ??= [];
    found.push(...manifestsIn(bytes, client.describe(what)));
  }
  return found;
}

/** The index under the tag; one that is not there is empty. */
async function readIndex(client: RegistryClient, subject: Digest, signal: AbortSignal): Promise<readonly Descriptor[]> {
  try {
    const { bytes } = await getDocument(client, referrersTag(subject), signal);
    return manifestsIn(bytes, client.describe(`the index of referrers of ${subject}`));
  } catch (error) {
    if (error instanceof BuildError && error.code === "INPUT_MISSING") return [];
    throw error;
  }
}

function manifestsIn(bytes: Uint8Array, what: string): readonly Descriptor[] {
  const document = parseDocument(bytes, what, MEDIA.ociIndex);
  if (document.kind === "manifest") throw new BuildError("REGISTRY", `${what} is a manifest, not an index`);
  return document.index.manifests;
}

interface IndexEdit {
  readonly edit: (referrers: readonly Descriptor[]) => Descriptor[];
  readonly holds: (referrers: readonly Descriptor[]) => boolean;
}

/** The last change of each index in this process: the next one waits for it. */
const changes = new Map<string, Promise<void>>();

// Tags cannot be changed under a condition, and another client may change this one at the same time: whoever does not
// find his change a moment later makes it again. Changes of this process follow each other.
async function updateIndex(
  client: RegistryClient,
  subject: Digest,
  signal: AbortSignal,
  edit: IndexEdit,
): Promise<void> {
  const key = `${client.name}@${subject}`;
  const turn = (changes.get(key) ?? Promise.resolve()).then(() => changeIndex(client, subject, signal, edit));
  const settled = turn.catch(() => undefined);
  changes.set(key, settled);
  await turn.finally(() => changes.get(key) === settled && changes.delete(key));
}

async function changeIndex(
  client: RegistryClient,
  subject: Digest,
  signal: AbortSignal,
  { edit, holds }: IndexEdit,
): Promise<void> {
  const what = `the index of referrers of ${subject}`;
  for (let attempt = 0; ; attempt++) {
    if (attempt > 0) await sleep(pauseMs(client.retry, attempt - 1, undefined), undefined, { signal });
    const referrers = await readIndex(client, subject, signal);
    if (holds(referrers)) return;
    if (attempt === UPDATES)
      throw new BuildError("REGISTRY", `${client.describe(what)}: others change it all the time`);
    const { bytes, descriptor } = referrersIndex(edit(referrers));
    const headers = { "content-type": descriptor.mediaType, "content-length": String(bytes.length) };
    const body = (): AsyncIterable<Uint8Array> => oneChunk(bytes);
    const target = manifestPath(referrersTag(subject));
    const response = await client.send("PUT", target, "pull,push", signal, { headers, body });
    if (response.status !== 201) throw await client.failure(response, what);
    response.body.resume();
  }
}
