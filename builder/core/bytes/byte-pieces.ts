// Long lists as bytes. Text that grows by many small parts is a tree of them until it is needed, and all of that has to be
// kept alive, and copied by the collector, meanwhile; turned to bytes piece by piece it is gone again while it is young.

const PIECE_CHARS = 32 << 10;

/** The parts, whose characters are bytes (0-255), behind one another in pieces of about 32 KiB. */
export function* bytePieces(parts: Iterable<string>): Iterable<Buffer> {
  let text = "";
  for (const part of parts) {
    text += part;
    if (text.length < PIECE_CHARS) continue;
    yield Buffer.from(text, "latin1");
    text = "";
  }
  if (text !== "") yield Buffer.from(text, "latin1");
}
