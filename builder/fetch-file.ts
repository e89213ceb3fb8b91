// A small file by its URL, for a door that needs one before there is a build: a warmer's Dockerfile.

import { BuildError } from "./core/errors.ts";

/** BuildKit's client takes no larger Dockerfile by URL. */
const MAX_BYTES = 16 << 20;

/** Its bytes, at most 16 MiB. Throws `INPUT_MISSING` unless the server gives it, `REGISTRY` when it cannot be reached. */
export async function fetchFile(
  url: URL,
  environment: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const [{ discard, HttpClient }, { readWhole }] = await Promise.all([
    import("./transport/registry/http/http.ts"),
    import("./transport/registry/http/whole-answer.ts"),
  ]);
  const http = new HttpClient({ allowsPlain: () => false, environment });
  // Its query may be a signature.
  const what = `"${url.origin}${url.pathname}"`;
  try {
    const options = { maxBytes: MAX_BYTES, what, retry: http.retry, signal };
    const { response, bytes } = await readWhole(() => http.send({ method: "GET", url }, signal), options);
    if (bytes !== undefined) return bytes;
    discard(response);
    throw new BuildError("INPUT_MISSING", `${what} answered HTTP ${response.status}`);
  } finally {
    http.close();
  }
}
