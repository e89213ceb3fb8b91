// What is to be stated about a build's results, put together from what the build knows.
// Loaded only when a build asks for it.

import { randomBytes } from "node:crypto";
import type { BuildFacts } from "../../attest/facts.ts";
import type { ProvenanceLook } from "../../attest/provenance.ts";
import { predicateType, provenance } from "../../attest/provenance.ts";
import type { Inventory } from "../../attest/sbom/scan.ts";
import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import { formatPlatform } from "../../core/image/platform.ts";
import type { Engine } from "../../engine.ts";
import type { Attestation } from "../../exporter/attestations.ts";
import type { Vertex } from "../../graph/vertex.ts";
import { topological } from "../../graph/vertex.ts";
import type { InputLoader } from "../contexts/inputs.ts";
import { told } from "../internal-steps.ts";
import { viewOf } from "../../ops/result.ts";
import type { Outcome } from "./outputs.ts";
import { provenanceFacts } from "./provenance-facts.ts";
import type { AttestationRequest, BuildRequest } from "../../request.ts";
import { secretValues } from "../secrets/secret-values.ts";
import { redact } from "../../source/redact.ts";

/** The build that statements are about. */
export interface AttestedBuild {
  readonly engine: Engine;
  readonly request: BuildRequest;
  readonly inputs: InputLoader;
  /** Undefined for a graph that the client sent. */
  readonly dockerfile: { readonly name: string; readonly text: string } | undefined;
  /** ms since the epoch. */
  readonly startedMs: number;
  readonly finishedMs: number;
}

/** The statements about each outcome, in order; the lists before provenance, as BuildKit has them. Throws `CONTEXT` when materials are missing that were asked for. */
export async function attestationsOf(
  build: AttestedBuild,
  outcomes: readonly Outcome[],
  signal: AbortSignal,
): Promise<readonly (readonly Attestation[])[]> {
  const { sbom, provenance: look } = build.request.attestations ?? {};
  const isReproducible = outcomes[0]?.plan.epochSeconds !== undefined;
  // All platforms of one build have one id; a reproducible build derives it from what it did.
  const invocationId = isReproducible ? undefined : randomId();
  return await Promise.all(
    outcomes.map(async (outcome) => [
      ...(sbom === undefined ? [] : [await packageList(build, outcome, signal)]),
      ...(look === undefined ? [] : [await provenanceOf(build, outcome, look, invocationId)]),
    ]),
  );
}

/** What a record of the build says of each outcome, whatever its outputs state: BuildKit's records have all there is. */
export async function recordedOf(build: AttestedBuild, outcomes: readonly Outcome[]): Promise<readonly Attestation[]> {
  const builderId = build.request.attestations?.provenance?.builderId ?? "";
  const look = { ...RECORDED, builderId };
  const invocationId = randomId();
  return await Promise.all(outcomes.map((outcome) => provenanceOf(build, outcome, look, invocationId)));
}

/** Clients of all ages read this version. */
const RECORDED = {
  mode: "max",
  version: "v0.2",
  fileName: "",
  isReproducible: false,
  inlineOnly: true,
  needsAllMaterials: false,
} as const;

async function provenanceOf(
  build: AttestedBuild,
  outcome: Outcome,
  look: NonNullable<AttestationRequest["provenance"]>,
  invocationId: string | undefined,
): Promise<Attestation> {
  const facts: BuildFacts = { ...provenanceFacts(build, outcome), invocationId };
  if (look.needsAllMaterials && facts.locals.length > 0) {
    const folders = facts.locals.map((name) => `"${name}"`).join(", ");
    throw new BuildError("CONTEXT", `the provenance would not be complete: the build read local folders (${folders})`, {
      hint: "build from a git repository or a URL, or leave out complete-materials",
    });
  }
  const secrets = await secretValues(build.request.session, mountedSecrets(facts.result));
  const { mode, version, builderId, isReproducible, fileName, inlineOnly } = look;
  const asked: ProvenanceLook = { mode, version, builderId, isReproducible };
  return {
    predicateType: predicateType(version),
    fileName,
    inlineOnly,
    predicate: (layers) =>
      Promise.resolve(provenance(facts, asked, { secrets, redact, layers, squashedFrom: outcome.squashedFrom })),
  };
}

/** Ids of the secrets that steps mount. */
function mountedSecrets(result: Vertex | undefined): readonly string[] {
  return (result === undefined ? [] : topological([result])).flatMap(({ op }) =>
    op.kind === "exec" ? op.mounts.flatMap((mount) => (mount.type === "secret" ? [mount.id] : [])) : [],
  );
}

async function packageList(build: AttestedBuild, outcome: Outcome, signal: AbortSignal): Promise<Attestation> {
  const { engine, request } = build;
  const { spdxDocument, SPDX_PREDICATE } = await import("../../attest/sbom/spdx.ts");
  const { scanTree } = await import("../../attest/sbom/scan.ts");
  const view = await viewOf(outcome.ref, signal);
  const step = `[${formatPlatform(outcome.plan.platform)}] listing packages`;
  let inventory: Promise<Inventory> | undefined;
  const scan = async (): Promise<Inventory> => {
    await using scratch = engine.layers.scratch();
    const found = await told(request, step, () => scanTree(view, scratch.path, signal));
    for (const note of found.notes) request.events({ kind: "warning", message: `SBOM: not read: ${note}` });
    return found;
  };
  return {
    predicateType: SPDX_PREDICATE,
    fileName: "sbom.spdx.json",
    inlineOnly: false,
    async predicate(layers) {
      inventory ??= scan();
      const layerOf = (path: string): Digest | undefined => layers?.[view.node(path)?.layer ?? -1]?.digest;
      const { epochSeconds } = outcome.plan;
      const createdMs = epochSeconds === undefined ? build.finishedMs : epochSeconds * 1000;
      return spdxDocument(await inventory, { name: subjectName(request), createdMs, layerOf });
    },
  };
}

/** The first name of the image, as it was given. */
function subjectName({ exports, target }: BuildRequest): string {
  const names = exports.flatMap((output) => ("image" in output ? output.image.names : []));
  return names[0] ?? target ?? "rootfs";
}

/** As BuildKit's ids look. */
function randomId(): string {
  return BigInt(`0x01${randomBytes(20).toString("hex")}`)
    .toString(36)
    .slice(1, 26);
}
