// `GET /events`: what happened to images and to the cache, as it happens, and the last of what did before.

import type { ServerResponse } from "node:http";
import { familiarReference, parseReference } from "../../../builder/core/image/reference.ts";
import type { BuildResult } from "../../../builder/request.ts";
import type { ListedImage } from "../../../builder/images.ts";
import { listImages } from "../../../builder/images.ts";
import { parseMoment } from "../../cli/values/moment.ts";
import { HttpError, write } from "../http/answer.ts";
import type { HttpHandler } from "../http/router.ts";
import { filtersOf } from "./filters.ts";

/** Events that clients who come later may still ask for; as many as docker keeps. */
const MOST_KEPT = 256;
/** Events that a slow reader may have before it; then the oldest are lost to it. */
const MOST_WAITING = 1024;
/** What a timer of Node's holds. */
const MOST_WAIT_MS = 2 ** 31 - 1;

/** What can happen. */
export type ImageAction = "create" | "delete" | "load" | "prune" | "pull" | "push" | "save" | "tag" | "untag";

interface EngineEvent {
  readonly type: "builder" | "image";
  readonly action: ImageAction;
  /** Of the image; "" where there are several. */
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly atMs: number;
}

/** The events of one store. */
export class EngineEvents {
  readonly #kept: EngineEvent[] = [];
  readonly #readers = new Set<(event: EngineEvent) => void>();

  /** `name` is a full reference, or the image's id. */
  image(action: ImageAction, id: string, name: string, labels: Readonly<Record<string, string>> = {}): void {
    this.#add({ type: "image", action, id, attributes: { ...labels, name: shownName(name) }, atMs: Date.now() });
  }

  /** Of an image of the store, by one of its names. */
  async named(action: ImageAction, root: string, ...names: readonly string[]): Promise<void> {
    const images = await listImages(root);
    for (const name of names) {
      const image = imageOf(images, name);
      if (image !== undefined) this.image(action, image.imageId, name, image.labels);
    }
  }

  /** Of images that come from a registry or go to one: docker has their names in the place of ids. */
  moved(action: "pull" | "push", names: readonly string[]): void {
    for (const name of names) {
      const { registry, repository } = parseReference(name);
      const attributes = { name: familiarReference({ registry, repository }) };
      this.#add({ type: "image", action, id: shownName(name), attributes, atMs: Date.now() });
    }
  }

  /** A build has left an image in the store. */
  built({ images, names }: BuildResult): void {
    const [id] = images.map(({ imageId }) => imageId);
    if (id === undefined) return;
    this.image("create", id, id);
    for (const name of names) this.image("tag", id, name);
  }

  /** Unused images, or results of steps, were taken away. */
  pruned(type: "builder" | "image", bytes: number): void {
    this.#add({ type, action: "prune", id: "", attributes: { reclaimed: String(bytes) }, atMs: Date.now() });
  }

  /** What happened since `sinceMs` and what happens until the signal, in order. */
  async *from(sinceMs: number, signal: AbortSignal): AsyncGenerator<EngineEvent, void, void> {
    const waiting = this.#kept.filter(({ atMs }) => atMs >= sinceMs);
    let wake = Promise.withResolvers<void>();
    const reader = (event: EngineEvent): void => {
      waiting.push(event);
      if (waiting.length > MOST_WAITING) waiting.shift();
      wake.resolve();
    };
    const stop = (): void => wake.resolve();
    this.#readers.add(reader);
    signal.addEventListener("abort", stop, { once: true });
    try {
      for (;;) {
        for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) yield event;
        if (signal.aborted) return;
        await wake.promise;
        wake = Promise.withResolvers();
      }
    } finally {
      this.#readers.delete(reader);
      signal.removeEventListener("abort", stop);
    }
  }

  #add(event: EngineEvent): void {
    this.#kept.push(event);
    if (this.#kept.length > MOST_KEPT) this.#kept.shift();
    for (const reader of this.#readers) reader(event);
  }
}

/** The row of a name among the listed ones. */
export function imageOf(images: readonly ListedImage[], name: string): ListedImage | undefined {
  return images.find((image) => image.name === name || image.imageId === name || image.digest === name);
}

function shownName(name: string): string {
  return name.startsWith("sha256:") ? name : familiarReference(parseReference(name));
}

/** Streams events until the client goes, or until the moment that it names. Throws `HttpError` 400, `USAGE`. */
export function eventsHandler(events: EngineEvents): HttpHandler {
  return async ({ query, signal }, response) => {
    const [now, wants] = [Date.now(), filterOf(filtersOf(query))];
    const [since, until] = [query.get("since") ?? "", query.get("until") ?? ""];
    const sinceMs = since === "" ? now : parseMoment(since, now, "since:");
    const untilMs = until === "" ? Infinity : parseMoment(until, now, "until:");
    response.writeHead(200, { "Content-Type": "application/json" });
    response.flushHeaders();
    await stream(response, events.from(sinceMs, endOf(untilMs - now, signal)), (event) => {
      return event.atMs <= untilMs && wants(event);
    });
    response.end();
  };
}

function endOf(waitMs: number, signal: AbortSignal): AbortSignal {
  if (waitMs <= 0) return AbortSignal.abort();
  return AbortSignal.any([signal, AbortSignal.timeout(Math.min(waitMs, MOST_WAIT_MS))]);
}

async function stream(
  response: ServerResponse,
  events: AsyncIterable<EngineEvent>,
  wants: (event: EngineEvent) => boolean,
): Promise<void> {
  for await (const event of events) if (wants(event)) await write(response, `${textOf(event)}\n`);
}

/** Older clients read `status` and `id`. Nanoseconds are more than a number of JavaScript holds. */
function textOf({ type, action, id, attributes, atMs }: EngineEvent): string {
  const older = type === "image" && id !== "" ? { status: action, id } : {};
  const message = { ...older, Type: type, Action: action, Actor: { ID: id, Attributes: attributes }, scope: "local" };
  return `${JSON.stringify(message).slice(0, -1)},"time":${Math.floor(atMs / 1000)},"timeNano":${atMs}000000}`;
}

/** Filters of docker's; one that is about what there is none of lets nothing through. */
const ELSEWHERE = ["config", "container", "daemon", "network", "node", "plugin", "secret", "service", "volume"];

/** Values of one key are alternatives, keys all hold. Throws `HttpError` 400 for a key that is none. */
function filterOf(filters: readonly string[]): (event: EngineEvent) => boolean {
  const byKey = Map.groupBy(filters, (filter) => filter.split("=", 1)[0] ?? "");
  const tests = [...byKey].map(([key, all]) => {
    const values = all.map((filter) => filter.slice(key.length + 1));
    return (event: EngineEvent): boolean => values.some((value) => holds(key, value, event));
  });
  for (const key of byKey.keys())
    if (!KEYS.has(key) && !ELSEWHERE.includes(key)) throw new HttpError(400, `invalid filter '${key}'`);
  return (event) => tests.every((test) => test(event));
}

const KEYS: ReadonlySet<string> = new Set(["event", "image", "label", "scope", "type"]);

function holds(key: string, value: string, { type, action, id, attributes }: EngineEvent): boolean {
  switch (key) {
    case "event":
      return action === value;
    case "type":
      return type === value;
    case "scope":
      return value === "local";
    case "image": {
      const { name = "" } = attributes;
      const forms = [id, name].flatMap((text) => [text, text.replace(/:[^:/]*$/, "")]);
      return type === "image" && forms.includes(value);
    }
    case "label": {
      const [label = "", wanted] = value.split(/=(.*)/s);
      return Object.hasOwn(attributes, label) && (wanted === undefined || attributes[label] === wanted);
    }
    default:
      return false;
  }
}
