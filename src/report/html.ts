// HTML from text that may hold anything: whatever is not written here as markup is escaped.

/** Markup. Made by `html` and `raw` alone. */
export interface Html {
  readonly markup: string;
}

/** A template whose values are text, markup, or lists of markup. */
export function html(
  strings: TemplateStringsArray,
  ...values: readonly (string | number | Html | readonly Html[])[]
): Html {
  const parts = strings.map((text, at) => text + (at < values.length ? markupOf(values[at] ?? "") : ""));
  return { markup: parts.join("") };
}

/** Markup that was written by hand: a style sheet. */
export function raw(markup: string): Html {
  return { markup };
}

function markupOf(value: string | number | Html | readonly Html[]): string {
  if (typeof value === "string") return escape(value);
  if (typeof value === "number") return String(value);
  return "markup" in value ? value.markup : value.map(({ markup }) => markup).join("");
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
// Controls but tab and line feed; half characters; what turns the direction of writing around.
const UNSEEN = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\p{Surrogate}/gu;

function escape(text: string): string {
  return text.replace(UNSEEN, "\ufffd").replace(/[&<>"']/g, (character) => ESCAPES[character] ?? "");
}
