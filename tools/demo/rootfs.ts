// A small root file system made of this machine's own programs: bash and coreutils with the shared libraries that ldd(1)
// finds, or a static busybox where that does not work. No network, no package manager, no other builder.

import { execFileSync, spawnSync } from "node:child_process";
import { accessSync, constants, readFileSync, realpathSync, statSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { buffer } from "node:stream/consumers";

import { type Pack, pack } from "tar-stream";

import { storeAsXz } from "./xz-stored.ts";

/** The archive, and the shell that is in it. */
export interface RootFileSystem {
  readonly archive: Uint8Array;
  readonly shell: "bash" | "sh";
  readonly madeOf: string;
}

/** A file of the machine and where it goes. */
interface Copy {
  readonly source: string;
  readonly target: string;
}

const COREUTILS =
  "cat chmod cp date echo env false head id ln ls mkdir mv pwd rm rmdir sha256sum sleep sort stat tail test touch tr true uname wc".split(
    " ",
  );

const FOLDERS = [
  "dev",
  "etc",
  "proc",
  "root",
  "run",
  "sys",
  "tmp",
  "usr",
  "usr/bin",
  "usr/lib",
  "usr/lib64",
  "usr/share",
];
const LINKS = { bin: "usr/bin", lib: "usr/lib", lib64: "usr/lib64", sbin: "usr/bin" };

const FILES: Readonly<Record<string, string>> = {
  "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
  "etc/group": "root:x:0:\nnogroup:x:65534:\n",
  "etc/os-release": 'ID=demo\nPRETTY_NAME="a demonstration"\n',
  "usr/share/demo/old.txt": "This file is of the base image.\n",
  "usr/share/demo/pages/first.html": "the first page of the base image\n",
  "usr/share/demo/pages/second.html": "the second page of the base image\n",
};

/** Packs the root file system as a rootfs.tar.xz. Throws where the machine has neither bash nor a static busybox. */
export async function makeRootFileSystem(): Promise<RootFileSystem> {
  const { copies, links, shell, madeOf } = bashAndCoreutils() ?? staticBusybox() ?? noPrograms();
  const tar = await writeTar(copies, { ...LINKS, ...links });
  return { archive: compress(tar), shell, madeOf };
}

interface Programs {
  readonly copies: readonly Copy[];
  readonly links: Readonly<Record<string, string>>;
  readonly shell: "bash" | "sh";
  readonly madeOf: string;
}

function bashAndCoreutils(): Programs | undefined {
  const bash = findProgram("bash");
  const tools = COREUTILS.flatMap((name) => findProgram(name) ?? []);
  if (bash === undefined || tools.length < COREUTILS.length) return undefined;
  const programs = [bash, ...tools];
  const libraries = sharedLibraries(programs);
  if (libraries === undefined) return undefined;
  const copies = new Map<string, Copy>();
  const add = (source: string, target: string): void => void copies.set(target, { source, target });
  for (const source of programs) add(source, `usr/bin/${path.basename(source)}`);
  for (const source of libraries) add(source, source.replace(/^\/(usr\/)?/, "usr/"));
  return { copies: [...copies.values()], links: { "usr/bin/sh": "bash" }, shell: "bash", madeOf: "bash and coreutils" };
}

function staticBusybox(): Programs | undefined {
  const busybox = findProgram("busybox");
  if (busybox === undefined || sharedLibraries([busybox]) !== undefined) return undefined;
  const applets = execFileSync(busybox, ["--list"], { encoding: "utf8" }).split("\n").filter(Boolean);
  const links = Object.fromEntries(applets.map((name) => [`usr/bin/${name}`, "busybox"]));
  return { copies: [{ source: busybox, target: "usr/bin/busybox" }], links, shell: "sh", madeOf: "busybox" };
}

function noPrograms(): never {
  throw new Error("the demo copies this machine's programs: it needs bash, coreutils and ldd, or a static busybox");
}

function findProgram(name: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(":"), "/usr/bin", "/bin"];
  return folders.map((folder) => path.join("/", folder, name)).find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.R_OK | constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** Paths as the dynamic loader looks for them; undefined where ldd(1) cannot tell, as of a static program. */
function sharedLibraries(programs: readonly string[]): readonly string[] | undefined {
  const env = { ...process.env, LC_ALL: "C" };
  const { status, stdout } = spawnSync("ldd", programs, { encoding: "utf8", env });
  if (status !== 0 || /not found|not a dynamic/.test(stdout)) return undefined;
  return [...stdout.matchAll(/^\t(?:.* => )?(\/\S+)/gm)].map((match) => match[1] ?? "");
}

async function writeTar(copies: readonly Copy[], links: Readonly<Record<string, string>>): Promise<Buffer> {
  const tar = pack();
  const content = buffer(tar);
  const folders = new Set(FOLDERS);
  for (const file of [...Object.keys(FILES), ...copies.map((copy) => copy.target)]) {
    for (let at = path.dirname(file); at !== "."; at = path.dirname(at)) folders.add(at);
  }
  for (const name of [...folders].toSorted()) addEntry(tar, name, "directory", name === "tmp" ? 0o1777 : 0o755);
  for (const [name, linkname] of Object.entries(links)) {
    tar.entry({ name, linkname, type: "symlink", mode: 0o777, mtime: new Date(0) });
  }
  for (const [name, content] of Object.entries(FILES)) addEntry(tar, name, "file", 0o644, Buffer.from(content));
  for (const { source, target } of copies) addEntry(tar, target, "file", 0o755, readFileSync(realpathSync(source)));
  tar.finalize();
  return await content;
}

function addEntry(tar: Pack, name: string, type: "file" | "directory", mode: number, content = Buffer.alloc(0)): void {
  tar.entry({ name, type, mode, uid: 0, gid: 0, mtime: new Date(0) }, content);
}

/** By xz(1) where there is one, else stored. */
function compress(tar: Buffer): Uint8Array {
  const { error, status, stdout, stderr } = spawnSync("xz", ["-1", "--stdout"], { input: tar, maxBuffer: 2 ** 30 });
  if (error !== undefined && "code" in error && error.code === "ENOENT") return storeAsXz(tar);
  if (status !== 0) throw error ?? new Error(`xz: ${stderr.toString()}`);
  return stdout;
}
