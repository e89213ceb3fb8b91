// `--attest type=provenance|sbom[,key=value…]`, and its shorthands `--provenance` and `--sbom`, with buildx's grammar.

import { BuildError } from "../../../builder/core/errors.ts";
import type { Pair } from "./csv.ts";
import { parsePairs } from "./csv.ts";
import type { Arguments } from "../flags.ts";
import { isOn, listOf, textOf } from "../flags.ts";
import { nearest } from "../nearest.ts";

const TYPES = ["provenance", "sbom"] as const;
const PROVENANCE_KEYS = [
  "mode",
  "version",
  "builder-id",
  "filename",
  "reproducible",
  "inline-only",
  "complete-materials",
  "capture-usage",
];

type Type = (typeof TYPES)[number];

/** What is asked for, in the words of a request. */
export interface Attestations {
  readonly provenance?: {
    readonly mode: "min" | "max";
    readonly version: "v1" | "v0.2";
    readonly builderId: string;
    readonly fileName: string;
    readonly isReproducible: boolean;
    readonly inlineOnly: boolean;
    readonly needsAllMaterials: boolean;
  };
  readonly sbom?: Record<string, never>;
}

/** What is asked for; undefined when nothing is. The last word on a type counts, the shorthands come after --attest. Throws `USAGE`, `UNSUPPORTED`. */
export function parseAttestations(args: Arguments): Attestations | undefined {
  const asked = new Map<Type, Values>();
  for (const text of listOf(args, "attest")) take(asked, readAttest(text));
  const shorthands = { provenance: textOf(args, "provenance"), sbom: textOf(args, "sbom") };
  for (const type of TYPES) {
    const text = shorthands[type];
    if (text !== undefined && text !== "") take(asked, readShorthand(type, text));
  }
  const provenance = asked.get("provenance");
  const sbom = asked.get("sbom");
  if (provenance === undefined && sbom === undefined) return undefined;
  return {
    ...(provenance === undefined ? {} : { provenance: provenanceOf(provenance, isOn(args, "reproducible")) }),
    ...(sbom === undefined ? {} : { sbom: sbomOf(sbom) }),
  };
}

interface Asked {
  readonly type: Type;
  /** Undefined: switched off. */
  readonly values: Values | undefined;
}

function take(asked: Map<Type, Values>, { type, values }: Asked): void {
  if (values === undefined) asked.delete(type);
  else asked.set(type, values);
}

function readAttest(text: string): Asked {
  const pairs = parsePairs(text, "--attest");
  const written = pairs.findLast(({ key }) => key === "type")?.value;
  if (written === undefined || written === "") throw usage("--attest: attestation type not specified");
  const type = TYPES.find((candidate) => candidate === written);
  if (type === undefined)
    throw usage(`--attest: unknown attestation type "${written}"`, `types are ${TYPES.join(" and ")}`);
  return switched(type, "--attest", pairs);
}

function readShorthand(type: Type, text: string): Asked {
  const flag = `--${type}`;
  const isOn = truth(text);
  if (isOn !== undefined) return { type, values: isOn ? new Values(flag, []) : undefined };
  return switched(type, flag, parsePairs(text, flag));
}

function switched(type: Type, flag: string, pairs: readonly Pair[]): Asked {
  const rest = pairs.filter(({ key }) => key !== "type" && key !== "disabled");
  const disabled = new Values(flag, pairs).boolean("disabled");
  return { type, values: disabled === true ? undefined : new Values(flag, rest) };
}

function provenanceOf(values: Values, isReproducible: boolean): NonNullable<Attestations["provenance"]> {
  values.refuseOthers(PROVENANCE_KEYS);
  if (values.boolean("capture-usage") === true)
    throw new BuildError("UNSUPPORTED", `${values.flag}: capture-usage is not supported yet`);
  const mode = values.choice("mode", ["min", "max", "full"]) ?? "max";
  const fileName = values.text("filename") ?? "provenance.json";
  if (fileName.includes("/") || fileName === "." || fileName === "..")
    throw usage(`${values.flag}: filename="${fileName}" must be a name without folders`);
  return {
    mode: mode === "full" ? "max" : mode,
    version: values.choice("version", ["v1", "v0.2"]) ?? "v1",
    builderId: values.text("builder-id") ?? "",
    fileName,
    isReproducible: values.boolean("reproducible") ?? isReproducible,
    inlineOnly: values.boolean("inline-only") ?? false,
    needsAllMaterials: values.boolean("complete-materials") ?? false,
  };
}

function sbomOf(values: Values): Record<string, never> {
  const generator = values.text("generator");
  if (generator !== undefined) {
    throw new BuildError("UNSUPPORTED", `${values.flag}: the generator "${generator}" is not run`, {
      hint: "the built-in scanner lists packages of dpkg, apk, rpm, npm, Python, Go and Cargo: leave out generator=",
    });
  }
  values.refuseOthers(["generator"]);
  return {};
}

/** The values of one attestation. */
class Values {
  readonly flag: string;
  readonly #pairs: readonly Pair[];

  constructor(flag: string, pairs: readonly Pair[]) {
    this.flag = flag;
    this.#pairs = pairs;
  }

  text(key: string): string | undefined {
    return this.#pairs.findLast((pair) => pair.key === key)?.value || undefined;
  }

  boolean(key: string): boolean | undefined {
    const value = this.text(key);
    if (value === undefined) return undefined;
    const found = truth(value);
    if (found === undefined) throw usage(`${this.flag}: ${key}="${value}" is neither true nor false`);
    return found;
  }

  choice<const T extends string>(key: string, choices: readonly T[]): T | undefined {
    const value = this.text(key);
    if (value === undefined) return undefined;
    const found = choices.find((candidate) => candidate === value);
    if (found === undefined) throw usage(`${this.flag}: ${key}="${value}" is none of ${choices.join(", ")}`);
    return found;
  }

  refuseOthers(known: readonly string[]): void {
    const other = this.#pairs.find(({ key }) => !known.includes(key));
    if (other === undefined) return;
    const near = nearest(other.key, known);
    throw usage(
      `${this.flag}: unexpected key "${other.written}"`,
      near === undefined ? undefined : `did you mean ${near}?`,
    );
  }
}

/** Go's strconv.ParseBool. */
function truth(text: string): boolean | undefined {
  if (/^(1|t|T|true|True|TRUE)$/.test(text)) return true;
  return /^(0|f|F|false|False|FALSE)$/.test(text) ? false : undefined;
}

function usage(message: string, hint?: string): BuildError {
  return new BuildError("USAGE", message, { hint });
}
