// Which of an endpoint's origins answers: a host may speak https, plain http, or nothing.

import { setTimeout as sleep } from "node:timers/promises";
import { BuildError } from "../../../core/errors.ts";
import type { RegistryEndpoint } from "../endpoints.ts";
import { apiOf } from "../endpoints.ts";
import { startOf } from "./failure.ts";
import type { HttpClient } from "./http.ts";
import { ConnectionError } from "./http.ts";
import { pauseMs } from "./retry.ts";

/**
 * The first origin that answers as a registry's protocol does. A single one is not tried: the first real request tells.
 * Throws `ConnectionError` when none answers, also not when asked again, and `REGISTRY` for what is no URL.
 */
export async function findOrigin(
  { origins, ...rest }: Pick<RegistryEndpoint, "origins" | "api">,
  http: HttpClient,
  signal: AbortSignal,
): Promise<string> {
  const api = apiOf(rest);
  const roots = origins.map((origin) => origin.replace(/\/+$/, ""));
  const wrong = roots.find((root) => !URL.canParse(root));
  const [first] = roots;
  if (first === undefined || wrong !== undefined) throw new BuildError("REGISTRY", `"${wrong ?? ""}" is no URL`);
  if (roots.length === 1) return first;
  for (let attempt = 0; ; attempt++) {
    let failure: ConnectionError | undefined;
    for (const root of roots) {
      const answer = await ask(new URL(`${root}${api}/`), http, signal);
      if (answer === true) return root;
      // What the first one says is what people look for.
      if (answer !== false) failure ??= answer;
    }
    if (failure === undefined) return first;
    if (attempt >= http.retry.retries || !failure.mayPass) throw failure;
    await sleep(pauseMs(http.retry, attempt, undefined), undefined, { signal });
  }
}

/** Whether an origin answers; false when it says that its protocol is the other one. */
async function ask(url: URL, http: HttpClient, signal: AbortSignal): Promise<boolean | ConnectionError> {
  try {
    const response = await http.send({ method: "GET", url, once: true }, signal);
    const text = response.status === 400 ? await startOf(response.body) : "";
    response.body.destroy();
    // Go's servers and nginx, asked by plain http where they speak TLS.
    return !/HTTP request .*\bto\b.* HTTPS/i.test(text);
  } catch (error) {
    if (signal.aborted || !(error instanceof ConnectionError)) throw error;
    return error;
  }
}
