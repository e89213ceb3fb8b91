// A folder of a client's as far as the build's policies let it be had.

import type { ClientFolder } from "../../../builder/core/session.ts";
import type { FolderWorld } from "../session/client-folder.ts";
import { SessionFolder } from "../session/client-folder.ts";
import type { ContextsWorld } from "./contexts.ts";
import { policedFolder } from "./source-policies.ts";

/** The folder that a session has under a name. */
export function sessionFolder(
  whose: Pick<FolderWorld, "session" | "name" | "sharedKeyHint">,
  { places, held, signal, policies }: ContextsWorld,
): ClientFolder {
  return policedFolder(new SessionFolder({ ...whose, places, held, signal }), whose.name, policies);
}
