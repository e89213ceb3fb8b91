// The door to rules about sources: what a client says of them, held against a source.

export type { NamedSource, SourcePolicy, SourceRule } from "./source/source-policy.ts";
export { applyPolicies } from "./source/source-policy.ts";
export { requireAllowed } from "./source/policed-sources.ts";
