// bzip2 through unbzip2-stream. It works synchronously inside `write` and, for a cut file, throws
// whatever it stumbles over: both are put straight here.

import unbzip2 from "unbzip2-stream";
import { invalidArchive } from "../tar/tar-format.ts";

/** The decoded bytes of all streams of a .bz2 file. Throws `ARCHIVE_INVALID`. */
export async function* bunzip2(source: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = unbzip2();
  const ready: Uint8Array[] = [];
  let failure: unknown;
  decoder.on("data", (bytes: Uint8Array) => void ready.push(bytes));
  decoder.on("error", (error: unknown) => (failure ??= error));
  const taken = (): Uint8Array[] => {
    if (failure !== undefined) throw damaged(failure);
    return ready.splice(0);
  };
  for await (const chunk of source) {
    decoder.write(chunk);
    yield* taken();
  }
  decoder.end();
  yield* taken();
}

function damaged(error: unknown): Error {
  const text = error instanceof Error ? error.message : String(error);
  const isCut = error instanceof TypeError || text.includes("prematurely");
  return invalidArchive(
    isCut ? "its bzip2 data is cut (truncated)" : `its bzip2 data is damaged: ${text}`,
    undefined,
    error,
  );
}
