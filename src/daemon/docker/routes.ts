// The Docker Engine API, as much of it as building images and keeping them needs. What it has beside that is answered
// with a sentence.

import type { Route } from "../http/router.ts";
import { HttpError } from "../http/answer.ts";
import type { ControlWorld } from "../control/service.ts";
import { aboutRoutes } from "./about.ts";
import { buildRoutes } from "./build.ts";
import { distributionRoute } from "./distribution.ts";
import { diskRoutes } from "./disk.ts";
import { imageRoutes } from "./images.ts";
import { loginRoute } from "./login.ts";
import { transferRoutes } from "./transfers.ts";

/** Every route of the Engine API. */
export function dockerRoutes(world: ControlWorld): readonly Route[] {
  const { settings } = world;
  return [
    ...aboutRoutes(settings),
    ...buildRoutes(world),
    ...transferRoutes(settings),
    ...imageRoutes(settings),
    ...diskRoutes(settings.root),
    loginRoute(settings),
    distributionRoute(settings),
    ...notOffered(),
  ];
}

/** What docker has and a builder of images has not. */
const ELSEWHERE = [
  ...["containers", "networks", "volumes", "exec", "plugins"],
  ...["swarm", "nodes", "services", "tasks", "secrets", "configs"],
];

function notOffered(): readonly Route[] {
  return ELSEWHERE.flatMap((what) =>
    [`/${what}`, `/${what}/{rest...}`].map((pattern) => ({
      method: "*",
      pattern,
      handler: () =>
        Promise.reject(new HttpError(501, `tsbuild builds and keeps images: it does not offer docker's ${what}`)),
    })),
  );
}
