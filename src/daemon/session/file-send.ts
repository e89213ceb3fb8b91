// Outputs on their way to the client: one file as bytes, or a folder as packets (BuildKit, session/filesync; fsutil,
// send.go).

import { BuildError } from "../../../builder/core/errors.ts";
import type { FileSink, FolderSink } from "../../../builder/request.ts";
import type { FilePeer } from "../../api/files/file-call.ts";
import { sendFiles } from "../../api/files/send-files.ts";
import type { ClientCall } from "../../api/grpc/client.ts";
import { bytesMessage } from "../../api/proto/packets.ts";
import type { ClientSession } from "./client-session.ts";
import { explainSession } from "./explain.ts";

const DIFF_COPY = "/moby.filesync.v1.FileSend/DiffCopy";
/** The client takes at most 4 MiB a message. */
const CHUNK_BYTES = 1 << 20;
const PEER: FilePeer = { name: "the client", code: "OUTPUT" };

/** Where an output goes: the client's session, and which of its outputs it is. */
export interface OutputWorld {
  readonly session: ClientSession;
  /** Its place in the client's list of exporters. */
  readonly exporter: number;
  readonly signal: AbortSignal;
}

/** One output file of the client's. */
export function clientFile(world: OutputWorld): FileSink {
  let call: ClientCall | undefined;
  const explained = async (work: (call: ClientCall) => Promise<void>): Promise<void> => {
    try {
      await work((call ??= begin(world)));
    } catch (error) {
      throw explainSession(error, "the client does not take the output", "OUTPUT", world.signal);
    }
  };
  return {
    kind: "stream",
    write: (chunk) =>
      explained(async (open) => {
        for (let at = 0; at < chunk.length; at += CHUNK_BYTES)
          await sendOrSay(open, bytesMessage(chunk.subarray(at, at + CHUNK_BYTES)));
      }),
    end: () =>
      explained(async (open) => {
        open.end();
        await open.ended();
      }),
  };
}

/** What the client says is told, not that it stopped listening. */
async function sendOrSay(call: ClientCall, parts: readonly Uint8Array[]): Promise<void> {
  try {
    await call.send(...parts);
  } catch (error) {
    await call.ended();
    throw error;
  }
}

function begin({ session, exporter, signal }: OutputWorld): ClientCall {
  if (!session.offers(DIFF_COPY)) throw new BuildError("OUTPUT", "the client takes no output");
  return session.client.call(DIFF_COPY, { "buildkit-attachable-exporter-id": String(exporter) }, signal);
}

/** A folder of the client's. */
export function clientDirectory(world: OutputWorld): FolderSink {
  return {
    write: async (files) => {
      try {
        await using call = begin(world);
        await sendFiles(call, files, PEER);
      } catch (error) {
        throw explainSession(error, "the client does not take the files", "OUTPUT", world.signal);
      }
    },
  };
}
