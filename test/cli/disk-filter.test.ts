// `--filter` of du and prune: what is written, and which things pass.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import { compileFilters } from "../../builder/disk/filter.ts";
import type { DiskItem } from "../../builder/disk/items.ts";
import { parseDiskFilters } from "../../src/cli/values/disk-filter.ts";

const PLAIN: DiskItem = {
  id: "ab12",
  kind: "layer",
  type: "regular",
  description: "[2/3] COPY a, b /",
  parents: [],
  mutable: false,
  inUse: false,
  shared: false,
  bytes: 1,
  createdMs: 0,
  usedMs: 0,
  uses: 1,
  lease: 1,
  depth: 0,
  paths: [],
  locks: [],
  blobs: [],
};
const ITEMS: readonly DiskItem[] = [
  PLAIN,
  { ...PLAIN, id: "cd34", parents: ["ab12"], shared: true, inUse: true, description: "[3/3] RUN make" },
  { ...PLAIN, id: "ef56", kind: "cache mount", type: "exec.cachemount", mutable: true, description: "cached mount" },
];

suite("filters of du and prune", () => {
  const passing = (...values: readonly string[]): string =>
    ITEMS.filter(compileFilters(parseDiskFilters(values).filters)).map(({ id }) => id).join(" "); // prettier-ignore

  const CASES: readonly (readonly [passing: string, ...values: readonly string[]])[] = [
    ["ab12 cd34 ef56"],
    ["ef56", "type=exec.cachemount"],
    ["ef56", "type==exec.cachemount"],
    ["ab12 cd34", "type!=exec.cachemount"],
    ["cd34", "type=regular,shared"],
    ["ab12", 'type=="regular",shared==false'],
    ["cd34", "type=regular", "inuse"],
    ["", "mutable", "shared"],
    ["ef56", "mutable=true"],
    ["ab12 cd34", "immutable"],
    ["ab12 ef56", "private"],
    ["cd34", "parents"],
    ["cd34", "parents~=^ab"],
    ["cd34", "parent==ab12"],
    ["ab12", "id=ab"],
    ["", "id==ab"],
    ["ab12 ef56", "id~=[16]"],
    ["ab12", 'description=="[2/3] COPY a, b /"'],
    ["ab12", 'description~="a, b"'],
    ["cd34", "description=[3/3] RUN make"],
    ["ef56", "kind=cache mount"],
  ];
  for (const [wanted, ...values] of CASES)
    test(`${values.join(" and ") || "none"}: ${wanted || "nothing"}`, () => assert.equal(passing(...values), wanted));

  test("an age is no field", () => {
    const age = (...values: readonly string[]): number => parseDiskFilters(values).keepMs;
    assert.equal(age("until=1h30m"), 5400e3);
    assert.equal(age("until=0"), 0);
    assert.equal(age("unused-for=7d", "shared"), 7 * 24 * 3600e3);
    assert.equal(age("shared"), 0);
  });

  test("what cannot be understood is refused, with what can", () => {
    for (const [value, message] of [
      ["nonsense=1", /there is no field "nonsense"/],
      ["description=COPY a, b", /there is no field "b"/],
      ["id~=[", /"\[" is no regular expression/],
      ["size>1", /"size>1" is no filter/],
      ['id="a\\d"', /is not quoted as it should be/],
      ["until=soon", /invalid duration "soon"/],
      ["", /is no filter/],
      ["type=exec.cachmount", /type is never "exec\.cachmount"/],
      ["type!=layer", /type is never "layer"/],
      ["kind=regular", /kind is never "regular"/],
      ["mutable=yes", /mutable is never "yes"/],
    ] as const)
      assert.throws(
        () => passing(value),
        (error) => error instanceof BuildError && error.code === "USAGE" && message.test(error.message),
        value,
      );
  });
});
