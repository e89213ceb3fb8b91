// What the secrets of a build hold, for those who must not write it down.

import type { Session } from "./core/session.ts";

/** The values as text: of the secrets that the client says it has, and of those named besides. */
export async function secretValues(session: Session, ids: readonly string[] = []): Promise<readonly string[]> {
  const all = [...new Set([...ids, ...(session.secretIds ?? [])])];
  const values = await Promise.all(all.map((id) => session.secret(id)));
  return values.flatMap((bytes) => (bytes === undefined ? [] : [Buffer.from(bytes).toString("utf8")]));
}
