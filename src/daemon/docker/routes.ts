// The Docker Engine API, as much of it as building images and keeping them needs. What it has beside that is answered
// with a sentence.

import type { Route } from "../http/router.ts";
import { HttpError, sendJson } from "../http/answer.ts";
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
  const { settings, events } = world;
  return [
    ...aboutRoutes(settings, events),
    ...buildRoutes(world),
    ...transferRoutes(settings, events),
    ...imageRoutes(settings, events),
    ...diskRoutes(settings.root, events),
    loginRoute(settings),
    distributionRoute(settings),
    ...nothingToPrune(),
    ...thereIsNone(),
    ...notOffered(),
  ];
}

/** `docker system prune` asks for these beside what there is. */
function nothingToPrune(): readonly Route[] {
  const answers = {
    containers: { ContainersDeleted: [], SpaceReclaimed: 0 },
    networks: { NetworksDeleted: [] },
    volumes: { VolumesDeleted: [], SpaceReclaimed: 0 },
  };
  return Object.entries(answers).map(([what, answer]) => ({
    method: "POST",
    pattern: `/${what}/prune`,
    handler: async (_, response) => sendJson(response, 200, answer),
  }));
}

/** What docker has and a builder of images has not. */
const ELSEWHERE = [
  ...["containers", "networks", "volumes", "exec", "plugins", "commit"],
  ...["swarm", "nodes", "services", "tasks", "secrets", "configs", "images/search"],
];

/** Containers are none; `docker inspect NAME` asks for all of the others until one has it. */
function thereIsNone(): readonly Route[] {
  const places = {
    "containers/{name...}/json": "container",
    "networks/{name...}": "network",
    "volumes/{name...}": "volume",
    "plugins/{name...}/json": "plugin",
    ...{ "services/{name...}": "service", "tasks/{name...}": "task", "nodes/{name...}": "node" },
    ...{ "secrets/{name...}": "secret", "configs/{name...}": "config" },
  };
  const named: readonly Route[] = Object.entries(places).map(([path, what]) => ({
    method: "GET",
    pattern: `/${path}`,
    handler: ({ parameters }) => Promise.reject(new HttpError(404, `No such ${what}: ${parameters["name"] ?? ""}`)),
  }));
  // Testcontainers looks for helpers of its own among them before it builds.
  return [
    { method: "GET", pattern: "/containers/json", handler: async (_, response) => sendJson(response, 200, []) },
    ...named,
  ];
}

function notOffered(): readonly Route[] {
  return ELSEWHERE.flatMap((what) =>
    [`/${what}`, `/${what}/{rest...}`].map((pattern) => ({
      method: "*",
      pattern,
      handler: () =>
        Promise.reject(
          new HttpError(501, `tsbuild builds and keeps images: it does not offer docker's ${what.replace("/", " ")}`),
        ),
    })),
  );
}
