// Reads expressions (HCL native syntax specification, "Expressions").

import type { BinaryOperator, Expression } from "./ast.ts";
import { Cursor } from "./cursor.ts";
import { parseTemplate } from "./template.ts";
import type { Value } from "./value.ts";

/** From loosest to tightest. A longer operator stands before one that begins it. */
const LEVELS: readonly (readonly BinaryOperator[])[] = [
  ["||"],
  ["&&"],
  ["==", "!="],
  ["<=", ">=", "<", ">"],
  ["+", "-"],
  ["*", "/", "%"],
];
const WORDS: ReadonlyMap<string, Value> = new Map<string, Value>([
  ["true", true],
  ["false", false],
  ["null", null],
]);
const DEEPEST = 200;
let depth = 0;

/** Reads one from where the cursor stands. Throws `CONFIG`. */
export function parseExpression(cursor: Cursor): Expression {
  if (++depth > DEEPEST) {
    depth = 0;
    throw cursor.fault("expressions are nested too deeply");
  }
  try {
    return parseConditional(cursor);
  } finally {
    depth = Math.max(0, depth - 1);
  }
}

function parseConditional(cursor: Cursor): Expression {
  cursor.skip();
  const start = cursor.at;
  const condition = parseBinary(cursor, 0);
  if (!cursor.take("?")) return condition;
  cursor.skipLines();
  const yes = parseExpression(cursor);
  cursor.skipLines();
  cursor.expect(":", "between the results of a condition");
  cursor.skipLines();
  const no = parseExpression(cursor);
  return { kind: "conditional", condition, yes, no, place: cursor.place(start) };
}

function parseBinary(cursor: Cursor, level: number): Expression {
  const operators = LEVELS[level];
  if (operators === undefined) return parseUnary(cursor);
  cursor.skip();
  const start = cursor.at;
  let left = parseBinary(cursor, level + 1);
  for (;;) {
    const operator = operators.find((candidate) => cursor.take(candidate));
    if (operator === undefined) return left;
    cursor.skipLines();
    const right = parseBinary(cursor, level + 1);
    left = { kind: "binary", operator, left, right, place: cursor.place(start) };
  }
}

function parseUnary(cursor: Cursor): Expression {
  cursor.skip();
  const start = cursor.at;
  for (const operator of ["!", "-"] as const) {
    if (cursor.looksAt(operator)) {
      cursor.at++;
      return { kind: "unary", operator, of: parseUnary(cursor), place: cursor.place(start) };
    }
  }
  return parseTraversal(cursor, parsePrimary(cursor), start);
}

/** `.name`, `[index]`, `.*`, `[*]` behind a value. */
function parseTraversal(cursor: Cursor, of: Expression, start: number): Expression {
  let value = of;
  for (;;) {
    const next = parseStep(cursor, value, start, "any");
    if (next === undefined) return value;
    value = next;
  }
}

function parseStep(cursor: Cursor, of: Expression, start: number, steps: "any" | "names"): Expression | undefined {
  cursor.skip();
  if (cursor.looksAt("...")) return undefined;
  if (cursor.take(".")) {
    if (cursor.take("*")) return parseSplat(cursor, of, start, "names");
    const index = cursor.number();
    const name = index ?? cursor.identifier();
    if (name === undefined) throw cursor.fault(`expected a name after ".", not ${cursor.next()}`);
    // "a.0.1" scans as the number 0.1.
    let value = of;
    for (const part of index === undefined ? [name] : name.split(".")) {
      const key: Expression = literal(cursor, index === undefined ? part : Number(part), start);
      value = { kind: "index", of: value, key, place: cursor.place(start) };
    }
    return value;
  }
  if (steps === "names" || !cursor.looksAt("[")) return undefined;
  cursor.at++;
  return cursor.within(() => {
    const isSplat = cursor.take("*");
    const key = isSplat ? undefined : parseExpression(cursor);
    cursor.expect("]", "after an index");
    return key === undefined
      ? parseSplat(cursor, of, start, "any")
      : { kind: "index", of, key, place: cursor.place(start) };
  });
}

function parseSplat(cursor: Cursor, of: Expression, start: number, steps: "any" | "names"): Expression {
  let each: Expression = { kind: "item", place: cursor.place(start) };
  for (;;) {
    const next = parseStep(cursor, each, start, steps);
    if (next === undefined) return { kind: "splat", of, each, place: cursor.place(start) };
    each = next;
  }
}

function parsePrimary(cursor: Cursor): Expression {
  const start = cursor.at;
  const number = cursor.number();
  if (number !== undefined) return literal(cursor, Number(number), start);
  if (cursor.looksAt('"')) {
    cursor.at++;
    return parseTemplate(cursor, { quoted: true, expression: parseExpression });
  }
  if (cursor.looksAt("<<")) return parseHeredoc(cursor);
  if (cursor.looksAt("(")) {
    cursor.at++;
    return cursor.within(() => {
      const inner = parseExpression(cursor);
      cursor.expect(")", "at the end of a parenthesis");
      return inner;
    });
  }
  if (cursor.looksAt("[")) return parseBracket(cursor, start);
  if (cursor.looksAt("{")) return parseBrace(cursor, start);
  const name = cursor.identifier();
  if (name === undefined) throw cursor.fault(`expected an expression, not ${cursor.next()}`, start);
  if (cursor.looksAt("(")) return parseCall(cursor, name, start);
  const word = WORDS.get(name);
  return word === undefined ? { kind: "variable", name, place: cursor.place(start) } : literal(cursor, word, start);
}

function parseCall(cursor: Cursor, name: string, start: number): Expression {
  cursor.at++;
  return cursor.within(() => {
    const args: Expression[] = [];
    let spreads = false;
    while (!cursor.take(")")) {
      args.push(parseExpression(cursor));
      spreads = cursor.take("...");
      if (!spreads && cursor.take(",")) continue;
      cursor.expect(")", `after the arguments of ${name}`);
      break;
    }
    return { kind: "call", name, args, spreads, place: cursor.place(start) };
  });
}

function parseBracket(cursor: Cursor, start: number): Expression {
  cursor.at++;
  return cursor.within(() => {
    if (isFor(cursor)) return parseFor(cursor, start, "]");
    const items: Expression[] = [];
    while (!cursor.take("]")) {
      items.push(parseExpression(cursor));
      if (cursor.take(",")) continue;
      cursor.expect("]", "after the items of a list");
      break;
    }
    return { kind: "tuple", items, place: cursor.place(start) };
  });
}

function isFor(cursor: Cursor): boolean {
  if (cursor.peekIdentifier() !== "for") return false;
  const { at } = cursor;
  cursor.identifier();
  const name = cursor.identifier();
  cursor.at = at;
  return name !== undefined;
}

function parseFor(cursor: Cursor, start: number, end: "]" | "}"): Expression {
  cursor.identifier();
  const first = cursor.identifier() ?? "";
  const second = cursor.take(",") ? cursor.identifier() : undefined;
  if (cursor.identifier() !== "in") throw cursor.fault('expected "in" after the names of a for');
  const of = parseExpression(cursor);
  cursor.expect(":", "after what a for goes through");
  const head = parseExpression(cursor);
  let [key, value]: [Expression | undefined, Expression] = [undefined, head];
  if (end === "}") {
    cursor.expect("=>", "between key and value");
    [key, value] = [head, parseExpression(cursor)];
  }
  const groups = end === "}" && cursor.take("...");
  let condition: Expression | undefined;
  if (cursor.peekIdentifier() === "if") {
    cursor.identifier();
    condition = parseExpression(cursor);
  }
  cursor.expect(end, "at the end of a for");
  const names = { keyName: second === undefined ? undefined : first, valueName: second ?? first };
  return { kind: "for", ...names, of, key, value, condition, groups, place: cursor.place(start) };
}

function parseBrace(cursor: Cursor, start: number): Expression {
  cursor.at++;
  const isForExpression = cursor.within(() => isFor(cursor));
  if (isForExpression) return cursor.within(() => parseFor(cursor, start, "}"));
  return cursor.within(() => {
    const items: { key: Expression; value: Expression }[] = [];
    for (;;) {
      cursor.skipLines();
      if (cursor.take("}")) return { kind: "object", items, place: cursor.place(start) };
      const key = parseKey(cursor);
      if (!cursor.take("=") && !cursor.take(":"))
        throw cursor.fault(`expected "=" after a key of an object, not ${cursor.next()}`);
      cursor.skipLines();
      items.push({ key, value: parseExpression(cursor) });
      if (cursor.take(",") || cursor.take("\n") || cursor.looksAt("}")) continue;
      throw cursor.fault(`expected a comma, a new line or "}" after a value of an object, not ${cursor.next()}`);
    }
  }, "kept");
}

/** A bare word is itself, not a variable. */
function parseKey(cursor: Cursor): Expression {
  cursor.skip();
  const start = cursor.at;
  const name = cursor.identifier();
  if (name !== undefined) {
    cursor.skip();
    if ((cursor.looksAt("=") && !cursor.looksAt("==")) || cursor.looksAt(":")) return literal(cursor, name, start);
    cursor.at = start;
  }
  return parseExpression(cursor);
}

/** `<<MARK` to a line that is MARK alone; `<<-` takes the common indentation off. */
function parseHeredoc(cursor: Cursor): Expression {
  const start = cursor.at;
  const { text } = cursor.file;
  const [opening = "", dash = "", mark = ""] =
    /^<<(-?)([\p{ID_Start}_][\p{ID_Continue}-]*)[ \t\r]*\n/u.exec(text.slice(start)) ?? [];
  if (opening === "") throw cursor.fault("expected a word and the end of the line after <<");
  const from = start + opening.length;
  const closing = new RegExp(`^[ \\t]*${mark}[ \\t\\r]*$`, "mu");
  const found = closing.exec(text.slice(from));
  if (found === null) throw cursor.fault(`the text is not closed by a line "${mark}"`, start);
  const end = from + found.index;
  cursor.at = end + found[0].length;
  const body = text.slice(from, end);
  if (dash === "")
    return parseTemplate(new Cursor(cursor.file, from, end), { quoted: false, expression: parseExpression });
  // Only columns of messages inside it move; lines stay what they are.
  const flat = { name: cursor.file.name, text: text.slice(0, from) + withoutIndent(body) };
  return parseTemplate(new Cursor(flat, from), { quoted: false, expression: parseExpression });
}

function withoutIndent(text: string): string {
  const lines = text.split(/(?<=\n)/);
  const indents = lines.filter((line) => line.trim() !== "").map((line) => line.length - line.trimStart().length);
  const indent = Math.min(...indents);
  return lines.map((line) => (line.trim() === "" ? line : line.slice(indent))).join("");
}

function literal(cursor: Cursor, value: Value, start: number): Expression {
  return { kind: "literal", value, place: cursor.place(start) };
}
