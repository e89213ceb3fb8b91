// What pulls, pushes and archives of docker's clients have in common as requests.

import type { TransferRequest } from "../../../builder/copy.ts";
import type { EventSink } from "../../../builder/core/events.ts";
import { parseReference } from "../../../builder/core/image/reference.ts";
import type { Reference } from "../../../builder/core/image/reference.ts";
import type { Session } from "../../../builder/core/session.ts";
import type { RegistryAccess } from "../../../builder/registry-options.ts";
import { DEFAULT_LIMITS } from "../../cli/values/unpack-limits.ts";
import { HttpError } from "../http/answer.ts";
import type { DaemonSettings } from "../settings.ts";
import { sessionOf } from "./registry-auth.ts";

/**
 * A name and the tag, or the digest, that stands in it or beside it in the query, which counts before the name's own;
 * `isTagged`: there is one.
 */
export function taggedReference(
  name: string,
  tag: string,
): { readonly reference: Reference; readonly isTagged: boolean } {
  if (name === "") throw new HttpError(400, "no image is named");
  if (tag === "") return { reference: parseReference(name), isTagged: /[@:][^/]*$/.test(name) };
  const { registry, repository } = parseReference(name);
  const whole = `${registry}/${repository}${tag.startsWith("sha256:") ? "@" : ":"}${tag}`;
  return { reference: parseReference(whole), isTagged: true };
}

/** What each has, with who is told of it. */
export function transferOf(settings: DaemonSettings, events: EventSink): TransferRequest {
  const { root, environment } = settings;
  const { expandName } = settings.registries([]);
  return {
    root,
    limits: DEFAULT_LIMITS,
    checkLayers: undefined,
    expandName,
    retries: 0,
    events,
    now: Date.now,
    environment,
  };
}

/** Registries, with the client's login. */
export function accessOf(settings: DaemonSettings, credentials: Session["credentials"]): RegistryAccess {
  const { router } = settings.registries([]);
  return { router, session: sessionOf(credentials), environment: settings.environment };
}
