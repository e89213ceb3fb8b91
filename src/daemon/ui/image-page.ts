// The image that came of a build: its layers with the instructions that made them, and the files in each, as far as they are
// still in the store.

import type { ServerResponse } from "node:http";
import { hostPlatform } from "../../../builder/core/platform.ts";
import { inspectImage } from "../../../builder/inspect.ts";
import { listFiles } from "../../../builder/list-files.ts";
import { imageFor, openImage } from "../../../builder/open-image.ts";
import { parseCount } from "../../cli/values/sizes.ts";
import { humanSize } from "../../cli/human.ts";
import { fileLine } from "../../commands/images/file-text.ts";
import type { Html } from "../../report/html.ts";
import { html } from "../../report/html.ts";
import { HttpError } from "../http/answer.ts";
import type { HttpRequest } from "../http/router.ts";
import type { DaemonSettings } from "../settings.ts";
import { recordOf } from "./builds-pages.ts";
import { sendPage, tableOf } from "./page.ts";

const MOST_FILES = 5000;

/** The layers, or with `?layer=N` the files of one of them. Throws `INPUT_MISSING` when the image has gone. */
export async function imagePage(
  settings: DaemonSettings,
  request: HttpRequest,
  response: ServerResponse,
): Promise<void> {
  const { root } = settings;
  const { id, result } = recordOf(root, request.parameters["id"] ?? "");
  const [first] = result?.images ?? [];
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
  const rows = (image?.layers ?? []).map(({ descriptor, instruction }, at): readonly (string | Html)[] => [
    html`<a href="?layer=${at + 1}">${at + 1}</a>`,
    humanSize(descriptor.size),
    instruction ?? "",
    html`<code>${descriptor.digest}</code>`,
  ]);
  const names = html`<p>${(result?.names ?? []).join(", ")} <code>${first.manifestDigest}</code></p>`;
  sendPage(response, "Image", html`${names}${tableOf(["Layer", "Size", "Instruction", "Digest"], rows)}`);
}
