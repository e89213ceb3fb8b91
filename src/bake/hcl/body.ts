// Reads a file of HCL: attributes and blocks (HCL native syntax specification, "Structural Elements").

import type { Attribute, Block, Body } from "./ast.ts";
import { Cursor } from "./cursor.ts";
import { parseExpression } from "./expression.ts";
import type { SourceFile } from "./source.ts";
import { faultAt, locationOf } from "./source.ts";
import { parseTemplate } from "./template.ts";

/** The content of a file. Throws `CONFIG` with the line. */
export function parseHcl(file: SourceFile): Body {
  const cursor = new Cursor(file);
  const body = parseBody(cursor);
  if (!cursor.isAtEnd) throw cursor.fault(`expected an attribute or a block, not ${cursor.next()}`);
  return body;
}

function parseBody(cursor: Cursor, isOneLine = false): Body {
  const attributes: Attribute[] = [];
  const blocks: Block[] = [];
  for (;;) {
    cursor.skipLines();
    const start = cursor.at;
    const name = cursor.identifier();
    if (name === undefined) break;
    if (cursor.take("=")) {
      const value = parseExpression(cursor);
      const attribute = { name, value, place: cursor.place(start) };
      const earlier = attributes.find((other) => other.name === name);
      if (earlier !== undefined)
        throw faultAt(
          attribute.place,
          `"${name}" was set already at line ${locationOf(earlier.place).range.startLine}`,
        );
      attributes.push(attribute);
    } else if (isOneLine) throw cursor.fault("a block on one line holds no other block", start);
    else blocks.push(parseBlock(cursor, name, start));
    cursor.skip();
    if (isOneLine) {
      if (!cursor.looksAt("}"))
        throw cursor.fault(`a block on one line has one attribute: expected "}", not ${cursor.next()}`);
      break;
    }
    if (!cursor.isAtEnd && !cursor.looksAt("\n"))
      throw cursor.fault(`expected the end of the line, not ${cursor.next()}`);
  }
  return { attributes, blocks };
}

function parseBlock(cursor: Cursor, type: string, start: number): Block {
  const labels: string[] = [];
  while (!cursor.take("{")) {
    cursor.skip();
    const from = cursor.at;
    if (cursor.take('"')) {
      const label = parseTemplate(cursor, { quoted: true, expression: parseExpression });
      if (label.kind !== "literal" || typeof label.value !== "string")
        throw cursor.fault("the label of a block cannot be computed", from);
      labels.push(label.value);
      continue;
    }
    const name = cursor.identifier();
    if (name === undefined)
      throw cursor.fault(`expected "=", a label or "{" after "${type}", not ${cursor.next()}`, from);
    labels.push(name);
  }
  const place = cursor.place(start);
  cursor.skip();
  const body = parseBody(cursor, !cursor.looksAt("\n"));
  cursor.skipLines();
  cursor.expect("}", `at the end of the block "${type}"`);
  return { type, labels, body, place };
}
