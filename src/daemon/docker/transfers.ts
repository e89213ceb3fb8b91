// Images in and out of the store, as docker's clients ask for it: archives that come and go, pulls and pushes.

import { BuildError } from "../../../builder/core/errors.ts";
import type { EventSink } from "../../../builder/core/events.ts";
import type { Platform } from "../../../builder/core/image/platform.ts";
import { formatPlatform, hostPlatform } from "../../../builder/core/image/platform.ts";
import { familiarReference, formatReference, parseReference } from "../../../builder/core/image/reference.ts";
import type { Reference } from "../../../builder/core/image/reference.ts";
import { listImages } from "../../../builder/images.ts";
import { load } from "../../../builder/load.ts";
import { push } from "../../../builder/push.ts";
import { save } from "../../../builder/save.ts";
import { shortName } from "../../commands/images/image-rows.ts";
import { HttpError, write } from "../http/answer.ts";
import type { HttpHandler, HttpRequest, Route } from "../http/router.ts";
import type { DaemonSettings } from "../settings.ts";
import type { EngineEvents } from "./events.ts";
import { isSet } from "./filters.ts";
import { otherThanStored, platformOf } from "./images.ts";
import type { TransferWords } from "./message-stream.ts";
import { transferEvents, underStream } from "./message-stream.ts";
import { pullHandler } from "./pull.ts";
import { registryLogin } from "./registry-auth.ts";
import { accessOf, taggedReference, transferOf } from "./transfer-request.ts";

const LOADING: TransferWords = { verb: "Loading layer", done: "Loaded", wasThere: "Loaded" };
const PUSHING: TransferWords = { verb: "Pushing", done: "Pushed", wasThere: "Layer already exists" };

/** The routes that move images. */
export function transferRoutes(settings: DaemonSettings, told: EngineEvents): readonly Route[] {
  return [
    { method: "POST", pattern: "/images/load", handler: loadImages(settings, told) },
    { method: "POST", pattern: "/images/create", handler: pullHandler(settings, told) },
    { method: "GET", pattern: "/images/get", handler: saveImages(settings, told) },
    { method: "GET", pattern: "/images/{name...}/get", handler: saveImages(settings, told) },
    { method: "POST", pattern: "/images/{name...}/push", handler: pushImage(settings, told) },
  ];
}

/** The body as it comes; one that ends early says so. */
export async function* bodyOf({ body, signal }: HttpRequest, what: string): AsyncGenerator<Uint8Array, void, void> {
  try {
    for await (const chunk of body) if (chunk instanceof Uint8Array) yield chunk;
  } catch (cause) {
    signal.throwIfAborted();
    throw new BuildError("CONTEXT", `${what} ends early`, { cause });
  }
}

function loadImages(settings: DaemonSettings, told: EngineEvents): HttpHandler {
  return (request, response) =>
    underStream(response, async (stream) => {
      const { query, signal } = request;
      const events = isSet(query, "quiet") ? quiet : transferEvents(stream, LOADING);
      const input = { kind: "stream", open: () => bodyOf(request, "the archive") } as const;
      const asked = { input, names: [], platform: platformOf(query) };
      for (const { names, images, top } of await load({ ...transferOf(settings, events), ...asked }, signal)) {
        for (const name of names) stream.send({ stream: `Loaded image: ${shortName(name)}\n` });
        const id = images[0]?.imageId ?? top.digest;
        if (names.length === 0) stream.send({ stream: `Loaded image ID: ${id}\n` });
        for (const name of names.length === 0 ? [id] : names) told.image("load", id, name);
      }
    });
}

/** An archive that begins only when it is known that the images are there. */
function saveImages(settings: DaemonSettings, told: EngineEvents): HttpHandler {
  return async ({ parameters, query, signal }, response) => {
    const { name } = parameters;
    const images = name === undefined ? query.getAll("names").flatMap((text) => text.split(",")) : [name];
    if (images.length === 0) throw new HttpError(400, "no image is named");
    const platform = platformOf(query);
    for (const image of images)
      if ((await otherThanStored(settings, image, platform, signal)) !== undefined && platform !== undefined)
        throw new HttpError(404, `no suitable export target found for platform ${formatPlatform(platform)}`);
    await save(
      {
        ...transferOf(settings, quiet),
        images,
        format: "oci-archive",
        platform,
        hostPlatform: hostPlatform(),
        destination: {
          kind: "stream",
          write: async (chunk) => {
            if (!response.headersSent) response.writeHead(200, { "Content-Type": "application/x-tar" });
            await write(response, chunk);
          },
        },
      },
      signal,
    );
    await told.named("save", settings.root, ...images.map(fullName));
    response.end();
  };
}

function pushImage(settings: DaemonSettings, told: EngineEvents): HttpHandler {
  return (request, response) =>
    underStream(response, async (stream) => {
      const { parameters, query, headers, signal } = request;
      const { reference, isTagged } = taggedReference(parameters["name"] ?? "", query.get("tag") ?? "");
      const access = accessOf(settings, registryLogin(headers, reference.registry));
      stream.send({ status: `The push refers to repository [${reference.registry}/${reference.repository}]` });
      const [image, platform] = [formatReference(reference), platformOf(query)];
      if (reference.digest !== undefined) throw new HttpError(400, "cannot push a digest reference");
      await requirePushed(settings, reference, { isOne: isTagged, platform, signal });
      const transfer = transferOf(settings, transferEvents(stream, PUSHING));
      const wishes = { targets: [], resume: true, family: undefined, compression: undefined };
      const asked = { image, allTags: !isTagged, platform, access };
      for (const { names, top } of await push({ ...transfer, ...wishes, ...asked }, signal)) {
        for (const one of names.map((name) => parseReference(name).tag ?? "")) {
          stream.send({ status: `${one}: digest: ${top.digest} size: ${top.size}` });
          stream.send({ progressDetail: {}, aux: { Tag: one, Digest: top.digest, Size: top.size } });
        }
        told.moved("push", names);
      }
    });
}

/** Throws `HttpError` 404 for what is not in the store, or of another platform. */
async function requirePushed(
  settings: DaemonSettings,
  reference: Reference,
  { isOne, platform, signal }: { isOne: boolean; platform: Platform | undefined; signal: AbortSignal },
): Promise<void> {
  const { registry, repository } = reference;
  const names = (await listImages(settings.root)).map(({ name = "" }) => name);
  if (!names.some((name) => name.startsWith(`${registry}/${repository}:`)))
    throw new HttpError(
      404,
      `An image does not exist locally with the tag: ${familiarReference({ registry, repository })}`,
    );
  if (!isOne) return;
  if (!names.includes(formatReference(reference)))
    throw new HttpError(404, `tag does not exist: ${familiarReference(reference)}`);
  const other = await otherThanStored(settings, formatReference(reference), platform, signal);
  if (other !== undefined) throw new HttpError(404, other);
}

/** As the store has it; ids stay. */
function fullName(text: string): string {
  return /^(?:sha256:)?[0-9a-f]{12,}$/.test(text) ? text : formatReference(parseReference(text));
}

const quiet: EventSink = () => undefined;
