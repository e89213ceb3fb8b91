// The root file system of our images, laid out from this machine: the program, the pinned Node, and for git contexts git,
// each with the shared libraries that ldd(1) finds.

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import process from "node:process";
import { copyModules } from "../modules.ts";

const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";
/** What fetching a repository runs. */
const GIT_HELPERS = ["git-remote-http", "git-remote-https", "git-submodule", "git-sh-setup"];
/** The uid that pods without any right use as a rule; no home is needed. */
const ACCOUNTS = {
  passwd: "root:x:0:0:root:/kaniko/home:/busybox/sh\ntsbuild:x:1000:1000:tsbuild:/kaniko/home:/busybox/sh\n",
  group: "root:x:0:\ntsbuild:x:1000:\n",
};

/** Lays the build context of deploy/Dockerfile out below `context`; `checkout` has been built. */
export function layOutImage(checkout: string, context: string): void {
  const root = path.join(context, "root");
  const home = path.join(root, "kaniko");
  const program = path.join(home, "program");
  mkdirSync(program, { recursive: true });
  const bundled = globSync("dist/*.cjs", { cwd: checkout });
  const launcher = "dist/builder/executor/launcher/tsbuild-launcher";
  for (const item of ["bin", ...bundled, launcher, "package.json", "LICENSE"])
    cpSync(path.join(checkout, item), path.join(program, item), { recursive: true });
  copyModules(checkout, program);
  copyProgram(process.execPath, path.join(program, "node"), root);
  for (const addon of globSync("node_modules/**/*.node", { cwd: program }))
    copyLibraries(path.join(program, addon), root);
  // No shell is there to find Node, so the first line names it.
  const entry = path.join(program, "bin/tsbuild.js");
  writeFileSync(entry, readFileSync(entry, "utf8").replace(/^#!.*\n/, "#!/kaniko/program/node --\n"));
  chmodSync(entry, 0o755);
  for (const name of ["executor", "warmer", "tsbuild"]) symlinkSync("program/bin/tsbuild.js", path.join(home, name));
  copyGit(root);
  const etc = path.join(root, "etc");
  copyCertificates(root);
  for (const [name, text] of Object.entries(ACCOUNTS)) writeFileSync(path.join(etc, name), text);
  for (const folder of ["kaniko/home", "kaniko/.docker", "kaniko/store", "workspace", "tmp"]) {
    mkdirSync(path.join(root, folder), { recursive: true });
    chmodSync(path.join(root, folder), 0o1777);
  }
  mkdirSync(path.join(context, "busybox"));
  const busybox = ["/bin/busybox", "/usr/bin/busybox"].find((file) => existsSync(file));
  if (busybox === undefined) throw new Error("the debug image needs a static busybox (Debian: busybox-static)");
  cpSync(busybox, path.join(context, "busybox/busybox"));
}

/** Where kaniko has them, for what is mounted over them or put beside them; and where everything else looks. */
function copyCertificates(root: string): void {
  for (const folder of ["kaniko/ssl/certs", "etc/ssl/certs"]) mkdirSync(path.join(root, folder), { recursive: true });
  if (!existsSync(CERTIFICATES)) return;
  cpSync(realpathSync(CERTIFICATES), path.join(root, "kaniko/ssl/certs/ca-certificates.crt"));
  symlinkSync("/kaniko/ssl/certs/ca-certificates.crt", path.join(root, CERTIFICATES));
}

function copyGit(root: string): void {
  const git = "/usr/bin/git";
  const core = "/usr/lib/git-core";
  if (!existsSync(git)) throw new Error("git contexts need git (Debian: git)");
  copyProgram(git, path.join(root, git), root);
  mkdirSync(path.join(root, core), { recursive: true });
  for (const name of GIT_HELPERS.filter((helper) => existsSync(path.join(core, helper)))) {
    const target = path.join(root, core, name);
    if (name === "git-remote-https") symlinkSync("git-remote-http", target);
    else copyProgram(path.join(core, name), target, root);
  }
  cpSync("/usr/share/git-core/templates", path.join(root, "usr/share/git-core/templates"), { recursive: true });
}

/** A program without its symbols, and its libraries. */
function copyProgram(source: string, target: string, root: string): void {
  mkdirSync(path.dirname(target), { recursive: true });
  cpSync(realpathSync(source), target);
  chmodSync(target, 0o755);
  copyLibraries(target, root);
  // Half as large again with them; where strip(1) is missing they stay.
  spawnSync("strip", ["--strip-unneeded", target], { stdio: "ignore" });
}

/** The shared libraries of a file, at the places where the loader looks for them. */
function copyLibraries(file: string, root: string): void {
  const { stdout, status } = spawnSync("ldd", [file], { encoding: "utf8" });
  if (status !== 0) return; // a script, or static
  for (const line of stdout.split("\n")) {
    const [, library] = /(?:=> )?(\/\S+) \(0x/.exec(line) ?? [];
    if (library === undefined) continue;
    const target = path.join(root, library);
    if (existsSync(target)) continue;
    mkdirSync(path.dirname(target), { recursive: true });
    cpSync(realpathSync(library), target);
    chmodSync(target, statSync(library).mode & 0o777);
  }
}
