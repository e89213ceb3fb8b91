// The image that came of a build: its layers with the instructions that made them, and the files in each, as far as they are
// still in the store.

import type { ServerResponse } from "node:http";
import { hostPlatform } from "../../../builder/core/image/platform.ts";
import { inspectImage } from "../../../builder/inspect.ts";
import { listFiles } from "../../../builder/list-files.ts";
import { imageFor, openImage } from "../../../builder/open-image.ts";
import { parseCount } from "../../cli/values/sizes.ts";
import { humanSize } from "../../cli/human.ts";
import { fileLine } from "../../commands/images/file-text.ts";
import type { Html } from "../../report/html.ts";
import { html, raw } from "../../report/html.ts";
import { HttpError } from "../http/answer.ts";
import type { HttpRequest } from "../http/router.ts";
import type { DaemonSettings } from "../settings.ts";
import { recordOf } from "./builds-pages.ts";
import { sendPage, tableOf } from "./page.ts";

const MOST_FILES = 5000;

/** The layers, or with `?layer=N` the files of one; `?platform=N` says which of several images. Throws `INPUT_MISSING` when the image has gone. */
export async function imagePage(
  settings: DaemonSettings,
  request: HttpRequest,
  response: ServerResponse,
): Promise<void> {
  const { root } = settings;
  const { id, result } = recordOf(root, request.parameters["id"] ?? "");
  const images = result?.images ?? [];
  const at = parseCount(request.query.get("platform") ?? "1", "platform", 1);
  const first = images[at - 1];
  if (first === undefined) throw new HttpError(404, `the build ${id} made no image`);
  const places = {
    root,
    // The image is the store's, whatever it is called elsewhere.
    registry: { router: settings.registries([]).router, credentials: () => Promise.resolve(undefined) },
    daemon: () => Promise.reject(new HttpError(404, "no docker daemon is asked")),
  };
  await using opened = await openImage(`store:${first.manifestDigest}`, places, request.signal);
  const layer = request.query.get("layer");
  if (layer !== null) {
    const image = await imageFor(opened, hostPlatform(), request.signal);
    const wanted = { path: "/", recursive: true, followLast: false, layer: parseCount(layer, "layer", 1) };
    const files = await listFiles(image, wanted, root, request.signal);
    const rows = files.slice(0, MOST_FILES).map((file) => fileLine(file));
    const rest = files.length > MOST_FILES ? html`<p class="legend">${files.length - MOST_FILES} more files</p>` : [];
    sendPage(
      response,
      `Files of layer ${layer}`,
      html`${tableOf(["Mode", "Owner", "Size", "Time", "Name"], rows)}${rest}`,
    );
    return;
  }
  const { image } = await inspectImage(opened, undefined, request.signal);
  const rows = (image?.layers ?? []).map(({ descriptor, instruction }, place): readonly (string | Html)[] => [
    html`<a href="?platform=${at}&amp;layer=${place + 1}">${place + 1} ${instruction ?? "files"}</a>`,
    html`<span class="size">${humanSize(descriptor.size)}</span>`,
    html`<code>${descriptor.digest}</code>`,
  ]);
  const names = html`<p>${(result?.names ?? []).join(", ")} <code>${first.manifestDigest}</code></p>`;
  const links = images.map(({ platform }, place) => platformLink(platform, place + 1, at));
  const others = links.length < 2 ? [] : html`<nav aria-label="Platforms">${links}</nav>`;
  const back = html`<p><a href="/ui/builds/${id}">How it was built</a></p>`;
  sendPage(response, "Image", html`${names}${others}${tableOf(["Layer", "Size", "Digest"], rows)}${back}`);
}

function platformLink(platform: string, place: number, current: number): Html {
  return html`<a href="?platform=${place}" ${place === current ? raw('aria-current="page"') : []}>${platform}</a>`;
}
