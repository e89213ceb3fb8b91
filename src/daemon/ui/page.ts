// What the daemon's pages have in common. They need no script and nothing from elsewhere, so nothing that a build prints can
// do anything in them.

import type { ServerResponse } from "node:http";
import type { Html } from "../../report/html.ts";
import { html, raw } from "../../report/html.ts";
import { STYLE } from "../../report/style.ts";

// What is live is turned around: so it shows its end, and stays there as it grows, unless its reader scrolls back.
const OWN_STYLE = `
table { width: 100%; } th { text-align: left; color: var(--soft); font-weight: normal; padding-right: .8rem; white-space: nowrap; }
tr { border-top: 1px solid var(--line); } .size { white-space: nowrap; }
.completed { color: var(--cached); } .error-status { color: var(--failed); } .running { color: var(--path); }
input, button { font: inherit; padding: .4rem .6rem; max-width: 100%; }
iframe { width: 100%; height: 40vh; border: 1px solid var(--line); }
.live { display: flex; flex-direction: column-reverse; max-height: 80vh; overflow: auto; background: var(--block); }
.live pre { max-height: none; margin: 0; flex: none; }
@media (max-width: 40rem) { table, tbody, tr, td { display: block; } tr:has(th) { display: none; } tr { padding: .35rem 0; }
  td { display: inline-block; padding: 0 .8rem 0 0; color: var(--soft); } td:first-child { display: block; color: inherit; } }
`;

/** Pages come from here alone, send nothing but their own forms, and stand in no page of somebody else's. */
const HEADERS = {
  "Content-Type": "text/html; charset=utf-8",
  "Content-Security-Policy":
    "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-store",
};

/** The beginning of a page, up to its content. `refreshSeconds`: it is asked for again after so long. */
export function pageHead(title: string, refreshSeconds?: number): Html {
  const body = html`${pageLinks(title)}
    <main>
      <h1>${title}</h1>
      ${raw(CONTENT)}
    </main>`;
  const whole = documentOf(`${title} – tsbuild`, OWN_STYLE, body, refreshSeconds);
  // The formatter of this file closes what is open: content comes before that.
  return raw(whole.markup.slice(0, whole.markup.indexOf(CONTENT)));
}

function documentOf(title: string, style: string, body: Html, refreshSeconds: number | undefined): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        ${refreshSeconds === undefined ? [] : html`<meta http-equiv="refresh" content="${refreshSeconds}" />`}
        <title>${title}</title>
        <style>
          ${raw(STYLE)}${raw(style)}
        </style>
      </head>
      <body>
        ${body}
      </body>
    </html>`;
}

const CONTENT = "<!-- content -->";
/** What closes a page. */
export const PAGE_END = raw("</main></body></html>\n");

const LINKS = [
  { title: "Builds", path: "/ui" },
  { title: "Disk", path: "/ui/disk" },
  { title: "Metrics", path: "/metrics" },
];

/** The way to the other pages. */
export function pageLinks(current = ""): Html {
  const links = LINKS.map(({ title, path }) => {
    return html`<a href="${path}" ${title === current ? raw('aria-current="page"') : []}>${title}</a>`;
  });
  return html`<nav aria-label="Pages">${links}</nav>`;
}

/** Answers with a whole page. */
export function sendPage(response: ServerResponse, title: string, body: Html, refreshSeconds?: number): void {
  sendMarkup(response, `${pageHead(title, refreshSeconds).markup}${body.markup}${PAGE_END.markup}`);
}

const FRAME_STYLE = "body { padding: 0; }";

/** Answers with what stands in a frame of a page of ours, and of nobody else's. */
export function sendFrame(response: ServerResponse, body: Html, refreshSeconds?: number): void {
  const policy = HEADERS["Content-Security-Policy"].replace("frame-ancestors 'none'", "frame-ancestors 'self'");
  const markup = documentOf("Steps", FRAME_STYLE, html`<main>${body}</main>`, refreshSeconds);
  const bytes = Buffer.from(markup.markup);
  response.writeHead(200, { ...HEADERS, "Content-Security-Policy": policy, "Content-Length": bytes.length });
  response.end(bytes);
}

/** Answers with a page that somebody else made. */
export function sendMarkup(response: ServerResponse, markup: string): void {
  const bytes = Buffer.from(markup);
  response.writeHead(200, { ...HEADERS, "Content-Length": bytes.length });
  response.end(bytes);
}

/** Begins a page that comes as it is made. */
export function beginPage(response: ServerResponse): void {
  response.writeHead(200, HEADERS);
}

/** A moment as people read it, in UTC. */
export function momentText(ms: number): string {
  return new Date(ms).toISOString().slice(0, "2026-11-26T19:13:33".length).replace("T", " ");
}

/** A table with its heading; a cell is text or markup. */
export function tableOf(heads: readonly string[], rows: readonly (readonly (string | Html)[])[]): Html {
  return html`<table>
    <tr>
      ${heads.map((head) => html`<th scope="col">${head}</th>`)}
    </tr>
    ${rows.map(
      (row) =>
        html`<tr>
          ${row.map((cell) => html`<td>${cell}</td>`)}
        </tr>`,
    )}
  </table>`;
}
