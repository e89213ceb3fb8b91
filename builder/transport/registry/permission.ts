// Whether a repository may be pushed to, found out before there is anything to push: an upload is begun and given up.

import { parseReference } from "../../core/image/reference.ts";
import type { RegistryOptions } from "./client.ts";
import { discard } from "./http/http.ts";
import { Repository } from "./repository.ts";

const ACCESS = "pull,push";

/** Throws `REGISTRY` with the registry's reason when it takes no upload for the repository ("docker.io/library/app"). */
export async function checkPushPermission(
  repository: string,
  options: RegistryOptions,
  signal: AbortSignal,
): Promise<void> {
  const places = new Repository(parseReference(repository), options);
  try {
    const client = await places.pushedTo();
    const response = await client.send("POST", "blobs/uploads/", ACCESS, signal, {
      headers: { "content-length": "0" },
    });
    if (response.status !== 202) throw await client.failure(response, "the permission to push");
    const upload = client.locationOf(response, "an upload");
    discard(response);
    // A registry that keeps it forgets it by itself after a while.
    await client.send("DELETE", upload, ACCESS, signal).then(discard, () => undefined);
  } finally {
    places.close();
  }
}
