// A cache in a bucket of S3. Blobs that are there already are touched now and then, so that a rule of the bucket can take
// away those that nobody needs any more.

import type { Descriptor } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { digestOf } from "../../core/digest.ts";
import type { AwsWay } from "../../transport/cloud/aws-credentials.ts";
import { AwsLogin } from "../../transport/cloud/aws-credentials.ts";
import type { S3Place } from "../../transport/cloud/s3.ts";
import { S3Bucket } from "../../transport/cloud/s3.ts";
import type { HttpClient } from "../../transport/registry/http/http.ts";
import type { CacheBucket } from "./bucket.ts";
import { DOCUMENT_BYTES } from "./bucket.ts";

export interface S3CacheOptions {
  readonly place: S3Place;
  readonly way: AwsWay;
  /** What the keys of documents and of blobs begin with. */
  readonly manifestsPrefix: string;
  readonly blobsPrefix: string;
  /** Of the documents; each is written, each is read. */
  readonly names: readonly string[];
  /** A blob that is older is touched. */
  readonly touchMs: number;
}

export function openS3Cache(options: S3CacheOptions, http: HttpClient): CacheBucket {
  const { names, manifestsPrefix, blobsPrefix, touchMs } = options;
  const bucket = new S3Bucket(options.place, new AwsLogin(options.way, http), http);
  const keyOf = ({ digest }: { readonly digest: Digest }): string => blobsPrefix + digest;
  return {
    name: `${bucket.name}/${manifestsPrefix}${names.join(";")}`,
    documents: async (signal) => {
      const read = names.map((name) => bucket.read(manifestsPrefix + name, DOCUMENT_BYTES, signal));
      return (await Promise.all(read)).filter((bytes) => bytes !== undefined);
    },
    blob: (descriptor, signal) => bucket.open(keyOf(descriptor), 0, signal),
    blobFrom: (descriptor, from, signal) => bucket.open(keyOf(descriptor), from, signal),
    has: async (descriptor, signal) => {
      const found = await bucket.head(keyOf(descriptor), signal);
      if (found === undefined) return false;
      if (Date.now() - found.modifiedMs > touchMs) await bucket.touch(keyOf(descriptor), found.sizeBytes, signal);
      return true;
    },
    putBlob: async (descriptor: Descriptor, open, signal) => {
      const object = { sizeBytes: descriptor.size, sha256: hexOf(descriptor.digest), open };
      await bucket.put(keyOf(descriptor), object, signal);
    },
    putDocument: async (bytes, signal) => {
      const object = { sizeBytes: bytes.length, sha256: hexOf(digestOf(bytes)), open: () => once(bytes) };
      for (const name of names) await bucket.put(manifestsPrefix + name, object, signal);
    },
    [Symbol.asyncDispose]: async () => http.close(),
  };
}

function hexOf(digest: Digest): string {
  return digest.slice("sha256:".length);
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
