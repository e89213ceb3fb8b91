// What the secrets of a build hold, for those who must not write it down.

import { isSecretName, Withheld } from "../../attest/withheld.ts";
import type { Session } from "../../core/session.ts";
import type { BuildRequest } from "../../request.ts";

/** The values as text, in each way to write them: of the secrets that the client says it has, and of those named besides. */
export async function secretValues(session: Session, ids: readonly string[] = []): Promise<readonly string[]> {
  const all = [...new Set([...ids, ...(session.secretIds ?? [])])];
  if (all.length === 0) return [];
  const { logForms } = await import("../../guard/forms.ts");
  const values = await Promise.all(all.map((id) => session.secret(id)));
  return values.flatMap((bytes) => {
    if (bytes === undefined) return [];
    const { plain, encoded } = logForms(bytes);
    return [...plain, ...encoded.map((form) => form.bytes)].map((form) => Buffer.from(form).toString("utf8"));
  });
}

/** What must not be written down of a build: the values of its secrets, and of arguments whose names say that they are some. */
export async function withheldOf({
  buildArgs,
  session,
}: Pick<BuildRequest, "buildArgs" | "session">): Promise<Withheld> {
  const named = [...buildArgs].flatMap(([name, value]) => (isSecretName(name) ? [value] : []));
  return new Withheld([...named, ...(await secretValues(session))]);
}
