// Answers that come in pages, each naming the next one in a Link header (RFC 8288; distribution-spec, Listing Tags).

import { BuildError } from "../../core/errors.ts";
import type { RegistryClient } from "./client.ts";
import type { HttpResponse } from "./http/http.ts";
import { NO_RETRY } from "./http/retry.ts";
import { readWhole } from "./http/whole-answer.ts";

const PAGE_BYTES = 8 << 20;
const MAX_PAGES = 10_000;

/** One page: its bytes, and the answer that they came with. */
export interface Page {
  readonly bytes: Uint8Array;
  readonly response: HttpResponse;
}

export interface PageOptions {
  /** A page that does not come is not asked for again: somebody waits for what matters more. */
  readonly once?: boolean;
}

/** The pages from `target` on; none when the first is not there (404). Throws `REGISTRY` for other answers, and for pages without end. */
export async function* pagesOf(
  client: RegistryClient,
  target: string,
  what: string,
  signal: AbortSignal,
  { once = false }: PageOptions = {},
): AsyncIterable<Page> {
  const seen = new Set<string>();
  for (let next: string | URL | undefined = target; next !== undefined;) {
    const asked: string | URL = next;
    const { response, bytes }: Page | { readonly response: HttpResponse; readonly bytes: undefined } = await readWhole(
      () => client.send("GET", asked, "pull", signal, { once }),
      { maxBytes: PAGE_BYTES, what: client.describe(what), retry: once ? NO_RETRY : client.retry, signal },
    );
    if (response.status === 404 && asked === target) {
      response.body.destroy();
      return;
    }
    if (bytes === undefined) throw await client.failure(response, what);
    yield { bytes, response };
    next = nextOf(response);
    if (next === undefined) return;
    if (seen.has(next.href) || seen.size >= MAX_PAGES)
      throw new BuildError("REGISTRY", `${client.describe(what)}: the registry's pages have no end`);
    seen.add(next.href);
  }
}

function nextOf({ headers, url }: HttpResponse): URL | undefined {
  const link = [headers.link ?? []].flat().join(", ");
  for (const [, target = "", parameters = ""] of link.matchAll(/<([^>]*)>((?:\s*;\s*[^,;<]+)*)/g)) {
    if (/;\s*rel\s*=\s*(?:next\b|"[^"]*\bnext\b[^"]*")/i.test(parameters) && URL.canParse(target, url.href))
      return new URL(target, url);
  }
  return undefined;
}
