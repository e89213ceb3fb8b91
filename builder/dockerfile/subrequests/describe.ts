// `subrequests.describe`: what else can be asked about a Dockerfile.

import type { Answer } from "./text.ts";
import { goJson, table } from "./text.ts";

interface Subrequest {
  readonly name: string;
  readonly description: string;
  readonly opts: readonly { readonly name: string; readonly description: string }[] | null;
}

// As BuildKit's frontend describes itself; it does not list the lint request.
const SUBREQUESTS: readonly Subrequest[] = [
  {
    name: "frontend.outline",
    description: "List all parameters current build target supports",
    opts: [{ name: "target", description: "Target build stage" }],
  },
  { name: "frontend.targets", description: "List all targets current build supports", opts: [] },
  { name: "frontend.subrequests.describe", description: "List available subrequest types", opts: null },
];

const VERSION = "1.0.0";

/** The list of requests. */
export function describe(): Answer {
  const files = ["result.json", "result.txt"].map((name) => ({ name, description: "" }));
  const json = SUBREQUESTS.map(({ name, description, opts }) => ({
    name,
    version: VERSION,
    type: "rpc",
    description,
    opts,
    inputs: null,
    metadata: files,
    refs: null,
  }));
  const rows = SUBREQUESTS.map(({ name, description }) => [name.replace(/^frontend\./, ""), VERSION, description]);
  return { json: goJson(json), text: table([["NAME", "VERSION", "DESCRIPTION"], ...rows], 1) };
}
