// What the engine needs of whoever asked for the build, from a client over its session.

import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BuildError } from "../../../builder/core/errors.ts";
import type { Credentials, Session } from "../../../builder/core/session.ts";
import type { ClientCall } from "../../api/grpc/client.ts";
import { CODE, RpcError } from "../../api/grpc/status.ts";
import { Empty } from "../../api/proto/control.ts";
import { bytesMessage, readBytesMessage } from "../../api/proto/packets.ts";
import {
  CheckAgentRequest,
  CredentialsRequest,
  CredentialsResponse,
  GetSecretRequest,
  GetSecretResponse,
} from "../../api/proto/session.ts";
import type { ClientSession } from "./client-session.ts";
import { explainSession } from "./explain.ts";

const CREDENTIALS = "/moby.filesync.v1.Auth/Credentials";
const GET_SECRET = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
const CHECK_AGENT = "/moby.sshforward.v1.SSH/CheckAgent";
const FORWARD_AGENT = "/moby.sshforward.v1.SSH/ForwardAgent";
const UPLOAD = "/moby.upload.v1.Upload/Pull";
const LARGEST_SECRET_BYTES = 500 * 1024;
/** As docker's clients keep it. */
const HUB_HOST = "registry-1.docker.io";

/** The session of one build. What it opens is put on `held`. */
export function remoteSession(session: ClientSession, held: DisposableStack, signal: AbortSignal): Session {
  const agents = new Map<string, Promise<string | undefined>>();
  return {
    secret: (id) => secret(session, id, signal),
    credentials: (registry) => credentials(session, registry, signal),
    sshAgent: (id) => {
      const agent = agents.get(id) ?? forwardAgent(session, id, held, signal);
      agents.set(id, agent);
      return agent;
    },
  };
}

async function secret(session: ClientSession, id: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
  if (!session.offers(GET_SECRET)) return undefined;
  try {
    const { data } = await session.client.unary(GET_SECRET, [GetSecretRequest, GetSecretResponse], { id }, signal);
    if (data.length > LARGEST_SECRET_BYTES)
      throw new BuildError("USAGE", `secret "${id}" is too big: ${data.length} bytes, at most 500 KiB are allowed`);
    return data;
  } catch (error) {
    if (error instanceof RpcError && isAbsent(error)) return undefined;
    throw explainSession(error, `secret "${id}" cannot be had`, "INPUT_MISSING", signal);
  }
}

function isAbsent({ status }: RpcError): boolean {
  return status.code === CODE.notFound || status.code === CODE.unimplemented;
}

async function credentials(
  session: ClientSession,
  registry: string,
  signal: AbortSignal,
): Promise<Credentials | undefined> {
  if (!session.offers(CREDENTIALS)) return undefined;
  const host = registry === "docker.io" ? HUB_HOST : registry;
  try {
    const types = [CredentialsRequest, CredentialsResponse] as const;
    const { username, secret: password } = await session.client.unary(CREDENTIALS, types, { host }, signal);
    if (password === "") return undefined;
    return username === "" ? { username, password: "", identityToken: password } : { username, password };
  } catch (error) {
    if (error instanceof RpcError && isAbsent(error)) return undefined;
    throw explainSession(error, `the client's login for "${registry}" cannot be had`, "REGISTRY", signal);
  }
}

/** A socket of ours whose connections are carried to the client's agent. */
async function forwardAgent(
  session: ClientSession,
  id: string,
  held: DisposableStack,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (!session.offers(FORWARD_AGENT)) return undefined;
  try {
    await session.client.unary(CHECK_AGENT, [CheckAgentRequest, Empty], { id }, signal);
  } catch (error) {
    if (error instanceof RpcError && (isAbsent(error) || /unset ssh forward key/.test(error.message))) return undefined;
    throw explainSession(error, `the SSH agent "${id}" cannot be had`, "INPUT_MISSING", signal);
  }
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-ssh-"));
  held.defer(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "agent.sock");
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => open.delete(socket));
    void carry(session, id, socket, signal);
  });
  held.defer(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  return path;
}

async function carry(session: ClientSession, id: string, socket: Socket, signal: AbortSignal): Promise<void> {
  try {
    await using call = session.client.call(FORWARD_AGENT, { "buildkit.ssh.id": id }, signal);
    await Promise.all([
      (async () => {
        for await (const chunk of socket) if (chunk instanceof Uint8Array) await call.send(...bytesMessage(chunk));
        call.end();
      })(),
      (async () => {
        for await (const message of call.messages) socket.write(readBytesMessage(message));
        socket.end();
      })(),
    ]);
  } catch {
    socket.destroy(); // the program at its other end sees its agent go
  }
}

/** What a client pipes in, by the path of the URL that stands for it. */
export async function* uploaded(session: ClientSession, path: string, signal: AbortSignal): AsyncIterable<Uint8Array> {
  try {
    await using call: ClientCall = session.client.call(UPLOAD, { urlpath: path, urlhost: "buildkit-session" }, signal);
    call.end();
    for await (const message of call.messages) yield readBytesMessage(message);
  } catch (error) {
    throw explainSession(error, "the context that the client pipes in cannot be read", "CONTEXT", signal);
  }
}
