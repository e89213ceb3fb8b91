// What the scanner finds in files that a test gives it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import type { Inventory } from "../../builder/attest/sbom/scan.ts";
import { scanTree } from "../../builder/attest/sbom/scan.ts";
import type { FileContent } from "./tree.ts";
import { treeOf } from "./tree.ts";

const temp = mkdtempSync(join(tmpdir(), "tsbuild-sbom-"));
after(() => rmSync(temp, { recursive: true, force: true }));

/** A new folder, which goes with the test file. */
export const folder = (): string => mkdtempSync(join(temp, "scan-"));

/** The packages in layers, the lowest first. */
export async function scan(...layers: readonly Readonly<Record<string, FileContent>>[]): Promise<Inventory> {
  return await scanTree(treeOf(...layers), folder(), new AbortController().signal);
}

/** The packages' names, in the order of the list. */
export const purls = ({ software }: Inventory): string[] => software.map(({ purl }) => purl);
