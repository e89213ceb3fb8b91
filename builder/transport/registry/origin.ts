// Which of an endpoint's origins answers: a host may speak https, plain http, or nothing.

import { BuildError } from "../../core/errors.ts";
import { startOf } from "./failure.ts";
import type { HttpClient } from "./http.ts";
import { ConnectionError } from "./http.ts";

/**
 * The first origin that answers as a registry's protocol does. The last one is not tried: with nothing else left, the
 * first real request tells. Throws `REGISTRY` when none is a URL.
 */
export async function findOrigin(origins: readonly string[], http: HttpClient, signal: AbortSignal): Promise<string> {
  const [first, ...others] = origins.map((origin) => origin.replace(/\/+$/, ""));
  if (first === undefined || !URL.canParse(first)) throw new BuildError("REGISTRY", `"${first ?? ""}" is no URL`);
  if (others.length === 0 || (await answers(first, http, signal))) return first;
  return await findOrigin(others, http, signal);
}

async function answers(origin: string, http: HttpClient, signal: AbortSignal): Promise<boolean> {
  try {
    const response = await http.send({ method: "GET", url: new URL(`${origin}/v2/`), once: true }, signal);
    const text = response.status === 400 ? await startOf(response.body) : "";
    response.body.destroy();
    // Go's servers and nginx, asked by plain http where they speak TLS.
    return !/HTTP request .*\bto\b.* HTTPS/i.test(text);
  } catch (error) {
    if (signal.aborted || !(error instanceof ConnectionError)) throw error;
    // Nobody there: the other protocol would find nobody either, and requests of the first kind say so.
    const { cause } = error;
    return cause instanceof Error && "code" in cause && cause.code === "ECONNREFUSED" && origin.startsWith("http:");
  }
}
