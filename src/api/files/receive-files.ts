// The receiving side of a file transfer (BuildKit, session/filesync; fsutil, receive.go): the client tells of its files
// in order, what is wanted of them is asked for at once, and their bytes come in pieces.

import type { BytePath } from "../../../builder/core/bytes/byte-path.ts";
import { displayPath, parentOf } from "../../../builder/core/bytes/byte-path.ts";
import type { ClientFile, FileReceiver } from "../../../builder/core/client-file.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import type { Packet } from "../proto/packets.ts";
import { readPacket, writePacket } from "../proto/packets.ts";
import type { FileCall, FilePeer } from "./file-call.ts";
import { fileOf } from "./go-stat.ts";

const MOST_FILES = 4_000_000;
const LONGEST_PATH = 4096;

/** Receives a whole transfer. Throws with `peer`'s code for what no sender sends, `RpcError` when it goes. */
export async function receiveFiles(call: FileCall, receiver: FileReceiver, peer: FilePeer): Promise<void> {
  const broken = (what: string): BuildError =>
    new BuildError(peer.code, `the files of ${peer.name} come in a way that cannot be understood: ${what}`);
  const order = new PathOrder(broken);
  const awaited = new Map<number, BytePath>();
  let [count, isListed, isFinished] = [0, false, false];
  /** Takes one packet; true when nothing comes any more. */
  const take = (packet: Packet, answers: Uint8Array[]): boolean => {
    switch (packet.kind) {
      case "stat": {
        if (isListed) throw broken("a file is told of after the end of the list");
        if (packet.stat === undefined) {
          isListed = true;
          break;
        }
        const id = count++;
        if (count > MOST_FILES) throw broken(`more than ${MOST_FILES} files`);
        const file = fileOf(packet.stat);
        order.check(file);
        if (!receiver.entry(file)) break;
        awaited.set(id, file.path);
        answers.push(writePacket({ kind: "request", id }));
        break;
      }
      case "data": {
        const path = awaited.get(packet.id);
        if (path === undefined) throw broken(`bytes of a file that was not asked for (${packet.id})`);
        if (packet.data.length > 0) receiver.data(path, packet.data);
        else {
          awaited.delete(packet.id);
          receiver.done(path);
        }
        break;
      }
      case "error":
        throw new BuildError(peer.code, `${peer.name} cannot send its files: ${packet.message}`);
      case "finish":
        if (!isFinished) throw broken("the transfer ends before all files have come");
        return true;
      case "request":
        throw broken("a request for a file");
    }
    if (isListed && awaited.size === 0 && !isFinished) {
      isFinished = true;
      answers.push(writePacket({ kind: "finish" }));
    }
    return false;
  };
  // What has come together is answered together: a write for each of thousands of requests costs more than the files.
  for await (const messages of call.messages.together()) {
    const answers: Uint8Array[] = [];
    const isOver = messages.reduce((over, message) => over || take(readPacket(message), answers), false);
    await receiver.room?.();
    if (answers.length > 0) await call.sendAll(answers);
    if (!isOver) continue;
    // The sender may be gone with its last packet: who serves it has all, who called hears how it went.
    if (call.end === undefined) return;
    call.end();
  }
  if (!isFinished) throw broken("the transfer ends before all files have come");
}

/** Paths are relative, plain, and come after the directory that they are in. */
class PathOrder {
  readonly #broken: (what: string) => BuildError;
  readonly #directories = new Set<BytePath>([""]);
  readonly #seen = new Set<BytePath>();

  constructor(broken: (what: string) => BuildError) {
    this.#broken = broken;
  }

  check({ path, type, size }: ClientFile): void {
    const isPlain =
      path !== "" &&
      path.length <= LONGEST_PATH &&
      !path.includes("\0") &&
      path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
    if (!isPlain) throw this.#broken(`the path "${displayPath(path)}"`);
    if (!this.#directories.has(parentOf(path)))
      throw this.#broken(`"${displayPath(path)}" comes before the directory that it is in`);
    if (this.#seen.has(path)) throw this.#broken(`"${displayPath(path)}" comes twice`);
    if (!Number.isSafeInteger(size) || size < 0) throw this.#broken(`"${displayPath(path)}" has a size of ${size}`);
    this.#seen.add(path);
    if (type === "dir") this.#directories.add(path);
  }
}
