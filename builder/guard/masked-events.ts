// Events without secrets.

import type { BuildEvent, LogEvent } from "../core/events.ts";
import type { MaskedStream, Masker } from "./masker.ts";

/** The events of one build; output is withheld across the places where it is cut. */
export class MaskedEvents {
  readonly #masker: Masker;
  readonly #outputs = new Map<string, { readonly stream: MaskedStream; last: LogEvent }>();

  constructor(masker: Masker) {
    this.#masker = masker;
  }

  /** What can be passed on for an event: a step's end brings what was held back of its output. */
  pass(event: BuildEvent): readonly BuildEvent[] {
    const text = (known: string): string => this.#masker.text(known);
    switch (event.kind) {
      case "log":
        return this.#log(event);
      case "vertex": {
        const masked = { ...event, name: text(event.name), ...maskedFields(event, ["error"], text) };
        const isOver = event.completed !== undefined || event.error !== undefined;
        return isOver ? [...this.end(`${event.vertex} `), masked] : [masked];
      }
      case "status":
        return [{ ...event, id: text(event.id), name: text(event.name) }];
      case "warning": {
        const { location } = event;
        const place = location?.text === undefined ? {} : { location: { ...location, text: text(location.text) } };
        return [{ ...event, message: text(event.message), ...maskedFields(event, ["detail", "url"], text), ...place }];
      }
    }
  }

  /** What is held back of outputs, those of one step or all. */
  end(of = ""): readonly BuildEvent[] {
    const ended = [...this.#outputs].filter(([key]) => key.startsWith(of));
    return ended.flatMap(([key, { stream, last }]) => {
      this.#outputs.delete(key);
      const data = stream.end();
      return data.length === 0 ? [] : [{ ...last, data }];
    });
  }

  #log(event: LogEvent): readonly BuildEvent[] {
    const key = `${event.vertex} ${event.stream}`;
    const output = this.#outputs.get(key) ?? { stream: this.#masker.stream(), last: event };
    output.last = event;
    this.#outputs.set(key, output);
    const data = output.stream.push(event.data);
    return data.length === 0 ? [] : [{ ...event, data }];
  }
}

function maskedFields<K extends string>(
  event: { readonly [Key in K]?: string },
  keys: readonly K[],
  text: (known: string) => string,
): { readonly [Key in K]?: string } {
  const found: { [Key in K]?: string } = {};
  for (const key of keys) {
    const value = event[key];
    if (value !== undefined) found[key] = text(value);
  }
  return found;
}
