// What the test files have in common that costs time: those that need a process to themselves, and those that show the same
// whoever runs them.
//
// A file costs the start of a Node and the compiling of all it imports, often more than its tests. Files that only call
// functions, and leave their process as they found it, are imported into one process for each group here.
//
// CI runs the suite twice, as root and as an ordinary user. What rests on no privilege, no owner and no namespace is
// run in one of the two: `root` or `user` says where. Everywhere else (without TEST_TWICE) all of it is run. What plays a part of a table
// (test/support/sample.ts) belongs in both.

import path from "node:path";

/** Which of CI's two runs. */
export type Runner = "root" | "user";

/** Files that share a process. */
export interface Group {
  /** The file that imports them, from the root of the repository. */
  readonly file: string;
  readonly members: readonly string[];
}

interface Sharing {
  readonly name: string;
  /** The one of CI's runs that has these files; both do when it is missing. */
  readonly only?: Runner;
  readonly members: RegExp;
}

/** A member is in the first group that it matches. */
const TOGETHER: readonly Sharing[] = [
  {
    name: "words",
    only: "root",
    members: /^test\/(?:cli\/|core\/|llb\/|progress\/|commands\/(?:bucket-cache-spec|git-context|request)\.|config\/(?:cloud|.*-routes)\.|docs\/flags\.|executor\/(?:capabilities|seccomp)\.|guard\/(?:forms|masker)\.|ops\/followed-paths\.|source\/(?:download-name|epoch)\.|tools\/test-skips\.)/, // prettier-ignore
  },
  { name: "dockerfile", only: "user", members: /^test\/dockerfile\// },
  {
    name: "documents",
    only: "user",
    members: /^test\/(?:attest\/(?:provenance|rpm|withheld)|bundle\/config|cache\/step-records|commands\/cloud-login|config\/credentials|conformance\/compare|image\/.*|solver\/.*|source\/git-credentials|transport\/pull-progress)\./, // prettier-ignore
  },
  {
    name: "files",
    members: /^test\/(?:commands\/(?:look|look-files|validate)|config\/(?:certificates|router)|guard\/(?:layer-guard|secret-watch)|layer\/(?:compare-trees|formats|measure|ordered-entries|search|squash|usage|view)|ops\/(?:file-digest|file-select|passwd)|records\/.*|store\/(?:bounded-folder|download))\./, // prettier-ignore
  },
];

/** Files that have a process of their own, and show the same for root and a user: what registries and clouds answer. */
const ALONE: Readonly<Record<Runner, RegExp>> = {
  root: /^test\/(?:cache\/mounts-travel|commands\/executor-push|transport\/(?:cloud\/|registry-upload|registry-faults))/,
  user: /^test\/(?:bake\/print|cache\/travel|transport\/(?:proxy|registry-auth|registry-interrupt|registry-memory|registry-mirrors)|package)\b/, // prettier-ignore
};

/** Which of `files` are left to the other one of CI's two runs. */
export function leftToOther(files: readonly string[], runner: Runner): readonly string[] {
  const other = runner === "root" ? "user" : "root";
  return files.filter((file) => (sharingOf(file)?.only ?? (ALONE[other].test(file) ? other : runner)) === other);
}

/** Divides files into those with a process of their own and groups; `folder` is where a group's file will lie. */
export function gather(
  files: readonly string[],
  folder: string,
): { readonly alone: readonly string[]; readonly groups: readonly Group[] } {
  const groups = TOGETHER.flatMap((sharing) => {
    const members = files.filter((file) => sharingOf(file) === sharing);
    return members.length === 0 ? [] : [{ file: path.join(folder, `${sharing.name}.test.mjs`), members }];
  });
  return { alone: files.filter((file) => sharingOf(file) === undefined), groups };
}

/** The text of a group's file, below `root`. */
export function importing(group: Group, root: string): string {
  return group.members.map((file) => `import ${JSON.stringify(path.join(root, file))};\n`).join("");
}

function sharingOf(file: string): Sharing | undefined {
  return TOGETHER.find(({ members }) => members.test(file));
}
