// PHP's packages: what composer installed, and what a composer.lock names.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { formatPackageUrl } from "../../core/package-url.ts";
import { asList, asObject, textOf } from "./json-fields.ts";
import type { Cataloger, ScannedFiles, Software } from "./software.ts";
import { eachFile } from "./software.ts";

const INSTALLED = /(?:^|\/)vendor\/composer\/installed\.json$/;
const LOCK = /(?:^|\/)composer\.lock$/;

export const composer: Cataloger = {
  wants: (path: BytePath) => INSTALLED.test(path) || LOCK.test(path),
  find: (files: ScannedFiles) =>
    eachFile(files, (path) => {
      const json: unknown = JSON.parse(files.text(path));
      const from = INSTALLED.test(path) ? "composer's list of what is installed" : "composer.lock";
      // Composer 1 has the bare list.
      const fields = asObject(json);
      const packages = [...asList(json), ...asList(fields["packages"]), ...asList(fields["packages-dev"])];
      return packages.flatMap((each) => packageOf(each, from, path));
    }),
};

function packageOf(value: unknown, from: string, path: BytePath): Software[] {
  const fields = asObject(value);
  const [name, version] = [textOf(fields["name"]), textOf(fields["version"])];
  const slash = name.indexOf("/");
  if (slash < 1 || version === "") return [];
  const purl = formatPackageUrl({
    type: "composer",
    namespace: name.slice(0, slash).toLowerCase(),
    name: name.slice(slash + 1).toLowerCase(),
    version,
  });
  // Several licences: one of them is to be chosen (composer, schema, license).
  const licenses = asList(fields["license"])
    .map(textOf)
    .filter((each) => each !== "");
  return [
    {
      ...{ name, version, purl, from, evidence: [path] },
      license: licenses.join(" OR ") || undefined,
      homepage: textOf(fields["homepage"]) || undefined,
      description: textOf(fields["description"]) || undefined,
    },
  ];
}
