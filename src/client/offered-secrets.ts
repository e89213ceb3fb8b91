// What the daemon may ask of this side's secrets, logins and SSH agents.

import { once } from "node:events";
import { connect } from "node:net";
import type { Session } from "../../builder/core/session.ts";
import { unary } from "../api/grpc/methods.ts";
import type { Handler, ServerCall } from "../api/grpc/server.ts";
import { CODE, RpcError } from "../api/grpc/status.ts";
import { Empty } from "../api/proto/control.ts";
import { bytesMessage, readBytesMessage } from "../api/proto/packets.ts";
import {
  CheckAgentRequest,
  CredentialsRequest,
  CredentialsResponse,
  GetSecretRequest,
  GetSecretResponse,
} from "../api/proto/session.ts";

/** docker's clients keep Docker Hub's login under another name. */
const HUB_HOSTS = new Set(["registry-1.docker.io", "index.docker.io", "https://index.docker.io/v1/"]);

/** The methods of a session that give what `session` has. */
export function secretHandlers(session: Session): readonly (readonly [string, Handler])[] {
  return [
    [
      "/moby.filesync.v1.Auth/Credentials",
      unary(CredentialsRequest, CredentialsResponse, async ({ host }) => {
        const found = await session.credentials(HUB_HOSTS.has(host) ? "docker.io" : host);
        if (found === undefined) return {};
        // An identity token stands alone.
        return found.identityToken === undefined
          ? { username: found.username, secret: found.password }
          : { secret: found.identityToken };
      }),
    ],
    [
      "/moby.buildkit.secrets.v1.Secrets/GetSecret",
      unary(GetSecretRequest, GetSecretResponse, async ({ id }) => {
        const data = await session.secret(id);
        if (data === undefined) throw new RpcError(CODE.notFound, `no secret "${id}"`);
        return { data };
      }),
    ],
    [
      "/moby.sshforward.v1.SSH/CheckAgent",
      unary(CheckAgentRequest, Empty, async ({ id }) => {
        await agentOf(session, id);
        return {};
      }),
    ],
    ["/moby.sshforward.v1.SSH/ForwardAgent", (call) => forward(session, call)],
  ];
}

async function agentOf(session: Session, id: string): Promise<string> {
  const path = await session.sshAgent(id || "default");
  if (path === undefined) throw new RpcError(CODE.notFound, `unset ssh forward key ${id || "default"}`);
  return path;
}

async function forward(session: Session, call: ServerCall): Promise<void> {
  const socket = connect(await agentOf(session, call.metadata.get("buildkit.ssh.id") ?? ""));
  await once(socket, "connect");
  call.start();
  const stop = (): void => void socket.destroy();
  call.signal.addEventListener("abort", stop, { once: true });
  try {
    await Promise.all([
      (async () => {
        for await (const message of call.messages) socket.write(readBytesMessage(message));
        socket.end();
      })(),
      (async () => {
        for await (const chunk of socket) if (chunk instanceof Uint8Array) await call.send(...bytesMessage(chunk));
      })(),
    ]);
  } finally {
    call.signal.removeEventListener("abort", stop);
    socket.destroy();
  }
}
