// `--call`: "check", "outline,format=json". The words are buildx's.

import { BuildError } from "../../../builder/core/errors.ts";
import { parseCsv } from "./csv.ts";
import { nearest } from "../nearest.ts";

const METHODS = ["check", "outline", "targets", "subrequests.describe"] as const;

export interface CallSpec {
  readonly method: (typeof METHODS)[number];
  /** `raw` is the text as the frontend has it, without a summary. */
  readonly format: "text" | "json" | "raw";
  /** Exit with 0 also when a rule fires. */
  readonly ignoreStatus: boolean;
}

/** Reads the flag; undefined for an ordinary build. Throws `USAGE`. */
export function parseCall(text: string): CallSpec | undefined {
  let method = "";
  let format: CallSpec["format"] = "text";
  let ignoreStatus = false;
  for (const field of parseCsv(text, "--call")) {
    const equals = field.indexOf("=");
    if (field === "") continue;
    if (equals < 0) {
      if (method !== "") throw usage(`--call: invalid print value: ${text}`);
      method = field;
      continue;
    }
    const value = field.slice(equals + 1);
    const key = field.slice(0, equals);
    if (key === "format") format = readFormat(value);
    else if (key === "ignorestatus") ignoreStatus = readBoolean(value);
    else throw usage(`--call: invalid print field: ${field}`);
  }
  if (method === "" || method === "build") return undefined;
  return { method: readMethod(method), format, ignoreStatus };
}

/** "lint" is the frontend's own name of the check. */
function readMethod(text: string): CallSpec["method"] {
  const method = text === "lint" ? "check" : METHODS.find((each) => each === text);
  if (method !== undefined) return method;
  const near = nearest(text, METHODS);
  throw new BuildError("USAGE", `--call: unsupported request "${text}"`, {
    hint: near === undefined ? `requests are build, ${METHODS.join(", ")}` : `did you mean ${near}?`,
  });
}

function readFormat(value: string): CallSpec["format"] {
  if (value === "" || value === "text") return "text";
  if (value === "json" || value === "raw") return value;
  throw usage(`--call: invalid format "${value}": formats are text, json and raw`);
}

function readBoolean(value: string): boolean {
  if (/^(1|t|T|true|True|TRUE)$/.test(value)) return true;
  if (/^(0|f|F|false|False|FALSE)$/.test(value)) return false;
  throw usage(`--call: invalid ignorestatus print value: ${value}`);
}

function usage(message: string): BuildError {
  return new BuildError("USAGE", message);
}
