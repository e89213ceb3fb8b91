// Objects of Google Cloud Storage (cloud.google.com/storage/docs/json_api/v1/objects/get).

import { BuildError } from "../../core/errors.ts";
import { bodyChunks } from "../registry/http/body-chunks.ts";
import { startOf } from "../registry/http/failure.ts";
import type { HttpClient } from "../registry/http/http.ts";
import { discard } from "../registry/http/http.ts";
import { reasonIn } from "./answers.ts";
import type { GoogleWay } from "./google-credentials.ts";
import { fetchGoogleToken, STORAGE_SCOPE } from "./google-credentials.ts";

export interface GoogleObject {
  readonly bucket: string;
  readonly key: string;
  /** "https://storage.googleapis.com". */
  readonly endpoint: string;
  /** Undefined: as nobody. */
  readonly google: GoogleWay | undefined;
}

/** An object's bytes; as nobody where the machine has no account. Throws `INPUT_MISSING`, `CONFIG`, `REGISTRY`. */
export async function* openGoogleObject(
  { bucket, key, endpoint, google }: GoogleObject,
  http: HttpClient,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const path = `/storage/v1/b/${encodeURIComponent(bucket)}/o/${encodeURIComponent(key)}?alt=media`;
  const token = google === undefined ? undefined : await tokenOf(google, http, signal);
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await http.send({ method: "GET", url: new URL(path, endpoint), headers }, signal);
  const name = `gs://${bucket}`;
  if (response.status === 404) {
    discard(response);
    throw new BuildError("INPUT_MISSING", `there is no "${key}" in ${name}, or no such bucket`);
  }
  if (response.status !== 200) {
    const reason = reasonIn(await startOf(response.body));
    const hint = token === undefined ? "it was asked as nobody: there are no Google credentials here" : undefined;
    throw new BuildError("REGISTRY", `cannot read "${key}" in ${name}: HTTP ${response.status}${reason}`, { hint });
  }
  yield* bodyChunks(response.body);
}

async function tokenOf(way: GoogleWay, http: HttpClient, signal: AbortSignal): Promise<string | undefined> {
  try {
    return (await fetchGoogleToken(way, STORAGE_SCOPE, http, signal)).text;
  } catch (error) {
    if (way.kind === "machine" && error instanceof BuildError && error.code === "CONFIG") return undefined;
    throw error;
  }
}
