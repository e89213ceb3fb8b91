// The service containerd.services.content.v1.Content, to read only: the blobs of the store, and what is kept beside the
// records of builds (BuildKit, control/control.go: whoever may build may read what was built).

import { fstatSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { hexOf, isDigest } from "../../../builder/core/digest.ts";
import { streaming, unary } from "../../api/grpc/methods.ts";
import type { Handler } from "../../api/grpc/server.ts";
import { CODE, RpcError } from "../../api/grpc/status.ts";
import {
  ContentInfoRequest,
  ContentInfoResponse,
  ContentListRequest,
  ContentListResponse,
  ContentReadRequest,
  ContentReadResponse,
} from "../../api/proto/content.ts";
import type { ContentInfo } from "../../api/proto/content.ts";
import type { Of } from "../../api/proto/message.ts";
import type { Jobs } from "./jobs.ts";

const SERVICE = "/containerd.services.content.v1.Content";
const BLOBS = "blobs/sha256";
const CHUNK_BYTES = 1 << 20;
const MOST_LISTED = 100;

/** The methods that read; those that would change something say so. */
export function contentHandlers(root: string, jobs: Jobs): readonly (readonly [string, Handler])[] {
  const blobs = join(root, BLOBS);
  const opened = async (digest: string): Promise<FileHandle> => {
    if (!isDigest(digest)) throw new RpcError(CODE.invalidArgument, `"${digest}" is not a sha256 digest`);
    for (const path of [await jobs.attachment(digest), join(blobs, hexOf(digest))]) {
      const file = path === undefined ? undefined : await open(path).catch(() => undefined);
      if (file !== undefined) return file;
    }
    throw new RpcError(CODE.notFound, `content ${digest}: not found`);
  };
  const infoOf = async (digest: string): Promise<Of<typeof ContentInfo>> => {
    await using file = await opened(digest);
    const { size, birthtimeMs, mtimeMs } = fstatSync(file.fd);
    return { digest, size, createdAt: birthtimeMs, updatedAt: mtimeMs };
  };
  return [
    [
      `${SERVICE}/Info`,
      unary(ContentInfoRequest, ContentInfoResponse, async ({ digest }) => ({ info: await infoOf(digest) })),
    ],
    [
      `${SERVICE}/Read`,
      streaming(ContentReadRequest, async ({ digest, offset, size }, call) => {
        await using file = await opened(digest);
        const all = fstatSync(file.fd).size;
        if (offset > all) throw new RpcError(CODE.outOfRange, `read past object length ${all} bytes`);
        const start = Math.max(0, offset);
        const end = size > 0 ? Math.min(all, start + size) : all;
        for (let at = start; at < end && !call.signal.aborted;) {
          const { bytesRead, buffer } = await file.read({
            buffer: Buffer.alloc(Math.min(CHUNK_BYTES, end - at)),
            position: at,
          });
          if (bytesRead === 0) break;
          await call.send(ContentReadResponse.encode({ offset: at - start, data: buffer.subarray(0, bytesRead) }));
          at += bytesRead;
        }
      }),
    ],
    [
      `${SERVICE}/List`,
      streaming(ContentListRequest, async ({ filters }, call) => {
        if (filters.some((filter) => filter !== ""))
          throw new RpcError(CODE.unimplemented, "content is listed without filters");
        const names = await readdir(blobs).catch(() => []); // nothing was ever stored
        const digests = [...names.map((name) => `sha256:${name}`).filter(isDigest), ...(await jobs.attachments())];
        for (let at = 0; at < digests.length && !call.signal.aborted; at += MOST_LISTED) {
          const found = digests.slice(at, at + MOST_LISTED).map((digest) => infoOf(digest).catch(() => undefined));
          await call.send(
            ContentListResponse.encode({ info: (await Promise.all(found)).filter((one) => one !== undefined) }),
          );
        }
      }),
    ],
    ...["Update", "Delete", "Write", "Abort", "Status", "ListStatuses"].map((method) =>
      refused(`${SERVICE}/${method}`),
    ),
  ];
}

function refused(method: string): readonly [string, Handler] {
  return [
    method,
    () =>
      Promise.reject(
        new RpcError(CODE.unimplemented, "the content of this daemon can only be read: builds and pushes write it"),
      ),
  ];
}
