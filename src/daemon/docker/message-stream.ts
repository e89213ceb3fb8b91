// The answer of what takes long: JSON lines that come as things happen, the last of which may be an error. The status
// is 200 once the first has been written; before that an error is an answer like any other.

import type { ServerResponse } from "node:http";
import type { BuildEvent, EventSink, StatusEvent } from "../../../builder/core/events.ts";
import { asBuildError } from "../../../builder/core/errors.ts";
import { errorText, write } from "../http/answer.ts";

/** One line, as docker's clients know it (moby, pkg/jsonmessage). */
export interface Message {
  readonly stream?: string;
  readonly status?: string;
  readonly id?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly aux?: unknown;
  readonly errorDetail?: { readonly code?: number; readonly message: string };
  readonly error?: string;
}

const MOST_WAITING = 100;

/** Lines to a client, in order and at its pace. */
export class MessageStream {
  readonly #response: ServerResponse;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  /** Whether the client has been sent anything. */
  get hasBegun(): boolean {
    return this.#response.headersSent;
  }

  /** Sends a line after those before it. A client that has gone is no error: what it asked for is told by its signal. */
  send(message: Message): void {
    if (!this.hasBegun) {
      this.#response.writeHead(200, { "Content-Type": "application/json" });
      this.#response.flushHeaders();
    }
    this.#waiting++;
    this.#last = this.#last
      .then(() => write(this.#response, `${JSON.stringify(message)}\r\n`))
      .catch(() => undefined)
      .finally(() => this.#waiting--);
  }

  /** Sends a line that the next one makes worthless: where the client is slow it is left out. */
  sendProgress(message: Message): void {
    if (this.#waiting < MOST_WAITING) this.send(message);
  }

  /** Waits until all has been sent. */
  async flushed(): Promise<void> {
    await this.#last;
  }

  /** Waits until all has been sent, and ends the answer. */
  async end(): Promise<void> {
    await this.#last;
    this.#response.end();
  }

  /** Ends with an error, the status of which cannot be said any more. */
  async fail(error: unknown): Promise<void> {
    const known = asBuildError(error);
    const message = errorText(known);
    const code = known.exitCode === undefined ? {} : { code: known.exitCode };
    this.send({ errorDetail: { ...code, message }, error: message });
    await this.end();
  }
}

/** Does work that tells of itself. Throws what fails before the first line; after it the error is the last line. */
export async function underStream(
  response: ServerResponse,
  work: (stream: MessageStream) => Promise<void>,
): Promise<void> {
  const stream = new MessageStream(response);
  try {
    await work(stream);
  } catch (error) {
    if (!stream.hasBegun) throw error;
    await stream.fail(error);
    return;
  }
  await stream.end();
}

/** What a transfer does with a layer, in docker's words: "Pushing", "Pushed", "Layer already exists". */
export interface TransferWords {
  readonly verb: string;
  readonly done: string;
  readonly wasThere: string;
}

/** Progress of transfers as docker shows it: a line for each layer. */
export function transferEvents(stream: MessageStream, words: TransferWords): EventSink {
  const moved = new Set<string>();
  return (event: BuildEvent) => {
    if (event.kind === "status") {
      if (event.completed === undefined) moved.add(event.id);
      // What ends without having begun did not have to move.
      const done = moved.has(event.id) ? words.done : words.wasThere;
      stream.sendProgress(statusLine(event, words.verb, done));
    }
    if (event.kind === "warning") stream.send({ status: event.message });
  };
}

const SHORT_ID = 12;

function statusLine({ id, current, total, completed }: StatusEvent, verb: string, done: string): Message {
  const short = id.replace(/^.*sha256:/, "").slice(0, SHORT_ID);
  if (completed !== undefined) return { status: done, progressDetail: {}, id: short };
  return { status: verb, progressDetail: { current, ...(total > 0 ? { total } : {}) }, id: short };
}
