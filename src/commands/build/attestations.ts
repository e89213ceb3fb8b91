// What `--attest`, `--provenance` and `--sbom` ask for. Their grammar is loaded when one of them was given.

import type { AttestationRequest } from "../../../builder/request.ts";
import type { Arguments } from "../../cli/flags.ts";

/** The attestations; undefined when none is asked for. Throws `USAGE`, `UNSUPPORTED`. */
export async function attestationsOf(args: Arguments): Promise<AttestationRequest | undefined> {
  if (!["attest", "provenance", "sbom"].some((name) => args.values.has(name))) return undefined;
  const { parseAttestations } = await import("../../cli/values/attest-spec.ts");
  return parseAttestations(args);
}
