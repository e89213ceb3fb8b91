// What a registry has under a name, asked by the daemon with the client's login: for clients that pin images.

import { hostPlatform } from "../../../builder/core/image/platform.ts";
import { parseReference } from "../../../builder/core/image/reference.ts";
import { imageFor } from "../../../builder/open-image.ts";
import { sendJson } from "../http/answer.ts";
import type { Route } from "../http/router.ts";
import type { DaemonSettings } from "../settings.ts";
import { openElsewhere } from "./images.ts";
import { registryLogin } from "./registry-auth.ts";

/** The route that looks an image up in its registry. */
export function distributionRoute(settings: DaemonSettings): Route {
  return {
    method: "GET",
    pattern: "/distribution/{name...}/json",
    handler: async ({ parameters, headers, signal }, response) => {
      const reference = parseReference(parameters["name"] ?? "");
      const credentials = registryLogin(headers, reference.registry);
      await using opened = await openElsewhere(settings, reference, credentials, signal);
      const { descriptor, document } = opened.top;
      const { mediaType, digest, size } = descriptor;
      const platforms =
        document.kind === "index"
          ? document.index.manifests.flatMap(({ platform }) => platform ?? [])
          : [(await imageFor(opened, undefined, signal)).config?.config ?? hostPlatform()];
      sendJson(response, 200, {
        Descriptor: { mediaType, digest, size },
        Platforms: platforms.map(({ architecture, os, variant }) => ({ architecture, os, variant })),
      });
    },
  };
}
