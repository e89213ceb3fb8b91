// Text with `${…}` and `%{…}` in it: quoted strings, heredocs, and strings of JSON files.

import type { Expression } from "./ast.ts";
import type { Cursor } from "./cursor.ts";

/** Which text it is: where it ends, and what a backslash means. */
export interface TemplateKind {
  /** Whether a closing quote ends it; else the cursor's end does. */
  readonly quoted: boolean;
  /** Reads what stands in it. */
  readonly expression: (cursor: Cursor) => Expression;
}

type Piece =
  | { readonly kind: "text"; readonly expression: Expression & { readonly kind: "literal" } }
  | { readonly kind: "value"; readonly expression: Expression }
  | { readonly kind: "if"; readonly condition: Expression; readonly start: number }
  | { readonly kind: "for"; readonly names: readonly string[]; readonly of: Expression; readonly start: number }
  | { readonly kind: "else" | "endif" | "endfor"; readonly start: number };

/** Reads a template from where the cursor stands, behind an opening quote. Throws `CONFIG`. */
export function parseTemplate(cursor: Cursor, kind: TemplateKind): Expression {
  const start = cursor.at;
  const pieces = readPieces(cursor, kind);
  const place = cursor.place(start);
  let at = 0;
  const until = (ends: readonly string[]): { parts: Expression[]; end: string } => {
    const parts: Expression[] = [];
    for (;;) {
      const piece = pieces[at++];
      if (piece === undefined) {
        if (ends.length === 0) return { parts, end: "" };
        throw cursor.fault(`a template directive is not closed: expected %{ ${ends.at(-1)} }`, start);
      }
      switch (piece.kind) {
        case "text":
        case "value":
          parts.push(piece.expression);
          break;
        case "if": {
          const yes = until(["else", "endif"]);
          const no = yes.end === "else" ? until(["endif"]).parts : [];
          const [yesText, noText] = [textOf(yes.parts), textOf(no)];
          parts.push({ kind: "conditional", condition: piece.condition, yes: yesText, no: noText, place });
          break;
        }
        case "for": {
          const value = textOf(until(["endfor"]).parts);
          const [keyName, valueName = keyName ?? ""] = piece.names;
          const bound = { keyName: piece.names.length > 1 ? keyName : undefined, valueName };
          const list: Expression = {
            kind: "for",
            ...bound,
            of: piece.of,
            key: undefined,
            value,
            condition: undefined,
            groups: false,
            place,
          };
          parts.push({ kind: "join", list, place });
          break;
        }
        case "else":
        case "endif":
        case "endfor":
          if (!ends.includes(piece.kind)) throw cursor.fault(`unexpected %{ ${piece.kind} }`, piece.start);
          return { parts, end: piece.kind };
      }
    }
  };
  /** Text even where it is one part alone. */
  const textOf = (parts: readonly Expression[]): Expression => ({
    kind: "template",
    parts: [{ kind: "literal", value: "", place }, ...parts],
    place,
  });
  const { parts } = until([]);
  const [only] = parts;
  if (only === undefined) return { kind: "literal", value: "", place };
  return parts.length === 1 && only.kind === "literal" ? only : { kind: "template", parts, place };
}

function readPieces(cursor: Cursor, kind: TemplateKind): readonly Piece[] {
  const pieces: Piece[] = [];
  let [text, from, trimNext] = ["", cursor.at, false];
  const flush = (trimEnd: boolean): void => {
    let value = trimNext ? text.replace(/^\s+/, "") : text;
    if (trimEnd) value = value.replace(/\s+$/, "");
    if (value !== "") pieces.push({ kind: "text", expression: { kind: "literal", value, place: cursor.place(from) } });
    text = "";
    trimNext = false;
  };
  for (;;) {
    if (cursor.isAtEnd) {
      if (kind.quoted) throw cursor.fault("a string is not closed", from - 1);
      break;
    }
    if (kind.quoted && cursor.looksAt('"')) break;
    if (cursor.looksAt("$${") || cursor.looksAt("%%{")) {
      text += cursor.file.text.slice(cursor.at + 1, cursor.at + 3);
      cursor.at += 3;
    } else if (cursor.looksAt("${") || cursor.looksAt("%{")) {
      const isDirective = cursor.looksAt("%{");
      const start = cursor.at;
      cursor.at += 2;
      const trims = cursor.looksAt("~");
      if (trims) cursor.at++;
      flush(trims);
      cursor.within(() => {
        pieces.push(
          isDirective
            ? readDirective(cursor, start, kind.expression)
            : { kind: "value", expression: kind.expression(cursor) },
        );
        trimNext = cursor.take("~");
        cursor.expect("}", isDirective ? "at the end of a template directive" : "at the end of ${…}");
      });
      from = cursor.at;
    } else text += kind.quoted ? quotedChar(cursor) : plainChar(cursor);
  }
  flush(false);
  if (kind.quoted) cursor.at++;
  return pieces;
}

function readDirective(cursor: Cursor, start: number, expression: TemplateKind["expression"]): Piece {
  const word = cursor.identifier();
  switch (word) {
    case "if":
      return { kind: "if", condition: expression(cursor), start };
    case "for": {
      const names = [cursor.identifier(), cursor.take(",") ? cursor.identifier() : undefined];
      if (cursor.identifier() !== "in") throw cursor.fault('expected "in" after the names of a for', start);
      return { kind: "for", names: names.filter((name) => name !== undefined), of: expression(cursor), start };
    }
    case "else":
    case "endif":
    case "endfor":
      return { kind: word, start };
    default:
      throw cursor.fault(`"${word ?? ""}" is no template directive`, start);
  }
}

function plainChar(cursor: Cursor): string {
  return cursor.file.text[cursor.at++] ?? "";
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", '"': '"', "\\": "\\" };

function quotedChar(cursor: Cursor): string {
  const char = plainChar(cursor);
  if (char === "\n") throw cursor.fault("a string ends before the end of its line", cursor.at - 1);
  if (char !== "\\") return char;
  const start = cursor.at - 1;
  const letter = plainChar(cursor);
  const plain = ESCAPES[letter];
  if (plain !== undefined) return plain;
  const digits = letter === "u" ? 4 : letter === "U" ? 8 : 0;
  const hex = cursor.file.text.slice(cursor.at, cursor.at + digits);
  if (digits === 0 || !/^[0-9a-fA-F]+$/.test(hex) || hex.length < digits || Number.parseInt(hex, 16) > 0x10ffff)
    throw cursor.fault(`"\\${letter}" is no escape sequence`, start);
  cursor.at += digits;
  return String.fromCodePoint(Number.parseInt(hex, 16));
}
