// Small requests to services of a cloud, and their answers.

import * as v from "valibot";
import { BuildError } from "../../core/errors.ts";
import type { HttpClient, HttpRequest } from "../registry/http/http.ts";
import { readWhole } from "../registry/http/whole-answer.ts";
import { elementText } from "./xml.ts";

const MAX_BYTES = 1 << 20;

/** An answer's text. Throws `REGISTRY` for another status than 200; `what` names what was asked for, no secret in it. */
export async function textAnswer(
  http: HttpClient,
  request: HttpRequest,
  what: string,
  signal: AbortSignal,
): Promise<string> {
  const { response, bytes } = await readWhole(() => http.send(request, signal), {
    maxBytes: MAX_BYTES,
    what: `the answer of "${request.url.host}"`,
    retry: http.retry,
    signal,
    wants: () => true,
  });
  const text = Buffer.from(bytes ?? []).toString("utf8");
  if (response.status === 200) return text;
  throw new BuildError("REGISTRY", `${what}: "${request.url.host}" answered HTTP ${response.status}${reasonIn(text)}`);
}

/** An answer's JSON, as its schema has it. Throws `REGISTRY`. */
export async function jsonAnswer<const Schema extends v.GenericSchema>(
  http: HttpClient,
  request: HttpRequest,
  schema: Schema,
  what: string,
  signal: AbortSignal,
): Promise<v.InferOutput<Schema>> {
  const text = await textAnswer(http, request, what, signal);
  return parseAnswer(schema, text, what, `"${request.url.host}"`);
}

/** The same of an answer that is here, given by `who`. */
export function parseAnswer<const Schema extends v.GenericSchema>(
  schema: Schema,
  text: string,
  what: string,
  who = "the service",
): v.InferOutput<Schema> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const result = v.safeParse(schema, json);
  if (result.success) return result.output;
  throw new BuildError("REGISTRY", `${what}: ${who} answered with something else`);
}

/** A form as a POST's body. */
export function formRequest(
  url: URL,
  fields: Readonly<Record<string, string>>,
  accept = "application/json",
): HttpRequest {
  const body = Buffer.from(new URLSearchParams(fields).toString());
  return {
    method: "POST",
    url,
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      "content-length": String(body.length),
      accept,
    },
    body: async function* () {
      yield body;
    },
  };
}

/** What a refusal says of itself: the code of an AWS or Azure error, with its sentence. */
export function reasonIn(text: string): string {
  const json = (...names: readonly string[]): string | undefined =>
    names
      .map((name) => new RegExp(`"${name}"\\s*:\\s*"((?:[^"\\\\]|\\\\.)*)"`).exec(text)?.[1])
      .find((found) => found !== undefined);
  const code = elementText(text, "Code") ?? json("code", "Code", "__type", "error");
  const message = elementText(text, "Message") ?? json("message", "Message", "msg", "error_description");
  const said = [code, message].filter((part) => part !== undefined && part !== "").join(": ");
  return said === "" ? "" : `: ${said.replace(/[\x00-\x1f\x7f]+/g, " ").slice(0, 300)}`;
}
