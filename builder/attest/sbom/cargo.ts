// Rust's packages: Cargo.lock.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { formatPackageUrl } from "../../core/package-url.ts";
import { lockedPackages } from "./lock-tables.ts";
import type { Cataloger, ScannedFiles, Software } from "./software.ts";
import { eachFile } from "./software.ts";

export const cargo: Cataloger = {
  wants: (path: BytePath) => /(?:^|\/)Cargo\.lock$/.test(path),
  find: (files: ScannedFiles) =>
    eachFile(files, (path) =>
      lockedPackages(files.text(path)).map(({ name, version }): Software => {
        const purl = formatPackageUrl({ type: "cargo", name, version });
        return { name, version, purl, from: "Cargo.lock", evidence: [path] };
      }),
    ),
};
