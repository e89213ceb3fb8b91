// xz through liblzma compiled to WebAssembly, driven by its C interface, since the
// package's own stream drops every stream of a file but the first (docs/dependencies.md).

import { initModule, WasmLzmaStream } from "node-liblzma/wasm";
import type { LZMAModule } from "node-liblzma/wasm";
import { BuildError } from "../../core/errors.ts";
import { invalidArchive } from "../tar/tar-format.ts";

/** The decoded bytes of all streams of an .xz file. Throws `ARCHIVE_INVALID`. */
export async function* unxz(source: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  const lzma = await initModule();
  const decoder = new Decoder(lzma);
  try {
    for await (const chunk of source) {
      for (let at = 0; at < chunk.length; at += BUFFER_BYTES) {
        yield* decoder.decode(chunk.subarray(at, at + BUFFER_BYTES), RUN);
      }
    }
    yield* decoder.decode(new Uint8Array(0), FINISH);
  } finally {
    decoder.free();
  }
}

const BUFFER_BYTES = 256 << 10;
/** The module may grow to 256 MiB; a dictionary of `xz -9` is 64. */
const MEMORY_LIMIT = 240n << 20n;
const CONCATENATED = 0x08;
const [RUN, FINISH] = [0, 3] as const;
const RESULT = {
  ok: 0,
  streamEnd: 1,
  noCheck: 2,
  unsupportedCheck: 3,
  getCheck: 4,
  memory: 5,
  memoryLimit: 6,
  format: 7,
  options: 8,
  data: 9,
  buffer: 10,
} as const;

class Decoder {
  readonly #lzma: LZMAModule;
  readonly #stream: WasmLzmaStream;
  readonly #input: number;
  readonly #output: number;

  constructor(lzma: LZMAModule) {
    this.#lzma = lzma;
    this.#stream = new WasmLzmaStream(lzma);
    this.#input = lzma._malloc(BUFFER_BYTES);
    this.#output = lzma._malloc(BUFFER_BYTES);
    const result = lzma._lzma_stream_decoder(this.#stream.ptr, MEMORY_LIMIT, CONCATENATED);
    if (result !== RESULT.ok || this.#input === 0 || this.#output === 0)
      throw new BuildError("INTERNAL", `liblzma does not start (${result})`);
  }

  *decode(chunk: Uint8Array, action: typeof RUN | typeof FINISH): Generator<Uint8Array> {
    this.#lzma.HEAPU8.set(chunk, this.#input);
    this.#stream.setInput(this.#input, chunk.length);
    for (;;) {
      this.#stream.setOutput(this.#output, BUFFER_BYTES);
      const result = this.#lzma._lzma_code(this.#stream.ptr, action);
      const length = BUFFER_BYTES - this.#stream.availOut;
      // HEAPU8 is another array after the memory has grown.
      if (length > 0) yield this.#lzma.HEAPU8.slice(this.#output, this.#output + length);
      if (result === RESULT.streamEnd) return;
      if (result === RESULT.buffer && action === RUN) return;
      if (result !== RESULT.ok) throw failure(result);
      if (action === RUN && this.#stream.availIn === 0 && length < BUFFER_BYTES) return;
    }
  }

  free(): void {
    this.#lzma._lzma_end(this.#stream.ptr);
    this.#lzma._free(this.#input);
    this.#lzma._free(this.#output);
    this.#stream.free();
  }
}

function failure(result: number): BuildError {
  switch (result) {
    case RESULT.buffer:
      return invalidArchive("its xz data is cut (truncated)");
    case RESULT.memory:
    case RESULT.memoryLimit:
      return new BuildError("UNSUPPORTED", "its xz data needs a dictionary of more than 200 MiB", {
        hint: "compress it with xz -9 or less",
      });
    case RESULT.options:
    case RESULT.unsupportedCheck:
      return new BuildError("UNSUPPORTED", "its xz data uses a filter or check that cannot be read");
    default:
      return invalidArchive(`its xz data is damaged (liblzma: ${result})`);
  }
}
