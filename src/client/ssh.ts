// A daemon on a machine that is reached by ssh: ssh starts `tsbuild dial-stdio` there, which passes bytes between the
// daemon's socket and its own input and output (as docker's and buildctl's clients do it).

import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { spawn } from "node:child_process";
import { Duplex } from "node:stream";
import { BuildError } from "../../builder/core/errors.ts";

/** Where ssh goes. */
export interface SshTarget {
  readonly user: string | undefined;
  readonly host: string;
  readonly port: string | undefined;
  /** Of the daemon's socket there; undefined: where it is by default. */
  readonly socket: string | undefined;
}

/** A connection through ssh, and its end. */
export interface SshConnection {
  readonly stream: Duplex;
  /** Settles when ssh has ended, with why. */
  readonly ended: Promise<BuildError>;
}

const CONNECT_SECONDS = 30;
/** What a shell says when there is no such program. */
const NOT_FOUND = 127;
const MOST_TOLD = 4096;

/** Reads `ssh://[user@]host[:port][/path/of/socket]`; undefined where it is no such address. */
export function parseSshTarget(text: string): SshTarget | undefined {
  const parts = /^ssh:\/\/(?:([^@/:\s]+)@)?(?:\[([^\]\s]+)\]|([^:/@\s]+))(?::(\d+))?(\/[^\0]*)?$/.exec(text);
  if (parts === null) return undefined;
  const [, user, bracketed, plain, port, path = "/"] = parts;
  const host = bracketed ?? plain ?? "";
  // ssh would take them for flags.
  if (host.startsWith("-") || user?.startsWith("-") === true) return undefined;
  return { user, host, port, socket: path === "/" ? undefined : path };
}

/** Starts ssh; disposing of the stream ends it. Throws nothing: `ended` says what went wrong. */
export function connectSsh(target: SshTarget): SshConnection {
  const child = spawn("ssh", sshWords(target), { stdio: ["pipe", "pipe", "pipe"] });
  let told = "";
  child.stderr.on("data", (chunk: Buffer) => (told = (told + chunk.toString("utf8")).slice(-MOST_TOLD)));
  const stream = streamOf(child);
  const ended = new Promise<BuildError>((resolve) => {
    child.once("error", (cause) => resolve(failed(`ssh cannot be started: ${cause.message}`, undefined, cause)));
    child.once("close", (code) => {
      const hint =
        code === NOT_FOUND
          ? "tsbuild must be there as well, in the PATH of a shell that is not interactive"
          : told.trim() || undefined;
      resolve(failed(`ssh to ${target.host} ended with ${code ?? "a signal"}`, hint));
    });
  });
  return { stream, ended };
}

/**
 * Its input and output. HTTP/2 of Node asserts that nothing is being written when a connection ends (JSStreamSocket): a
 * write is over as soon as the pipe has taken it, and what a program that has ended is still to get goes nowhere.
 */
function streamOf(child: ChildProcessWithoutNullStreams): Duplex {
  const { stdin } = child;
  let waiting: (() => void) | undefined;
  const goOn = (): void => {
    waiting?.();
    waiting = undefined;
  };
  stdin.on("drain", goOn);
  stdin.on("close", goOn);
  const stream = new Duplex({
    read: () => void child.stdout.resume(),
    write: (chunk, _encoding, done) => {
      if (stdin.destroyed || stdin.write(chunk)) done();
      else waiting = done;
    },
    final: (done) => {
      stdin.end();
      done();
    },
    destroy: (error, done) => {
      child.kill();
      done(error);
    },
  });
  stdin.on("error", () => undefined);
  child.stdout.on("data", (chunk) => {
    if (!stream.push(chunk)) child.stdout.pause();
  });
  child.stdout.once("close", () => void stream.push(null));
  return stream;
}

function sshWords({ user, host, port, socket }: SshTarget): readonly string[] {
  const command = ["tsbuild", "dial-stdio", ...(socket === undefined ? [] : ["--host", quoted(`unix://${socket}`)])];
  return [
    ...["-o", `ConnectTimeout=${CONNECT_SECONDS}`, "-T"],
    ...(user === undefined ? [] : ["-l", user]),
    ...(port === undefined ? [] : ["-p", port]),
    ...["--", host, command.join(" ")],
  ];
}

/** ssh hands one text to the shell there. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function failed(message: string, hint?: string, cause?: Error): BuildError {
  return new BuildError("INPUT_MISSING", message, { cause, hint });
}
