// Functions of numbers and truth (go-cty, function/stdlib: number.go, bool.go, general.go).

import { BuildError } from "../../../../builder/core/errors.ts";
import type { HclFunction } from "../evaluate.ts";
import type { Value } from "../value.ts";
import { isEqual, toBool, toNumber, toText } from "../value.ts";

const ofTwo =
  (compute: (a: number, b: number) => Value): HclFunction =>
  (a = null, b = null) =>
    compute(toNumber(a), toNumber(b));

export const NUMBER_FUNCTIONS: Readonly<Record<string, HclFunction>> = {
  absolute: (number = null) => Math.abs(toNumber(number)),
  add: ofTwo((a, b) => a + b),
  subtract: ofTwo((a, b) => a - b),
  multiply: ofTwo((a, b) => a * b),
  divide: ofTwo((a, b) => {
    if (b === 0) throw new BuildError("CONFIG", "division by zero");
    return a / b;
  }),
  modulo: ofTwo((a, b) => {
    if (b === 0) throw new BuildError("CONFIG", "division by zero");
    return a % b;
  }),
  negate: (number = null) => -toNumber(number),
  ceil: (number = null) => Math.ceil(toNumber(number)),
  floor: (number = null) => Math.floor(toNumber(number)),
  int: (number = null) => Math.trunc(toNumber(number)),
  log: ofTwo((number, base) => Math.log(number) / Math.log(base)),
  pow: ofTwo((number, power) => number ** power),
  signum: (number = null) => Math.sign(toNumber(number)),
  max: (...numbers) => Math.max(...some(numbers)),
  min: (...numbers) => Math.min(...some(numbers)),
  parseint: (text = null, base = null) => {
    const [digits, radix] = [toText(text), toNumber(base)];
    const parsed = Number.parseInt(digits, radix);
    const written = digits.toLowerCase().replace(/^[+-]/, "");
    if (Number.isNaN(parsed) || Math.abs(parsed).toString(radix) !== written.replace(/^0+(?=.)/, ""))
      throw new BuildError("CONFIG", `"${digits}" is no whole number in base ${radix}`);
    return parsed;
  },
  equal: (a = null, b = null) => isEqual(a, b),
  notequal: (a = null, b = null) => !isEqual(a, b),
  greaterthan: ofTwo((a, b) => a > b),
  greaterthanorequalto: ofTwo((a, b) => a >= b),
  lessthan: ofTwo((a, b) => a < b),
  lessthanorequalto: ofTwo((a, b) => a <= b),
  and: (a = null, b = null) => toBool(a) && toBool(b),
  or: (a = null, b = null) => toBool(a) || toBool(b),
  not: (a = null) => !toBool(a),
};

function some(numbers: readonly Value[]): readonly number[] {
  if (numbers.length === 0) throw new BuildError("CONFIG", "must pass at least one number");
  return numbers.map(toNumber);
}
