// An SSH agent for key files: it lists its keys and signs with them, and does nothing else
// (draft-miller-ssh-agent; BuildKit's key files are as read-only).

import { mkdtempSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BuildError } from "../../../builder/core/errors.ts";
import type { SigningKey } from "./private-key.ts";
import { string, uint32, WireReader } from "./wire.ts";

const FAILURE = 5;
const REQUEST_IDENTITIES = 11;
const IDENTITIES_ANSWER = 12;
const SIGN_REQUEST = 13;
const SIGN_RESPONSE = 14;
/** openssh's bound (AGENT_MAX_LEN). */
const LARGEST_MESSAGE_BYTES = 256 * 1024;
/** unix(7): with the ending zero, 108. */
const LONGEST_SOCKET_BYTES = 107;

/**
 * Listens on a new socket in a folder that only this user may enter; its path. The folder goes when this process ends,
 * and the agent does not keep the process alive. Throws `CONFIG` when there is no place for it.
 */
export async function startAgent(keys: readonly SigningKey[]): Promise<string> {
  const folder = makeFolder();
  const socket = join(folder, "agent.sock");
  const server = createServer((connection) => serve(connection, keys));
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(socket, resolve);
    });
  } catch (cause) {
    throw new BuildError("CONFIG", `cannot start an SSH agent in "${folder}"`, { cause, hint: String(cause) });
  }
  server.unref();
  return socket;
}

function makeFolder(): string {
  const name = "tsbuild-ssh-";
  const parent = [tmpdir(), "/tmp"].find(
    (path) => Buffer.byteLength(join(path, `${name}XXXXXX/agent.sock`)) <= LONGEST_SOCKET_BYTES,
  );
  const folder = mkdtempSync(join(parent ?? "/tmp", name));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function serve(connection: Socket, keys: readonly SigningKey[]): void {
  connection.unref();
  let pending = Buffer.alloc(0);
  connection.on("error", () => connection.destroy());
  connection.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 4) {
      const length = pending.readUInt32BE(0);
      if (length === 0 || length > LARGEST_MESSAGE_BYTES) return void connection.destroy();
      if (pending.length < 4 + length) return;
      connection.write(string(answer(pending.subarray(4, 4 + length), keys)));
      pending = pending.subarray(4 + length);
    }
  });
}

/** What an agent with these keys says to one message. */
export function answer(message: Buffer, keys: readonly SigningKey[]): Buffer {
  const failure = Buffer.of(FAILURE);
  try {
    const reader = new WireReader(message);
    switch (reader.byte()) {
      case REQUEST_IDENTITIES: {
        const identities = keys.flatMap(({ publicBlob }) => [string(publicBlob), string("")]);
        return Buffer.concat([Buffer.of(IDENTITIES_ANSWER), uint32(keys.length), ...identities]);
      }
      case SIGN_REQUEST: {
        const blob = reader.string();
        const data = reader.string();
        const key = keys.find(({ publicBlob }) => publicBlob.equals(blob));
        if (key === undefined) return failure;
        return Buffer.concat([Buffer.of(SIGN_RESPONSE), string(key.sign(data, reader.uint32()))]);
      }
      default:
        return failure;
    }
  } catch {
    return failure; // a message that is cut short, or a signature that cannot be made
  }
}
