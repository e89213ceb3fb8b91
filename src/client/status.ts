// The messages of a build's status as the events that they were made of.

import type { Digest } from "../../builder/core/digest.ts";
import { isDigest } from "../../builder/core/digest.ts";
import type { BuildEvent, WarningEvent } from "../../builder/core/events.ts";
import type { StatusResponse } from "../api/proto/control.ts";

/**
 * The events in one message, which has them by kind: each step is known before what is said of it, and ends after that, or its
 * lines would be shown again when it is done.
 */
export function eventsOf({ vertexes, statuses, logs, warnings }: StatusResponse): readonly BuildEvent[] {
  const events: BuildEvent[] = [];
  const ends: BuildEvent[] = [];
  const spoken = new Set([...statuses, ...logs].map(({ vertex }) => vertex));
  for (const { digest, inputs, name, cached, started, completed, error } of vertexes) {
    if (!isDigest(digest)) continue;
    const begun: BuildEvent = {
      kind: "vertex",
      vertex: digest,
      name,
      inputs: inputs.filter(isDigest),
      ...(started === undefined ? {} : { started }),
    };
    const isLater = completed !== undefined && spoken.has(digest);
    if (isLater) events.push(begun);
    (isLater ? ends : events).push({
      ...begun,
      ...(cached ? { cached } : {}),
      ...(completed === undefined ? {} : { completed }),
      ...(error === "" ? {} : { error }),
    });
  }
  for (const { vertex, id, name, current, total, started, completed } of statuses) {
    if (!isDigest(vertex)) continue;
    const times = {
      ...(started === undefined ? {} : { started }),
      ...(completed === undefined ? {} : { completed }),
    };
    events.push({
      kind: "status",
      vertex,
      id,
      name: name || id,
      current,
      total,
      ...times,
    });
  }
  for (const { vertex, stream, data, timestamp } of logs)
    if (isDigest(vertex))
      events.push({
        kind: "log",
        vertex,
        stream: stream === 2 ? 2 : 1,
        data,
        time: timestamp ?? 0,
      });
  return [...events, ...ends, ...warnings.map(warningOf)];
}

/** Its text is "Rule: message (line 3)" where a rule of the Dockerfile fired. */
function warningOf({ vertex, short, detail, url, info, ranges }: StatusResponse["warnings"][number]): WarningEvent {
  const text = Buffer.from(short).toString("utf8");
  const [, rule, message = text] = /^([A-Z]\w+): (.*?)(?: \(line \d+\))?$/s.exec(text) ?? [];
  const known: Digest | undefined = isDigest(vertex) ? vertex : undefined;
  const first = ranges[0]?.start?.line;
  const location =
    info === undefined || first === undefined
      ? undefined
      : {
          file: info.filename,
          range: {
            startLine: first,
            endLine: ranges.at(-1)?.end?.line ?? first,
          },
          text: Buffer.from(info.data).toString("utf8"),
        };
  return {
    kind: "warning",
    message,
    ...(known === undefined ? {} : { vertex: known }),
    ...(rule === undefined ? {} : { rule }),
    ...(detail.length === 0
      ? {}
      : {
          detail: detail.map((line) => Buffer.from(line).toString("utf8")).join("\n"),
        }),
    ...(url === "" ? {} : { url }),
    ...(location === undefined ? {} : { location }),
  };
}
