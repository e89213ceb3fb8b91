// Requests to AWS and to what speaks its protocols, signed (Signature Version 4; docs.aws.amazon.com, "Create a signed
// AWS API request").

import { AwsV4Signer } from "aws4fetch";
import type { HttpRequest } from "../registry/http/http.ts";

/** Keys of an account or of a session of it. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** ms since the epoch; undefined: they stay good. */
  readonly expiresMs?: number;
}

export interface AwsScope {
  /** "s3", "sts", "ecr". */
  readonly service: string;
  readonly region: string;
}

/** SHA-256 of nothing, in hex: what requests without a body state. */
export const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/**
 * The same request with its signature. `sha256`: of the body, in hex. Its URL must have each part percent-encoded; all
 * headers but those that proxies change are signed.
 */
export async function signAws(
  request: HttpRequest,
  credentials: AwsCredentials,
  { service, region }: AwsScope,
  sha256 = EMPTY_SHA256,
): Promise<HttpRequest> {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const signer = new AwsV4Signer({
    method: request.method,
    url: request.url.href,
    headers: { ...request.headers, "x-amz-content-sha256": sha256 },
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    service,
    region,
  });
  const { headers } = await signer.sign();
  return { ...request, headers: Object.fromEntries(headers) };
}
