// The daemon's web page (`--ui`): builds, their timeline and output, what came of them, the disk. To look is open to whoever
// may build; to change something needs the token.

import type { Jobs } from "../control/jobs.ts";
import type { Route } from "../http/router.ts";
import type { DaemonSettings } from "../settings.ts";
import { listPage, livePage, recordPage, timelinePage } from "./builds-pages.ts";
import { diskPage, prunePage } from "./disk-page.ts";
import { imagePage } from "./image-page.ts";

export interface UiSettings {
  /** Of whoever may clear the store; undefined: nobody. */
  readonly token: string | undefined;
}

/** The pages of one store. */
export function uiRoutes({ token }: UiSettings, settings: DaemonSettings, jobs: Jobs): readonly Route[] {
  const { root } = settings;
  return [
    { method: "GET", pattern: "/ui", handler: async (_, response) => listPage(root, jobs, response) },
    {
      method: "GET",
      pattern: "/ui/builds/{id}",
      handler: ({ parameters }, response) => recordPage(root, parameters["id"] ?? "", response),
    },
    {
      method: "GET",
      pattern: "/ui/builds/{id}/image",
      handler: (request, response) => imagePage(settings, request, response),
    },
    {
      method: "GET",
      pattern: "/ui/running/{ref}",
      handler: (request, response) => livePage(jobs, request, response),
    },
    {
      method: "GET",
      pattern: "/ui/running/{ref}/steps",
      handler: async (request, response) => timelinePage(jobs, request, response),
    },
    { method: "GET", pattern: "/ui/disk", handler: (_, response) => diskPage(root, token !== undefined, response) },
    { method: "POST", pattern: "/ui/prune", handler: (request, response) => prunePage(root, token, request, response) },
  ];
}
