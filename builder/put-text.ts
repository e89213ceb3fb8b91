// A short text to a URL: what a job made, for whoever wants to be told.

import { BuildError } from "./core/errors.ts";

/** Sends it by PUT. Throws `OUTPUT` unless the server takes it. */
export async function putText(
  url: URL,
  text: string,
  environment: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<void> {
  const { discard, HttpClient } = await import("./transport/registry/http/http.ts");
  const http = new HttpClient({ allowsPlain: () => false, environment });
  const body = Buffer.from(text);
  const shown = `${url.origin}${url.pathname}`;
  try {
    const headers = { "content-type": "text/plain", "content-length": String(body.length) };
    const send = async function* (): AsyncIterable<Uint8Array> {
      yield body;
    };
    const response = await http.send({ method: "PUT", url, headers, body: send }, signal);
    discard(response);
    if (response.status < 200 || response.status >= 300)
      throw new BuildError("OUTPUT", `cannot write to "${shown}": it answered HTTP ${response.status}`);
  } catch (error) {
    if (signal.aborted || (error instanceof BuildError && error.code === "OUTPUT")) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new BuildError("OUTPUT", `cannot write to "${shown}": ${why}`, { cause: error });
  } finally {
    http.close();
  }
}
