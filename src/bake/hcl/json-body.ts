// A definition in JSON as the same tree (HCL JSON syntax specification): strings are templates, objects with the names
// of blocks are blocks.

import { BuildError } from "../../../builder/core/errors.ts";
import type { Attribute, Block, Body, Expression } from "./ast.ts";
import { Cursor } from "./cursor.ts";
import { parseExpression } from "./expression.ts";
import type { Place, SourceFile } from "./source.ts";
import { faultAt } from "./source.ts";
import { parseTemplate } from "./template.ts";
import { fromJson } from "./value.ts";

/** Which names at a level are blocks, with how many labels, and what stands in them. */
export interface BlockSchema {
  readonly [type: string]: { readonly labels: number; readonly inner: BlockSchema };
}

/** The content of a file of JSON. Throws `CONFIG`. */
export function parseJsonBody(file: SourceFile, schema: BlockSchema): Body {
  let json: unknown;
  try {
    json = JSON.parse(file.text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const [, position = "0"] = /at position (\d+)/.exec(why) ?? [];
    throw faultAt({ file, start: Number(position), end: Number(position) + 1 }, `this is not JSON: ${why}`, {
      cause: error,
    });
  }
  return bodyOf(json, schema, file);
}

function bodyOf(json: unknown, schema: BlockSchema, file: SourceFile): Body {
  const attributes: Attribute[] = [];
  const blocks: Block[] = [];
  for (const part of Array.isArray(json) ? (json as unknown[]) : [json]) {
    for (const [name, value] of Object.entries(objectOf(part, file, "a definition"))) {
      if (name === "//") continue;
      const place = placeOf(name, file);
      const type = schema[name];
      if (type === undefined) attributes.push({ name, value: expressionOf(value, place), place });
      else {
        for (const { labels, body } of labelled(value, type.labels, [], file))
          blocks.push({
            type: name,
            labels,
            body: bodyOf(body, type.inner, file),
            place: placeOf(labels.at(-1) ?? name, file),
          });
      }
    }
  }
  return { attributes, blocks };
}

function labelled(
  json: unknown,
  count: number,
  labels: readonly string[],
  file: SourceFile,
): { labels: readonly string[]; body: unknown }[] {
  const parts = Array.isArray(json) ? (json as unknown[]) : [json];
  if (count === 0) return parts.map((body) => ({ labels, body }));
  return parts.flatMap((part) =>
    Object.entries(objectOf(part, file, "blocks")).flatMap(([label, inner]) =>
      labelled(inner, count - 1, [...labels, label], file),
    ),
  );
}

function objectOf(json: unknown, file: SourceFile, what: string): object {
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json;
  throw new BuildError("CONFIG", `${file.name}: ${what} must be an object, not ${JSON.stringify(json)}`);
}

function expressionOf(json: unknown, place: Place): Expression {
  if (typeof json === "string") {
    if (!/[$%]\{/.test(json)) return { kind: "literal", value: json, place };
    try {
      return parseTemplate(new Cursor({ name: place.file.name, text: json }), {
        quoted: false,
        expression: parseExpression,
      });
    } catch (error) {
      throw faultAt(place, `"${json}": ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  if (Array.isArray(json))
    return { kind: "tuple", items: (json as unknown[]).map((item) => expressionOf(item, place)), place };
  if (typeof json === "object" && json !== null) {
    const items = Object.entries(json).map(([key, value]) => ({
      key: expressionOf(key, place),
      value: expressionOf(value, place),
    }));
    return { kind: "object", items, place };
  }
  return { kind: "literal", value: fromJson(json), place };
}

/** Where a key first stands; JSON.parse tells no places. */
function placeOf(key: string, file: SourceFile): Place {
  const start = Math.max(0, file.text.indexOf(JSON.stringify(key)));
  return { file, start, end: start + 1 };
}
