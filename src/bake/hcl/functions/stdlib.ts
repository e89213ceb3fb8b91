// The functions that a definition has without declaring any: those of buildx (hclparser/stdlib.go).

import { homedir } from "node:os";
import { asBuildError, BuildError } from "../../../../builder/core/errors.ts";
import type { Call, HclFunction } from "../evaluate.ts";
import { convertTo, parseType } from "../types.ts";
import type { Value } from "../value.ts";
import { toText } from "../value.ts";
import { limited } from "./arity.ts";
import { CIDR_FUNCTIONS } from "./cidr.ts";
import { COLLECTION_FUNCTIONS } from "./collections.ts";
import { ENCODING_FUNCTIONS } from "./encoding.ts";
import { FORMAT_FUNCTIONS } from "./format.ts";
import { NUMBER_FUNCTIONS } from "./numbers.ts";
import { satisfies } from "./semver.ts";
import { TEXT_FUNCTIONS } from "./text.ts";
import { timeFunctions } from "./time.ts";

/** All of them by name; `now` is in ms since the epoch. */
export function standardFunctions(now: () => number): ReadonlyMap<string, HclFunction> {
  return limited(
    Object.entries({
      ...TEXT_FUNCTIONS,
      ...COLLECTION_FUNCTIONS,
      ...NUMBER_FUNCTIONS,
      ...ENCODING_FUNCTIONS,
      ...FORMAT_FUNCTIONS,
      ...CIDR_FUNCTIONS,
      ...timeFunctions(now),
      ...OF_EXPRESSIONS,
      homedir: () => homedir(),
      semvercmp: (version = null, constraint = null) => satisfies(toText(version), toText(constraint)),
      bcrypt: () => {
        throw new BuildError("UNSUPPORTED", "bcrypt is not offered: its result differs each time");
      },
    } satisfies Record<string, HclFunction>),
  );
}

const OF_EXPRESSIONS: Readonly<Record<string, HclFunction>> = {
  can: {
    ofExpressions: (call) => {
      try {
        evaluated(call, 0);
        return true;
      } catch {
        return false;
      }
    },
  },
  convert: {
    ofExpressions: (call) => {
      const [, type] = call.args;
      if (type === undefined) throw new BuildError("CONFIG", "convert takes a value and a type");
      return convertTo(evaluated(call, 0), parseType(type));
    },
  },
  try: {
    ofExpressions: (call) => {
      let first: Error | undefined;
      for (let at = 0; at < call.args.length; at++) {
        try {
          return evaluated(call, at);
        } catch (error) {
          first ??= asBuildError(error);
        }
      }
      throw first ?? new BuildError("CONFIG", "try takes at least one expression");
    },
  },
};

function evaluated({ args, evaluate }: Call, at: number): Value {
  const expression = args[at];
  if (expression === undefined) throw new BuildError("CONFIG", "an argument is missing");
  return evaluate(expression);
}
