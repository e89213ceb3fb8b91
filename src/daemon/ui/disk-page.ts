// What the store takes of the disk, and for whoever has the token a way to clear it.

import { createHash, timingSafeEqual } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { diskUsage, prune } from "../../../builder/disk-usage.ts";
import { humanSize } from "../../cli/human.ts";
import { html } from "../../report/html.ts";
import { HttpError } from "../http/answer.ts";
import type { HttpRequest } from "../http/router.ts";
import { momentText, sendPage, tableOf } from "./page.ts";

const MOST_LISTED = 300;
const LARGEST_FORM_BYTES = 64 << 10;

/** The items, the largest first; the form only where there is a token. */
export async function diskPage(root: string, hasToken: boolean, response: ServerResponse): Promise<void> {
  const { items, store } = await diskUsage(root, []);
  const rows = items
    .toSorted((a, b) => b.bytes - a.bytes)
    .slice(0, MOST_LISTED)
    .map(({ description, type, bytes, usedMs, inUse }) => [
      description,
      type,
      html`<span class="size">${humanSize(bytes)}</span>`,
      momentText(usedMs),
      inUse ? "in use" : "",
    ]);
  const form = hasToken
    ? html`<form method="post" action="/ui/prune">
        <p>
          <input type="password" name="token" placeholder="Token" aria-label="Token" autocomplete="off" required />
          <label><input type="checkbox" name="all" /> also what images share</label>
          <button>Take away what nobody uses</button>
        </p>
      </form>`
    : html`<p class="legend">Nothing can be changed here: the daemon has no token for it (--ui-token-file).</p>`;
  const sum = html`<p>${humanSize(store.totalBytes)} in all, ${items.length} items.</p>`;
  sendPage(response, "Disk", html`${sum}${form}${tableOf(["What", "Type", "Size", "Used", ""], rows)}`);
}

/** Clears the store. Throws `HttpError` 403 without the token. */
export async function prunePage(
  root: string,
  token: string | undefined,
  request: HttpRequest,
  response: ServerResponse,
): Promise<void> {
  const form = await formOf(request.body);
  if (token === undefined || !isSame(form.get("token") ?? "", token))
    throw new HttpError(403, "the token is wrong, or the daemon has none");
  const none = { bytes: 0 };
  let count = 0;
  const asked = { root, all: form.has("all"), filters: [], keepMs: 0, reserved: none, maxUsed: none, minFree: none };
  const freed = await prune({ ...asked, onRemoved: () => void count++ }, request.signal);
  sendPage(
    response,
    "Disk",
    html`<p>${humanSize(freed)} are free: ${count} items went. <a href="/ui/disk">What is left</a></p>`,
  );
}

async function formOf(body: Readable): Promise<URLSearchParams> {
  let text = "";
  for await (const chunk of body) {
    text += chunk instanceof Uint8Array ? Buffer.from(chunk).toString("latin1") : "";
    if (text.length > LARGEST_FORM_BYTES) throw new HttpError(413, "the form is too large");
  }
  return new URLSearchParams(text);
}

/** Takes as long for every text. */
function isSame(given: string, wanted: string): boolean {
  const hash = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(given), hash(wanted));
}
