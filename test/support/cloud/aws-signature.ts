// What a server of AWS's protocols makes of a request's signature (Signature Version 4), written from the specification
// and independent of what is tested with it.

import { createHash, createHmac } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

export interface SignedRequest {
  readonly method: string;
  /** As sent: "/bucket/key?x=y". */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
}

export interface SignatureRules {
  readonly service: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** When it is, in ms; a request may be a quarter of an hour off. */
  readonly nowMs: number;
}

/** Why a server refuses a request; undefined when its signature holds. */
export function signatureFault(request: SignedRequest, rules: SignatureRules): string | undefined {
  const { headers, body } = request;
  const parts = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/.exec(headers.authorization ?? ""); // prettier-ignore
  if (parts === null) return "AccessDenied: there is no signature";
  const [, accessKeyId = "", date = "", region = "", service = "", signedNames = "", signature = ""] = parts;
  if (accessKeyId !== rules.accessKeyId) return "InvalidAccessKeyId: there is no such key";
  if (region !== rules.region || service !== rules.service) return `AuthorizationHeaderMalformed: the scope is ${region}/${service}`; // prettier-ignore
  if (headers["x-amz-security-token"] !== rules.sessionToken) return "InvalidToken: another session";
  const time = String(headers["x-amz-date"]);
  const sentMs = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
  if (!time.startsWith(date) || !(Math.abs(sentMs - rules.nowMs) < 15 * 60_000)) return "RequestTimeTooSkewed";
  const names = signedNames.split(";");
  const mustBeSigned = ["host", ...Object.keys(headers).filter((name) => name.startsWith("x-amz-"))];
  const unsigned = mustBeSigned.filter((name) => !names.includes(name));
  if (unsigned.length > 0) return `AccessDenied: ${unsigned.join(", ")} is not signed`;
  const stated = String(headers["x-amz-content-sha256"] ?? hash(body));
  if (service === "s3" && headers["x-amz-content-sha256"] === undefined) return "MissingSecurityHeader: x-amz-content-sha256"; // prettier-ignore
  if (stated !== "UNSIGNED-PAYLOAD" && stated !== hash(body)) return "XAmzContentSHA256Mismatch";
  const [path = "", query = ""] = request.target.split(/\?(.*)/s);
  const canonical = [
    request.method,
    path.split("/").map((part) => encode(decodeURIComponent(part))).join("/"), // prettier-ignore
    query.split("&").filter((pair) => pair !== "").map((pair) => pair.split(/=(.*)/s)).map(([name = "", value = ""]) => `${encode(decodeURIComponent(name))}=${encode(decodeURIComponent(value))}`).sort().join("&"), // prettier-ignore
    ...names.map((name) => `${name}:${String(headers[name]).trim().replaceAll(/ +/g, " ")}`),
    "",
    signedNames,
    stated,
  ].join("\n");
  const scope = `${date}/${region}/${service}/aws4_request`;
  const toSign = ["AWS4-HMAC-SHA256", time, scope, hash(canonical)].join("\n");
  const key = [date, region, service, "aws4_request"].reduce<string | Buffer>((last, part) => hmac(last, part), `AWS4${rules.secretAccessKey}`); // prettier-ignore
  return hmac(key, toSign).toString("hex") === signature ? undefined : "SignatureDoesNotMatch: it is another one"; // prettier-ignore
}

function hash(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac("sha256", key).update(data).digest();
}

function encode(text: string): string {
  return [...Buffer.from(text)].map((byte) => (/[A-Za-z0-9._~-]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)).join(""); // prettier-ignore
}
