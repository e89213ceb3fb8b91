// The images of the local store, as docker's clients list, name and take them away.

import * as v from "valibot";
import { BuildError } from "../../../builder/core/errors.ts";
import type { ImageConfig } from "../../../builder/core/image/image-config.ts";
import { parsePlatform } from "../../../builder/core/image/platform.ts";
import type { Platform } from "../../../builder/core/image/platform.ts";
import type { Reference } from "../../../builder/core/image/reference.ts";
import { formatReference, parseReference } from "../../../builder/core/image/reference.ts";
import type { Session } from "../../../builder/core/session.ts";
import { imageHistory } from "../../../builder/history.ts";
import { listImages, tagImage, untagImages } from "../../../builder/images.ts";
import { inspectImage } from "../../../builder/inspect.ts";
import type { ImagePlaces, OpenedImage } from "../../../builder/open-image.ts";
import { imageFor, openImage } from "../../../builder/open-image.ts";
import { shortName } from "../../commands/images/image-rows.ts";
import { HttpError, sendJson } from "../http/answer.ts";
import type { HttpRequest, Route } from "../http/router.ts";
import type { DaemonSettings } from "../settings.ts";
import type { EngineEvents } from "./events.ts";
import { imageOf } from "./events.ts";
import { filtersOf, isSet, parsedJson } from "./filters.ts";
import { filteredImages, namesOf, PRUNE_FILTERS, summaries, timeOf } from "./image-list.ts";
import { isMissing, noSuchImage, otherPlatform } from "./not-there.ts";

/** The routes about images that are there. */
export function imageRoutes(settings: DaemonSettings, events: EngineEvents): readonly Route[] {
  const { root } = settings;
  return [
    {
      method: "GET",
      pattern: "/images/json",
      handler: async ({ query }, response) => {
        // Older clients say a name beside the filters.
        const name = query.get("filter");
        const filters = [...filtersOf(query), ...(name ? [`reference=${name}`] : [])];
        const asked = { shared: isSet(query, "shared-size"), manifests: isSet(query, "manifests") };
        sendJson(response, 200, summaries(await filteredImages(root, filters), asked));
      },
    },
    {
      method: "POST",
      pattern: "/images/prune",
      handler: async ({ query }, response) =>
        sendJson(response, 200, await pruneImages(root, filtersOf(query), events)),
    },
    {
      method: "GET",
      pattern: "/images/{name...}/json",
      handler: async (request, response) => {
        await using opened = await openStored(settings, request);
        sendJson(response, 200, await inspected(opened, request));
      },
    },
    {
      method: "GET",
      pattern: "/images/{name...}/history",
      handler: async (request, response) => {
        await using opened = await openStored(settings, request);
        sendJson(response, 200, await history(opened, root, request));
      },
    },
    {
      method: "POST",
      pattern: "/images/{name...}/tag",
      handler: async ({ parameters, query }, response) => {
        const tag = query.get("tag") ?? "";
        const to = `${query.get("repo") ?? ""}${tag === "" ? "" : `:${tag}`}`;
        const from = parameters["name"] ?? "";
        try {
          await tagImage(root, from, to, settings.registries([]).expandName);
          await events.named("tag", root, formatReference(parseReference(to)));
        } catch (error) {
          throw isMissing(error) ? noSuchImage(from) : error;
        }
        response.writeHead(201).end();
      },
    },
    {
      method: "DELETE",
      pattern: "/images/{name...}",
      handler: async ({ parameters, query }, response) => {
        const options = { force: isSet(query, "force"), expandName: settings.registries([]).expandName };
        sendJson(response, 200, await remove(root, [parameters["name"] ?? ""], options, events));
      },
    },
  ];
}

const AskedPlatform = v.object({ os: v.string(), architecture: v.string(), variant: v.nullish(v.string(), "") });

/** A platform as JSON, which newer clients send, or as people write it. Throws `HttpError` 400, `USAGE`. */
export function platformOf(query: URLSearchParams): Platform | undefined {
  const text = query.get("platform") ?? "";
  if (text === "") return undefined;
  if (!text.startsWith("{")) return parsePlatform(text);
  const read = v.safeParse(AskedPlatform, parsedJson(text, "platform"));
  if (!read.success) throw new HttpError(400, "platform is no platform");
  const { os, architecture, variant } = read.output;
  return parsePlatform([os, architecture, variant].filter((part) => part).join("/"));
}

/** Only what the store has: nothing that a client says makes the daemon open a file of its machine. */
async function openStored(
  settings: DaemonSettings,
  { parameters, signal }: Pick<HttpRequest, "parameters" | "signal">,
): Promise<OpenedImage> {
  const name = parameters["name"] ?? "";
  const nobody: Session["credentials"] = () => Promise.resolve(undefined);
  try {
    return await openImage(`store:${name}`, placesOf(settings, nobody), signal);
  } catch (error) {
    throw isMissing(error) ? noSuchImage(name) : error;
  }
}

/** What is said of an image of the store that has not the wanted platform; undefined of one that has. Throws `HttpError` 404 when there is no such image. */
export async function otherThanStored(
  settings: DaemonSettings,
  name: string,
  wanted: Platform | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  await using opened = await openStored(settings, { parameters: { name }, signal });
  if (wanted === undefined) return undefined;
  return otherPlatform(name, (await imageFor(opened, wanted, signal)).config?.config, wanted);
}

/** An image of a registry. */
export async function openElsewhere(
  settings: DaemonSettings,
  reference: Reference,
  credentials: Session["credentials"],
  signal: AbortSignal,
): Promise<OpenedImage> {
  return await openImage(`docker://${formatReference(reference)}`, placesOf(settings, credentials), signal);
}

function placesOf(settings: DaemonSettings, credentials: Session["credentials"]): ImagePlaces {
  const { root, environment } = settings;
  const { router, expandName } = settings.registries([]);
  const daemon = (): Promise<never> => Promise.reject(new BuildError("UNSUPPORTED", "there is no docker daemon here"));
  return { root, registry: { router, environment, credentials }, daemon, expandName };
}

/** What `docker image inspect` shows. */
async function inspected(opened: OpenedImage, { parameters, query, signal }: HttpRequest): Promise<object> {
  const [platform, name] = [platformOf(query), parameters["name"] ?? ""];
  const { image } = await inspectImage(opened, platform, signal);
  if (image?.config === undefined) throw new HttpError(404, `${opened.name} is no image of this platform`);
  const { config, manifest, layers, sizeBytes } = image;
  const other = otherPlatform(name, config, platform);
  if (other !== undefined) throw new HttpError(404, other);
  const { descriptor } = opened.top;
  return {
    Id: manifest.manifest.config.digest,
    ...namesOf(opened.names, descriptor.digest),
    Parent: "",
    Comment: config.history?.at(-1)?.comment ?? "",
    Created: config.created ?? "",
    Author: config.author ?? "",
    Config: configOf(config),
    Architecture: config.architecture,
    ...(config.variant === undefined ? {} : { Variant: config.variant }),
    Os: config.os,
    Size: sizeBytes,
    GraphDriver: { Name: "tsbuild", Data: null },
    RootFS: { Type: "layers", Layers: layers.map(({ diffId }) => diffId) },
    Metadata: { LastTagTime: "0001-01-01T00:00:00Z" },
    Descriptor: { mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size },
  };
}

function configOf({ config }: ImageConfig): object {
  return { Hostname: "", Domainname: "", Tty: false, Image: "", ...config };
}

/** Newest first, as docker has it. */
async function history(opened: OpenedImage, root: string, { query, signal }: HttpRequest): Promise<readonly object[]> {
  const image = await imageFor(opened, platformOf(query), signal);
  const lines = await imageHistory(image, { root, weigh: true }, signal);
  return lines.toReversed().map(({ entry, layer }, at) => ({
    Id: at === 0 ? image.manifest.manifest.config.digest : "<missing>",
    Created: Math.floor(timeOf(entry.created) / 1000),
    CreatedBy: entry.created_by ?? "",
    Tags: at === 0 && opened.names.length > 0 ? opened.names.map(shortName) : null,
    Size: layer?.bytes ?? 0,
    Comment: entry.comment ?? "",
  }));
}

type Removed = readonly ({ readonly Untagged: string } | { readonly Deleted: string })[];

async function remove(
  root: string,
  images: readonly string[],
  options: Parameters<typeof untagImages>[2],
  events: EngineEvents,
): Promise<Removed> {
  try {
    const before = await listImages(root);
    const { names, gone } = await untagImages(root, images, options);
    for (const name of names) {
      const { imageId = name, labels } = imageOf(before, name) ?? {};
      events.image("untag", imageId, name, labels);
    }
    for (const id of gone) events.image("delete", id, id, imageOf(before, id)?.labels);
    return [...names.map((name) => ({ Untagged: shortName(name) })), ...gone.map((id) => ({ Deleted: id }))];
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    const [name = ""] = images;
    if (error.code === "INPUT_MISSING") throw noSuchImage(name);
    if (error.code === "USAGE") throw new HttpError(409, CONFLICT.replace("NAME", name));
    throw error;
  }
}

const CONFLICT = "conflict: unable to delete NAME (must be forced) - image is referenced in multiple repositories";

/** Images without a name; with `dangling=false` all of them, since no container holds one. */
async function pruneImages(root: string, filters: readonly string[], events: EngineEvents): Promise<object> {
  const isAll = filters.some((filter) => /^dangling=(?:false|0)$/.test(filter));
  const others = filters.filter((filter) => !filter.startsWith("dangling="));
  const found = await filteredImages(root, isAll ? others : [...others, "dangling=true"], PRUNE_FILTERS);
  const names = found.map(({ name, digest }) => name ?? digest);
  const removed = await remove(root, [...new Set(names)], { force: true }, events);
  const gone = new Set(removed.flatMap((one) => ("Deleted" in one ? [one.Deleted] : [])));
  const sizes = new Map(
    found.filter(({ imageId }) => gone.has(imageId)).map((image) => [image.imageId, image.sizeBytes]),
  );
  const bytes = sizes.values().reduce((sum, size) => sum + size, 0);
  events.pruned("image", bytes);
  return { ImagesDeleted: removed, SpaceReclaimed: bytes };
}
