// What the pool and its workers say to each other. All of it is plain data: it is cloned on the way.

import type { ErrorCode } from "../../core/errors.ts";
import type { GrowingFile } from "../../core/system/growing-file.ts";
import type {
  AlterRequest,
  ApplyRequest,
  ChangesRequest,
  DiffRequest,
  PackRequest,
  PlainRequest,
  SearchRequest,
  TranscodeRequest,
  UnpackRequest,
  WriteRequest,
} from "./jobs.ts";

export type Job =
  | { readonly kind: "pack"; readonly request: PackRequest }
  | { readonly kind: "search"; readonly request: SearchRequest }
  | { readonly kind: "apply"; readonly request: ApplyRequest }
  | {
      readonly kind: "apply growing";
      readonly request: Omit<ApplyRequest, "blobFile">;
      readonly file: GrowingFile;
    }
  | { readonly kind: "unpack"; readonly request: UnpackRequest }
  | { readonly kind: "write"; readonly request: WriteRequest }
  | { readonly kind: "alter"; readonly request: AlterRequest }
  | { readonly kind: "diff"; readonly request: DiffRequest }
  | { readonly kind: "plain"; readonly request: PlainRequest }
  | { readonly kind: "changes"; readonly request: ChangesRequest }
  | { readonly kind: "transcode"; readonly request: TranscodeRequest };

export interface JobMessage {
  readonly job: Job;
  /** One Int32; not 0 when the job is to stop. */
  readonly abortFlag: SharedArrayBuffer;
}

/** A BuildError in pieces: classes do not survive the way between threads. */
export interface JobError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
  readonly exitCode: number | undefined;
  /** Where in the worker it was thrown. */
  readonly cause: string | undefined;
}

/** `index`: the bytes of a layer's index (index-file.ts), handed over instead of cloned. */
export type JobAnswer =
  { readonly result: unknown; readonly index?: Uint8Array<ArrayBuffer> } | { readonly error: JobError };
