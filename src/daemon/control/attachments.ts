// What is kept beside the record of a build, each under its digest: its log, how it came to be, its spans, its failure.
// Clients learn of them from the record, and read them as content.

import type { Descriptor } from "../../../builder/core/image/descriptor.ts";
import type { Digest } from "../../../builder/core/digest.ts";
import { digestOf } from "../../../builder/core/digest.ts";
import { digestOfFile } from "../../../builder/core/system/file-digest.ts";
import { StatusMessage } from "../../api/proto/bridge.ts";
import type { RecordDescriptor, RecordResult } from "../../api/proto/disk.ts";
import type { Of } from "../../api/proto/message.ts";
import { spanStubs } from "../watch/span-stubs.ts";
import type { EndedJob } from "./jobs.ts";

/** One of them. */
export interface Attachment {
  readonly kind: keyof typeof MEDIA_TYPES;
  readonly digest: Digest;
  readonly size: number;
  /** Of a build for several platforms, the one that it is about. */
  readonly platform?: string | undefined;
}

/** The types by which clients know them (BuildKit, solver/llbsolver/history.go; one is spelled as it is there). */
const MEDIA_TYPES = {
  log: "application/vnd.buildkit.status.v0",
  provenance: "application/vnd.in-toto+json",
  trace: "application/vnd.buildkit.otlp.json.v0",
  failure: "application/vnd.googeapis.google.rpc.status+proto",
} as const;
/** Of the version that records have. */
const PREDICATE = new Map([["in-toto.io/predicate-type", "https://slsa.dev/provenance/v0.2"]]);

/** What a build leaves beside its log, with the bytes. */
export function attachmentsOf({
  outcome,
  observed,
}: Pick<EndedJob, "outcome" | "observed">): readonly (readonly [Attachment, Uint8Array])[] {
  const { provenance, error } = outcome;
  const several = provenance.size > 1;
  const spans = observed?.spans ?? [];
  return [
    ...[...provenance].map(([platform, predicate]) =>
      attached("provenance", Buffer.from(JSON.stringify(predicate, undefined, 2)), several ? platform : undefined),
    ),
    ...(spans.length === 0 ? [] : [attached("trace", Buffer.from(spanStubs(spans)))]),
    ...(error === undefined ? [] : [attached("failure", StatusMessage.encode(error))]),
  ];
}

function attached(kind: Attachment["kind"], bytes: Uint8Array, platform?: string): readonly [Attachment, Uint8Array] {
  return [
    { kind, digest: digestOf(bytes), size: bytes.length, ...(platform === undefined ? {} : { platform }) },
    bytes,
  ];
}

/** The log in a file. Throws what the operating system says. */
export async function logAttachment(path: string): Promise<Attachment> {
  return { kind: "log", ...(await digestOfFile(path)) };
}

/** How a record names its attachments; `image` is what came of the build, where it is still there. */
export function attachedFields(attachments: readonly Attachment[], image: Descriptor | undefined): AttachedFields {
  const about = (platform: string | undefined): readonly Of<typeof RecordDescriptor>[] =>
    attachments.flatMap((one) => (one.kind === "provenance" && one.platform === platform ? [descriptorOf(one)] : []));
  const platforms = new Set(attachments.flatMap(({ platform }) => platform ?? []));
  const first = (kind: Attachment["kind"]): Of<typeof RecordDescriptor> | undefined => {
    const found = attachments.find((one) => one.kind === kind);
    return found && descriptorOf(found);
  };
  const named = image && { ...image, annotations: new Map(Object.entries(image.annotations ?? {})) };
  const attestations = about(undefined);
  const hasResult = named !== undefined || attestations.length > 0;
  const results = new Map<number, Of<typeof RecordDescriptor>>(named === undefined ? [] : [[0, named]]);
  return {
    logs: first("log"),
    trace: first("trace"),
    externalError: first("failure"),
    result: hasResult ? { first: named, attestations, results } : undefined,
    results: new Map(
      [...platforms].map((one) => [one, { first: undefined, attestations: about(one), results: new Map() }]),
    ),
  };
}

interface AttachedFields {
  readonly logs: Of<typeof RecordDescriptor> | undefined;
  readonly trace: Of<typeof RecordDescriptor> | undefined;
  readonly externalError: Of<typeof RecordDescriptor> | undefined;
  readonly result: Of<typeof RecordResult> | undefined;
  readonly results: ReadonlyMap<string, Of<typeof RecordResult>>;
}

function descriptorOf({ kind, digest, size }: Attachment): Of<typeof RecordDescriptor> {
  return { mediaType: MEDIA_TYPES[kind], digest, size, annotations: kind === "provenance" ? PREDICATE : new Map() };
}
