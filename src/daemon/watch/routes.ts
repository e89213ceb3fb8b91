// What whoever looks after the daemon asks over HTTP: whether it lives, whether it takes builds, and its numbers.

import type { Route } from "../http/router.ts";
import { sendBytes } from "../http/answer.ts";

/** What is answered from. */
export interface WatchWorld {
  /** Whether no new builds are taken. */
  isDraining(): boolean;
  metricsText(): Promise<string>;
}

const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";
const TEXT = "text/plain; charset=utf-8";

/** `/healthz` (it lives), `/readyz` (it takes builds), `/metrics`. */
export function watchRoutes(world: WatchWorld): readonly Route[] {
  return [
    {
      method: "GET",
      pattern: "/healthz",
      handler: async (_, response) => sendBytes(response, 200, TEXT, Buffer.from("ok\n")),
    },
    {
      method: "GET",
      pattern: "/readyz",
      handler: async (_, response) => {
        const isReady = !world.isDraining();
        const text = isReady ? "ok\n" : "stopping: no new builds are taken\n";
        sendBytes(response, isReady ? 200 : 503, TEXT, Buffer.from(text));
      },
    },
    {
      method: "GET",
      pattern: "/metrics",
      handler: async (_, response) => sendBytes(response, 200, METRICS_TYPE, Buffer.from(await world.metricsText())),
    },
  ];
}
