// HCL as a tree (HCL native syntax specification). JSON files become the same tree.

import type { Place } from "./source.ts";
import type { Value } from "./value.ts";

export type BinaryOperator = "||" | "&&" | "==" | "!=" | "<" | ">" | "<=" | ">=" | "+" | "-" | "*" | "/" | "%";

interface Node {
  readonly place: Place;
}

/** An expression. */
export type Expression = Node &
  (
    | { readonly kind: "literal"; readonly value: Value }
    /** Text with parts to compute; one part alone keeps its type. */
    | { readonly kind: "template"; readonly parts: readonly Expression[] }
    /** `%{ for }` in a template: what it gives is joined. */
    | { readonly kind: "join"; readonly list: Expression }
    | { readonly kind: "tuple"; readonly items: readonly Expression[] }
    | {
        readonly kind: "object";
        readonly items: readonly { readonly key: Expression; readonly value: Expression }[];
      }
    | { readonly kind: "variable"; readonly name: string }
    | { readonly kind: "index"; readonly of: Expression; readonly key: Expression }
    /** `of[*].each`: `each` is computed with `item` being an element. */
    | { readonly kind: "splat"; readonly of: Expression; readonly each: Expression }
    | { readonly kind: "item" }
    | { readonly kind: "call"; readonly name: string; readonly args: readonly Expression[]; readonly spreads: boolean }
    | {
        readonly kind: "conditional";
        readonly condition: Expression;
        readonly yes: Expression;
        readonly no: Expression;
      }
    | {
        readonly kind: "binary";
        readonly operator: BinaryOperator;
        readonly left: Expression;
        readonly right: Expression;
      }
    | { readonly kind: "unary"; readonly operator: "!" | "-"; readonly of: Expression }
    | {
        readonly kind: "for";
        readonly keyName: string | undefined;
        readonly valueName: string;
        readonly of: Expression;
        /** Undefined for a tuple. */
        readonly key: Expression | undefined;
        readonly value: Expression;
        readonly condition: Expression | undefined;
        /** `...`: values of one key are collected. */
        readonly groups: boolean;
      }
  );

/** `name = value`. */
export interface Attribute extends Node {
  readonly name: string;
  readonly value: Expression;
}

/** `type "label" { … }`. */
export interface Block extends Node {
  readonly type: string;
  readonly labels: readonly string[];
  readonly body: Body;
}

/** What stands in a file or between the braces of a block, in order. */
export interface Body {
  readonly attributes: readonly Attribute[];
  readonly blocks: readonly Block[];
}
