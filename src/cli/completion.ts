// What completes a command line in a shell, from a table of flags: `executor completion bash` prints it, as programs made
// with cobra do. Paths are completed where nothing else is.

import { BuildError } from "../../builder/core/errors.ts";
import type { Flag } from "./flags.ts";

export interface Completed {
  /** The program, as it is called. */
  readonly program: string;
  /** Words that may come first, with what they are for. */
  readonly words: ReadonlyMap<string, string>;
  readonly flags: readonly Flag[];
}

/** Shells that there is a script for. */
export const SHELLS = ["bash", "fish", "powershell", "zsh"] as const;

/** The script. Throws `USAGE` for another shell. */
export function completionScript(shell: string, { program, words, flags }: Completed): string {
  const shown = flags.filter(({ state }) => state !== "later");
  const all = { program, words, flags: shown };
  switch (shell) {
    case "bash":
      return bash(all);
    case "fish":
      return fish(all);
    case "powershell":
      return powershell(all);
    case "zsh":
      return zsh(all);
    default:
      throw new BuildError("USAGE", `there is no completion for "${shell}"`, {
        hint: `there is: ${SHELLS.join(", ")}`,
      });
  }
}

function bash({ program, words, flags }: Completed): string {
  const name = `_${program}_completion`;
  const options = flags.map((flag) => `--${flag.name}`).join(" ");
  return `# bash completion for ${program}
${name}() {
  local word=\${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  case $word in
    -*) mapfile -t COMPREPLY < <(compgen -W "${options}" -- "$word") ;;
    *) [ "$COMP_CWORD" -eq 1 ] && mapfile -t COMPREPLY < <(compgen -W "${[...words.keys()].join(" ")}" -- "$word") ;;
  esac
}
complete -o default -F ${name} ${program}
`;
}

function zsh({ program, words, flags }: Completed): string {
  const options = flags.map(({ name, short, kind, value = "VALUE", help }) => {
    const takes = kind === "boolean" ? "" : `:${value.replace(/[:[\]]/g, "")}:_files`;
    const names = short === undefined ? `--${name}` : `{-${short},--${name}}`;
    const text = `[${help.replace(/[[\]:]/g, "\\$&")}]${takes}`;
    const repeats = kind === "list" ? "'*'" : "";
    return `    ${repeats}${names}${kind === "boolean" ? "" : "'='"}${single(text)} \\\n`;
  });
  const first = [...words].map(([word, help]) => single(`${word}:${help}`)).join(" ");
  return `#compdef ${program}
_${program}() {
  local -a words_of
  words_of=(${first})
  _arguments \\
${options.join("")}    '1: :{_describe command words_of}' '*:file:_files'
}
compdef _${program} ${program}
`;
}

function fish({ program, words, flags }: Completed): string {
  const options = flags.map(({ name, short, kind, help }) => {
    const letter = short === undefined ? "" : ` -s ${short}`;
    return `complete -c ${program} -l ${name}${letter}${kind === "boolean" ? "" : " -r"} -d ${escaped(help)}\n`;
  });
  const first = [...words].map(
    ([word, help]) => `complete -c ${program} -n __fish_use_subcommand -a ${word} -d ${escaped(help)}\n`,
  );
  return `# fish completion for ${program}\n${first.join("")}${options.join("")}`;
}

function powershell({ program, words, flags }: Completed): string {
  const row = (word: string, help: string): string => `    @(${doubled(word)}, ${doubled(help)})\n`;
  const rows = [
    ...[...words].map(([word, help]) => row(word, help)),
    ...flags.map(({ name, help }) => row(`--${name}`, help)),
  ];
  return `# powershell completion for ${program}
Register-ArgumentCompleter -Native -CommandName ${doubled(program)} -ScriptBlock {
  param($word, $line, $position)
  @(
${rows.join("")}  ) | Where-Object { $_[0].StartsWith($word) } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_[0], $_[0], 'ParameterValue', $_[1])
  }
}
`;
}

/** A word for bash and zsh. */
function single(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A word for fish, where a backslash counts within quotes. */
function escaped(text: string): string {
  return `'${text.replace(/['\\]/g, "\\$&")}'`;
}

/** A word for PowerShell. */
function doubled(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
