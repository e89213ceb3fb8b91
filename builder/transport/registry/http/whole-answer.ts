// Answers that are small enough to be read whole. One whose connection breaks before its end is asked for again.

import { setTimeout as sleep } from "node:timers/promises";
import { collect } from "../../source.ts";
import type { HttpResponse } from "./http.ts";
import { ConnectionError, isBroken } from "./http.ts";
import type { RetryPolicy } from "./retry.ts";
import { pauseMs } from "./retry.ts";

export interface WholeOptions {
  /** More is an error. */
  readonly maxBytes: number;
  /** For messages. */
  readonly what: string;
  readonly retry: RetryPolicy;
  readonly signal: AbortSignal;
  /** Which answers are read; 200 if not said. */
  readonly wants?: (response: HttpResponse) => boolean;
}

/** The bytes of an answer that is wanted; of another one they are still to be read. Throws `ConnectionError`, `DIGEST_INVALID` for too many bytes. */
export async function readWhole(
  send: () => Promise<HttpResponse>,
  { maxBytes, what, retry, signal, wants = ({ status }) => status === 200 }: WholeOptions,
): Promise<{ readonly response: HttpResponse; readonly bytes: Uint8Array | undefined }> {
  for (let attempt = 0; ; attempt++) {
    const response = await send();
    if (!wants(response)) return { response, bytes: undefined };
    try {
      return { response, bytes: await collect(response.body, maxBytes, what) };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (!isBroken(error)) throw error;
      if (attempt >= retry.retries) throw new ConnectionError(response.url, error);
      await sleep(pauseMs(retry, attempt, undefined), undefined, { signal }).catch(() => undefined);
    }
  }
}
