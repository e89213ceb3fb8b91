// How many arguments functions take at most (go-cty, function/stdlib). Those that are not here take any number, or look
// after it themselves. What is missing is a null, which a function refuses where it needs a value.

import { BuildError } from "../../../../builder/core/errors.ts";
import type { HclFunction } from "../evaluate.ts";

const NAMES: readonly (readonly [most: number, names: string])[] = [
  [0, "homedir timestamp uuidv4"],
  [
    1,
    "absolute base64decode base64encode basename ceil chomp cidrnetmask compact csvdecode dirname distinct flatten floor int " +
      "jsondecode jsonencode keys length lower md5 negate not reverse reverselist sanitize sha1 sha256 sha512 signum sort " +
      "strlen title trimspace upper urlencode values",
  ],
  [
    2,
    "add and chunklist cidrhost contains divide element equal formatdate greaterthan greaterthanorequalto hasindex indent " +
      "index indexof lessthan lessthanorequalto log modulo multiply notequal or parseint pow regex regexall rsadecrypt " +
      "semvercmp split subtract timeadd trim trimprefix trimsuffix uuidv5 zipmap",
  ],
  [3, "cidrsubnet lookup regex_replace replace slice substr"],
];

const MOST: ReadonlyMap<string, number> = new Map(
  NAMES.flatMap(([most, names]) => names.split(" ").map((name) => [name, most] as const)),
);

/** The functions by name; more arguments than one takes are an error. */
export function limited(functions: readonly (readonly [string, HclFunction])[]): ReadonlyMap<string, HclFunction> {
  return new Map(
    functions.map(([name, called]) => {
      const most = MOST.get(name);
      if (most === undefined || typeof called !== "function") return [name, called];
      const checked: HclFunction = (...values) => {
        if (values.length > most)
          throw new BuildError(
            "CONFIG",
            `takes ${most} argument${most === 1 ? "" : "s"} at most, not ${values.length}`,
          );
        return called(...values);
      };
      return [name, checked];
    }),
  );
}
