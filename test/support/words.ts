// One line of a script test as words, as a shell would split it: spaces between, '…' as it is, "…" and bare words with
// $NAME and ${NAME} replaced.

/** Throws on a quote that is not closed and on a name that is not in the environment. */
export function splitWords(line: string, environment: Readonly<Record<string, string>>): string[] {
  const words: string[] = [];
  for (const [word] of line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+|['"]/g)) {
    if (word === "'" || word === '"') throw new Error(`a ${word} is not closed: ${line}`);
    if (word.startsWith("#")) break;
    words.push(readWord(word, environment));
  }
  return words;
}

function readWord(word: string, environment: Readonly<Record<string, string>>): string {
  return word.replaceAll(/'([^']*)'|"([^"]*)"|([^'"]+)/g, (_, raw?: string, quoted?: string, bare?: string) => {
    return raw ?? expand(quoted ?? bare ?? "", environment);
  });
}

function expand(text: string, environment: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$(?:(\w+)|\{(\w+)\})/g, (_, plain?: string, braced?: string) => {
    const name = plain ?? braced ?? "";
    const value = environment[name];
    if (value === undefined) throw new Error(`$${name} is not set`);
    return value;
  });
}
