// The messages of containerd.services.content.v1.Content (containerd, api/services/content/v1/content.proto), as far as they
// are used.

import { bytes, int, many, message, one, string, strings, time } from "./message.ts";

export const ContentInfoRequest = message({ digest: string(1) });
export const ContentInfo = message({ digest: string(1), size: int(2), createdAt: time(3), updatedAt: time(4) });
export const ContentInfoResponse = message({ info: one(1, ContentInfo) });

export const ContentReadRequest = message({ digest: string(1), offset: int(2), size: int(3) });
export const ContentReadResponse = message({ offset: int(1), data: bytes(2) });
export const ContentListRequest = message({ filters: strings(1) });
export const ContentListResponse = message({ info: many(1, ContentInfo) });

/** What a message of a write does. */
export const WRITE_ACTION = { stat: 0, write: 1, commit: 2 } as const;
export const ContentWriteRequest = message({
  action: int(1),
  ref: string(2),
  total: int(3),
  expected: string(4),
  offset: int(5),
  data: bytes(6),
});
export const ContentWriteResponse = message({ action: int(1), offset: int(4), total: int(5), digest: string(6) });
