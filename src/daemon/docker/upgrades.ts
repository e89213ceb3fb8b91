// Connections of docker's clients that turn to HTTP/2: BuildKit's API, and the sessions of its clients.

import type { Duplex } from "node:stream";
import type { GrpcServer } from "../../api/grpc/server.ts";
import { Metadata } from "../../api/grpc/metadata.ts";
import type { UpgradeRoute } from "../http/router.ts";
import type { Sessions } from "../session/sessions.ts";

const PROTOCOL = "h2c";

/** `/grpc` and `/session`. */
export function upgradeRoutes(grpc: GrpcServer, sessions: Sessions): readonly UpgradeRoute[] {
  return [
    {
      path: "/grpc",
      protocol: PROTOCOL,
      handler: async ({ client }, connection) => {
        await switchProtocol(connection);
        grpc.accept(connection, client);
      },
    },
    {
      path: "/session",
      protocol: PROTOCOL,
      handler: ({ rawHeaders }, connection) =>
        sessions.holdOn(connection, new Metadata(rawHeaders), () => switchProtocol(connection)),
    },
  ];
}

/**
 * Whoever speaks HTTP/2 takes the connection from Node's streams: what they have not yet written would be a write of nobody's
 * for it, and Node stops the whole process for that (24.21, Http2Session::OnStreamAfterWrite).
 */
async function switchProtocol(connection: Duplex): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const answer = `HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: ${PROTOCOL}\r\n\r\n`;
    connection.write(answer, (error) => (error ? reject(error) : resolve()));
  });
}
