// Images in and out of the store, as docker's clients ask for it: archives that come and go, pulls and pushes.

import { BuildError } from "../../../builder/core/errors.ts";
import type { EventSink } from "../../../builder/core/events.ts";
import { hostPlatform } from "../../../builder/core/platform.ts";
import { formatReference, parseReference } from "../../../builder/core/reference.ts";
import type { Reference } from "../../../builder/core/reference.ts";
import type { TransferRequest } from "../../../builder/copy.ts";
import { load } from "../../../builder/load.ts";
import { pull } from "../../../builder/pull.ts";
import { push } from "../../../builder/push.ts";
import type { RegistryAccess } from "../../../builder/registry-options.ts";
import { save } from "../../../builder/save.ts";
import { DEFAULT_LIMITS } from "../../cli/values/unpack-limits.ts";
import { shortName } from "../../commands/images/image-rows.ts";
import { HttpError, write } from "../http/answer.ts";
import type { HttpHandler, HttpRequest, Route } from "../http/router.ts";
import type { DaemonSettings } from "../settings.ts";
import { isSet } from "./filters.ts";
import { platformOf } from "./images.ts";
import { transferEvents, underStream } from "./message-stream.ts";
import { registryLogin, sessionOf } from "./registry-auth.ts";

/** The routes that move images. */
export function transferRoutes(settings: DaemonSettings): readonly Route[] {
  return [
    { method: "POST", pattern: "/images/load", handler: loadImages(settings) },
    { method: "POST", pattern: "/images/create", handler: pullImage(settings) },
    { method: "GET", pattern: "/images/get", handler: saveImages(settings) },
    { method: "GET", pattern: "/images/{name...}/get", handler: saveImages(settings) },
    { method: "POST", pattern: "/images/{name...}/push", handler: pushImage(settings) },
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

function loadImages(settings: DaemonSettings): HttpHandler {
  return (request, response) =>
    underStream(response, async (stream) => {
      const { query, signal } = request;
      const events = isSet(query, "quiet") ? quiet : transferEvents(stream, "Loading layer", "Loaded");
      const input = { kind: "stream", open: () => bodyOf(request, "the archive") } as const;
      const asked = { input, names: [], platform: platformOf(query) };
      for (const { names, images, top } of await load({ ...transferOf(settings, events), ...asked }, signal)) {
        for (const name of names) stream.send({ stream: `Loaded image: ${shortName(name)}\n` });
        if (names.length === 0) stream.send({ stream: `Loaded image ID: ${images[0]?.imageId ?? top.digest}\n` });
      }
    });
}

/** An archive that begins only when it is known that the images are there. */
function saveImages(settings: DaemonSettings): HttpHandler {
  return async ({ parameters, query, signal }, response) => {
    const { name } = parameters;
    const images = name === undefined ? query.getAll("names").flatMap((text) => text.split(",")) : [name];
    if (images.length === 0) throw new HttpError(400, "no image is named");
    try {
      await save(
        {
          ...transferOf(settings, quiet),
          images,
          format: "oci-archive",
          platform: platformOf(query),
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
    } catch (error) {
      const isMissing = error instanceof BuildError && error.code === "INPUT_MISSING";
      throw isMissing ? new HttpError(404, `No such image: ${error.message}`) : error;
    }
    response.end();
  };
}

function pullImage(settings: DaemonSettings): HttpHandler {
  return (request, response) =>
    underStream(response, async (stream) => {
      const { query, headers, signal } = request;
      if (query.has("fromSrc"))
        throw new HttpError(501, "tsbuild does not make images of file systems: use a Dockerfile with ADD");
      const reference = taggedReference(query.get("fromImage") ?? "", query.get("tag") ?? "");
      const access = accessOf(settings, registryLogin(headers, reference.registry));
      const platform = platformOf(query) ?? hostPlatform();
      const transfer = transferOf(settings, transferEvents(stream, "Downloading", "Download complete"));
      const { name, before, top } = await pull(
        { ...transfer, reference, access, platform, allPlatforms: false },
        signal,
      );
      stream.send({ status: `Digest: ${top.digest}` });
      const what = before === top.digest ? "Image is up to date for" : "Downloaded newer image for";
      stream.send({ status: `Status: ${what} ${shortName(name)}` });
    });
}

function pushImage(settings: DaemonSettings): HttpHandler {
  return (request, response) =>
    underStream(response, async (stream) => {
      const { parameters, query, headers, signal } = request;
      const tag = query.get("tag") ?? "";
      const reference = taggedReference(parameters["name"] ?? "", tag);
      const access = accessOf(settings, registryLogin(headers, reference.registry));
      const transfer = transferOf(settings, transferEvents(stream, "Pushing", "Pushed"));
      const wishes = { targets: [], resume: true, family: undefined, compression: undefined };
      const asked = { image: formatReference(reference), allTags: tag === "", platform: platformOf(query) };
      for (const { names, top } of await push({ ...transfer, ...wishes, ...asked, access }, signal)) {
        for (const one of names.map((name) => parseReference(name).tag ?? "")) {
          stream.send({ status: `${one}: digest: ${top.digest} size: ${top.size}` });
          stream.send({ progressDetail: {}, aux: { Tag: one, Digest: top.digest, Size: top.size } });
        }
      }
    });
}

/** A name and the tag, or the digest, that stands beside it in the query. */
function taggedReference(name: string, tag: string): Reference {
  if (name === "") throw new HttpError(400, "no image is named");
  return parseReference(tag === "" ? name : `${name}${tag.startsWith("sha256:") ? "@" : ":"}${tag}`);
}

const quiet: EventSink = () => undefined;

function transferOf(settings: DaemonSettings, events: EventSink): TransferRequest {
  const { root, environment } = settings;
  const { expandName } = settings.registries([]);
  return {
    root,
    limits: DEFAULT_LIMITS,
    checkLayers: undefined,
    expandName,
    retries: 0,
    events,
    now: Date.now,
    environment,
  };
}

function accessOf(settings: DaemonSettings, credentials: ReturnType<typeof registryLogin>): RegistryAccess {
  const { router } = settings.registries([]);
  return { router, session: sessionOf(credentials), environment: settings.environment };
}
