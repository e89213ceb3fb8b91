// Runs the git program: an argument list, an environment of our own, no prompts, nothing
// of the user's or the machine's configuration, and a way to stop it with its children.

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { execa } from "execa";
import { BuildError, isErrno } from "../../core/errors.ts";
import { redact } from "../redact.ts";

/** Protocols that git may speak. "file" is for our own mirrors, and for those who vouch for the URL. */
export type GitProtocol = "http" | "https" | "ssh" | "git" | "file";

/** What may be reached by a URL, so by what somebody else wrote. */
export const NETWORK: readonly GitProtocol[] = ["http", "https", "ssh", "git"];

/** How git is run. */
export interface GitOptions {
  /** Folder of the git store; git's own configuration is written there. */
  readonly directory: string;
  readonly environment: ReadonlyMap<string, string>;
  /** Configuration of this build: the remote, its credentials. Goes by the environment, so it is on no disk and in no process list. */
  readonly config: readonly (readonly [name: string, value: string])[];
  readonly ssh: SshOptions;
  readonly protocols: readonly GitProtocol[];
  readonly signal: AbortSignal;
  readonly log: ((stream: 1 | 2, data: Uint8Array) => void) | undefined;
}

export interface SshOptions {
  /** Socket of the agent. */
  readonly agent: string | undefined;
  /** Files with keys of hosts; the first one receives those that are new. */
  readonly knownHosts: readonly string[];
}

/** One call. */
export interface GitCall {
  readonly gitDir?: string | undefined;
  readonly workTree?: string | undefined;
  readonly indexFile?: string | undefined;
  readonly protocols?: readonly GitProtocol[];
  /** Its output is of no interest to people. */
  readonly quiet?: boolean;
}

/** A call that ended with an error. */
export class GitFailure extends Error {
  readonly stderr: string;

  constructor(stderr: string, cause: unknown) {
    super(`git stderr:\n${stderr}`, { cause });
    this.name = "GitFailure";
    this.stderr = stderr;
  }
}

const PASSED_ON = [
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"],
  ...["SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_PROXY_SSL_CAINFO", "GIT_SSL_NO_VERIFY"],
];
const MOST_OUTPUT_BYTES = 256 << 20;
const KILL_AFTER_MS = 10_000;

/** The git program of one build. */
export class Git {
  readonly #options: GitOptions;
  readonly #configFile: string;

  constructor(options: GitOptions) {
    this.#options = options;
    mkdirSync(options.directory, { recursive: true });
    this.#configFile = join(options.directory, "config");
    writeIfChanged(this.#configFile, CONFIG);
  }

  /** Standard output of a call. Throws `GitFailure`; `UNSUPPORTED` when there is no git. */
  async run(args: readonly string[], call: GitCall = {}): Promise<string> {
    const { signal, directory, log } = this.#options;
    signal.throwIfAborted();
    // Its own process group, so that its helpers can be stopped as well.
    const child = execa("git", [...placeArguments(call), ...args], {
      cwd: call.workTree ?? directory,
      env: this.#environment(call),
      extendEnv: false,
      stdin: "ignore",
      reject: false,
      detached: true,
      stripFinalNewline: false,
      maxBuffer: MOST_OUTPUT_BYTES,
    });
    const stop = (): void => killGroup(child.pid);
    signal.addEventListener("abort", stop, { once: true });
    stopAtExit(child.pid);
    try {
      if (call.quiet !== true && log !== undefined) {
        child.stdout.on("data", (data: Buffer) => log(1, Buffer.from(redact(data.toString("utf8")))));
        child.stderr.on("data", (data: Buffer) => log(2, Buffer.from(redact(data.toString("utf8")))));
      }
      const result = await child;
      if (signal.aborted) throw signal.reason;
      if (isErrno(result.cause, "ENOENT", "EACCES")) throw missing(result.cause);
      if (result.failed) throw new GitFailure(redact(result.stderr.trim()), result.cause);
      return result.stdout;
    } finally {
      signal.removeEventListener("abort", stop);
      running.delete(child.pid ?? 0);
    }
  }

  /** Whether a call succeeds. */
  async succeeds(args: readonly string[], call: GitCall = {}): Promise<boolean> {
    try {
      await this.run(args, { ...call, quiet: true });
      return true;
    } catch (error) {
      if (error instanceof GitFailure) return false;
      throw error;
    }
  }

  #environment(call: GitCall): Record<string, string> {
    const { environment, config, ssh, protocols, directory } = this.#options;
    const result: Record<string, string> = {
      PATH: environment.get("PATH") ?? "/usr/local/bin:/usr/bin:/bin",
      LC_ALL: "C",
      HOME: "/dev/null",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: this.#configFile,
      GIT_ATTR_NOSYSTEM: "1",
      GIT_NO_REPLACE_OBJECTS: "1",
      GIT_TEMPLATE_DIR: "",
      GIT_TERMINAL_PROMPT: "0",
      GIT_LFS_SKIP_SMUDGE: "1",
      // Without a git dir of ours, none that happens to be above the store.
      GIT_CEILING_DIRECTORIES: join(directory, ".."),
      GIT_ALLOW_PROTOCOL: (call.protocols ?? protocols).join(":"),
      GIT_SSH_COMMAND: sshCommand(ssh),
      GIT_CONFIG_COUNT: String(config.length),
    };
    for (const [at, [name, value]] of config.entries()) {
      result[`GIT_CONFIG_KEY_${at}`] = name;
      result[`GIT_CONFIG_VALUE_${at}`] = value;
    }
    if (call.indexFile !== undefined) result["GIT_INDEX_FILE"] = call.indexFile;
    if (ssh.agent !== undefined) result["SSH_AUTH_SOCK"] = ssh.agent;
    for (const name of PASSED_ON) {
      const value = environment.get(name);
      if (value !== undefined) result[name] = value;
    }
    return result;
  }
}

// Read by every git process, also by those that git starts for submodules and on the
// other side of a file:// URL, where GIT_CONFIG_COUNT does not reach.
const CONFIG = `[core]
\thooksPath = /dev/null
\tfsmonitor = false
[init]
\tdefaultBranch = master
[safe]
\tdirectory = *
[gc]
\tauto = 0
[maintenance]
\tauto = false
[advice]
\tdetachedHead = false
[submodule]
\trecurse = false
`;

function placeArguments({ gitDir, workTree }: GitCall): string[] {
  return [
    ...(gitDir === undefined ? [] : ["--git-dir", gitDir]),
    ...(workTree === undefined ? [] : ["--work-tree", workTree]),
  ];
}

/** The user's own configuration and keys stay out of it. A host's key is taken when it is first seen and must then stay the same. */
function sshCommand({ knownHosts }: SshOptions): string {
  const files = knownHosts.map((file) => `"${file.replaceAll(/["\\]/g, "\\$&")}"`).join(" ");
  return `ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o 'UserKnownHostsFile=${files.replaceAll("'", `'\\''`)}'`;
}

function missing(cause: unknown): BuildError {
  return new BuildError(
    "UNSUPPORTED",
    "failed to find git binary: git sources need the git program, and there is none on PATH",
    { cause, hint: "install git" },
  );
}

/** Groups that would outlive this process. */
const running = new Set<number>();
let isWatching = false;

function stopAtExit(pid: number | undefined): void {
  if (pid === undefined) return;
  running.add(pid);
  if (isWatching) return;
  isWatching = true;
  process.once("exit", () => {
    for (const each of running) killGroup(each);
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  const kill = (signal: NodeJS.Signals): void => {
    try {
      process.kill(-pid, signal);
    } catch {
      // It has ended by itself.
    }
  };
  kill("SIGTERM");
  setTimeout(() => kill("SIGKILL"), KILL_AFTER_MS).unref();
}

function writeIfChanged(path: string, text: string): void {
  try {
    if (readFileSync(path, "utf8") === text) return;
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
  const temporary = `${path}.${randomUUID()}`;
  writeFileSync(temporary, text);
  renameSync(temporary, path);
}
