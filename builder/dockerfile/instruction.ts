// The Dockerfile as data: what `instructions.ts` makes of the parser's tree and what
// everything behind it reads. Words are as written (quotes and variables not yet
// resolved) unless a comment says otherwise; expansion is the conversion's.

import type { SourceRange } from "../core/errors.ts";

/** A here-document. `expand` is false when its delimiter was quoted; `chomp` strips leading tabs (`<<-`), already done in `content`. */
export interface Heredoc {
  readonly name: string;
  readonly expand: boolean;
  readonly chomp: boolean;
  readonly content: string;
  /** The content with its tabs, where `<<-` took them away. */
  readonly raw?: string;
  /** File descriptor number before `<<`; 0 when there was none. */
  readonly fd: number;
}

interface Base {
  readonly range: SourceRange;
  /** The instruction's name as written: "FROM", "from". */
  readonly keyword: string;
  /** The instruction as BuildKit names it in progress and history: original text, continuation lines joined. */
  readonly original: string;
  /** Comment lines directly above (docstrings of ARG and FROM for outline). */
  readonly comments: readonly string[];
}

export interface KeyValue {
  readonly key: string;
  readonly value: string;
  /** ENV key value (old form). */
  readonly noDelimiter?: boolean;
}

export interface ArgDeclaration {
  readonly key: string;
  /** Undefined when declared without default. */
  readonly value: string | undefined;
  readonly comment?: string;
}

/** Shell or exec form of RUN, CMD, ENTRYPOINT, HEALTHCHECK CMD and SHELL. */
export interface CommandLine {
  readonly form: "shell" | "exec";
  /** Exec form: the words. Shell form: one string, or none when nothing was written. */
  readonly args: readonly string[];
  readonly heredocs: readonly Heredoc[];
}

export interface From extends Base {
  readonly kind: "from";
  readonly image: string;
  readonly platform: string | undefined;
  readonly stageName: string | undefined;
}
export interface Arg extends Base {
  readonly kind: "arg";
  readonly args: readonly ArgDeclaration[];
}
export interface Env extends Base {
  readonly kind: "env";
  readonly pairs: readonly KeyValue[];
}
export interface Label extends Base {
  readonly kind: "label";
  readonly pairs: readonly KeyValue[];
}
export interface Maintainer extends Base {
  readonly kind: "maintainer";
  readonly name: string;
}
export interface Run extends Base {
  readonly kind: "run";
  readonly command: CommandLine;
  /** Raw `--mount=` values, in order; parsed after expansion. */
  readonly mounts: readonly string[];
  readonly network: string | undefined;
  readonly security: string | undefined;
  readonly devices: readonly string[];
}
/** A source that is written in the Dockerfile itself. */
export interface InlineSource {
  readonly path: string;
  readonly content: string;
  readonly expand: boolean;
}
export interface CopyLike extends Base {
  readonly sources: readonly string[];
  readonly inline: readonly InlineSource[];
  readonly destination: string;
  readonly chown: string | undefined;
  readonly chmod: string | undefined;
  readonly link: boolean;
  readonly parents: boolean;
  readonly excludes: readonly string[];
}
export interface Copy extends CopyLike {
  readonly kind: "copy";
  readonly from: string | undefined;
}
export interface Add extends CopyLike {
  readonly kind: "add";
  readonly checksum: string | undefined;
  /** undefined: not said. */
  readonly keepGitDir: boolean | undefined;
  readonly unpack: boolean | undefined;
}
export interface Cmd extends Base {
  readonly kind: "cmd";
  readonly command: CommandLine;
}
export interface Entrypoint extends Base {
  readonly kind: "entrypoint";
  readonly command: CommandLine;
}
export interface Workdir extends Base {
  readonly kind: "workdir";
  readonly path: string;
}
export interface User extends Base {
  readonly kind: "user";
  readonly user: string;
}
export interface Expose extends Base {
  readonly kind: "expose";
  readonly ports: readonly string[];
}
export interface Volume extends Base {
  readonly kind: "volume";
  readonly paths: readonly string[];
}
export interface StopSignal extends Base {
  readonly kind: "stopsignal";
  readonly signal: string;
}
/** Durations in nanoseconds; 0 when not said. `test` is Docker's: ["NONE"], ["CMD", …], ["CMD-SHELL", line]; empty: inherit. */
export interface Healthcheck extends Base {
  readonly kind: "healthcheck";
  readonly test: readonly string[];
  readonly intervalNs: number;
  readonly timeoutNs: number;
  readonly startPeriodNs: number;
  readonly startIntervalNs: number;
  readonly retries: number;
}
export interface Shell extends Base {
  readonly kind: "shell";
  readonly shell: readonly string[];
}
export interface Onbuild extends Base {
  readonly kind: "onbuild";
  /** The trigger's text as it goes to the config. */
  readonly expression: string;
}

export type Instruction =
  | From
  | Arg
  | Env
  | Label
  | Maintainer
  | Run
  | Copy
  | Add
  | Cmd
  | Entrypoint
  | Workdir
  | User
  | Expose
  | Volume
  | StopSignal
  | Healthcheck
  | Shell
  | Onbuild;

/** Parser directives at the top of the file. */
export interface Directives {
  readonly escape: "\\" | "`";
  readonly syntax: string | undefined;
  /** Raw value of `# check=`. */
  readonly check: string | undefined;
}

/** A lint rule that fired. */
export interface LintFinding {
  readonly rule: string;
  readonly description: string;
  readonly url: string;
  readonly message: string;
  readonly range: SourceRange | undefined;
}

/** A stage as written: its FROM and what follows. */
export interface StageText {
  readonly from: From;
  readonly instructions: readonly Exclude<Instruction, From>[];
}

/** A whole Dockerfile, read. */
export interface Dockerfile {
  /** As the person named it. */
  readonly fileName: string;
  readonly text: string;
  readonly directives: Directives;
  /** ARGs before the first FROM. */
  readonly globalArgs: readonly Arg[];
  readonly stages: readonly StageText[];
  readonly findings: readonly LintFinding[];
}
