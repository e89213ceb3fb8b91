// What a registry says when it does not do what was asked, as an error for people.

import type { IncomingMessage } from "node:http";
import { isDigest } from "../../../core/digest.ts";
import { BuildError } from "../../../core/errors.ts";
import type { HttpResponse } from "./http.ts";
import { retryAfterMs } from "./retry.ts";

/** What registries say of a tag that is there and may not be changed (Artifact Registry, ECR, Harbor). */
const IMMUTABLE = /immutab|cannot be overwritten|updating existing tag/i;

/** The specification's code, and what most registries have beside it. */
const ONLY_A_LOGIN = /^UNAUTHORIZED(?:: *(?:authentication required|unauthorized|authorization required)?\.?)?$/i;

const ERROR_BYTES = 16 << 10;

/** A registry's refusal, with its status. */
export class RefusalError extends BuildError {
  readonly status: number;
  /** The specification's codes: "MANIFEST_UNKNOWN". */
  readonly codes: readonly string[];

  constructor(message: string, status: number, codes: readonly string[], hint?: string) {
    super("REGISTRY", message, { hint });
    this.status = status;
    this.codes = codes;
  }
}

/** Whether an error is a registry's refusal to change a tag. */
export function isImmutableTag(error: unknown): boolean {
  return error instanceof RefusalError && error.status >= 400 && error.status < 500 && IMMUTABLE.test(error.message);
}

/** The error for an answer that is none of those expected; reads (a part of) its body. `what` names what was asked for. */
export async function refusalOf(response: HttpResponse, what: string): Promise<RefusalError> {
  const { status, headers, url } = response;
  const text = await startOf(response.body);
  const { codes, message } = saidIn(text);
  const isPage = /^\s*</.test(text) || (headers["content-type"] ?? "").includes("text/html");
  const said = isPage ? "it answered with a web page: is it a registry?" : message;
  return new RefusalError(
    `${what}: "${url.host}" answered HTTP ${status}${said === undefined ? "" : `: ${said}`}`,
    status,
    codes,
    hintFor(response, codes, message),
  );
}

/** What an answer with 401 says beside that it wants a login; reads (a part of) its body. */
export async function refusedLogin(response: HttpResponse): Promise<string | undefined> {
  const text = await startOf(response.body);
  const { codes, message } = saidIn(text);
  return codes.length === 0 || message === undefined || ONLY_A_LOGIN.test(message) ? undefined : message;
}

/** A manifest that a registry answered 404 about; `which`: its tag or digest. */
export function notThere(failure: BuildError, which: string): BuildError {
  const hint = `is the name right, and the ${isDigest(which) ? "digest" : "tag"}?`;
  return new BuildError("INPUT_MISSING", failure.message, { hint });
}

/** The error, with the registry's own words. */
export function saying(error: BuildError, said: string): BuildError {
  return new BuildError(error.code, `${error.message}: ${said}`, { hint: error.hint, cause: error });
}

/** The beginning of a body, as text; the rest is not read. */
export async function startOf(body: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      parts.push(chunk);
      size += chunk.length;
      if (size >= ERROR_BYTES) break; // ends the stream
    }
  } catch {
    // What came is enough for a message.
  }
  return Buffer.concat(parts).toString("utf8");
}

function hintFor({ status, headers }: HttpResponse, codes: readonly string[], message = ""): string | undefined {
  const askedMs = retryAfterMs(headers);
  if (askedMs !== undefined && askedMs > 0) return `it asks to come back in ${Math.ceil(askedMs / 1000)} s`;
  if (status < 500 && IMMUTABLE.test(message)) return "a tag that is there stays what it is: push another one";
  if (status === 429) return "it allows no more requests for now; with a login it may allow more";
  if (status === 413) return "the registry, or a server before it, takes nothing that large";
  if (status === 403) return "does the repository exist, under this name, and may this account use it?";
  if (status === 405 || codes.includes("UNSUPPORTED"))
    return "the registry does not offer this, or has it switched off";
  return undefined;
}

// {"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}
function saidIn(text: string): { readonly codes: readonly string[]; readonly message: string | undefined } {
  const codes: string[] = [];
  try {
    const { errors } = JSON.parse(text) as { errors?: readonly { code?: unknown; message?: unknown }[] };
    const said = (errors ?? []).map(({ code, message }) => {
      if (typeof code === "string") codes.push(code);
      return [code, message].filter((part) => typeof part === "string" && part !== "").join(": ");
    });
    if (said.length > 0) return { codes, message: clean(said.join("; "), 500) };
  } catch {
    // Not the specification's form.
  }
  const line = clean(text, 200);
  return { codes, message: line === "" ? undefined : `"${line}"` };
}

function clean(text: string, length: number): string {
  return text
    .replace(/[\x00-\x1f\x7f]+/g, " ")
    .trim()
    .slice(0, length);
}
