// What a text becomes in base64 and in hexadecimal digits. Both are broken into lines anywhere, and in base64 characters at
// the borders may hold bits of the text and of its neighbours at once.

/** One character a byte, as all texts here. */
export interface EncodedText {
  readonly text: string;
  /** Whether the character before it holds the first bits of the secret. */
  readonly sharesFirst: boolean;
  /** Whether the character after it holds the last bits of the secret. */
  readonly sharesLast: boolean;
}

/** What a text becomes, whatever stands beside it. */
export function encodedTexts(text: string): EncodedText[] {
  const standard = [0, 1, 2].map((skipped) => base64At(text, skipped));
  const forUrls = standard.map((one) => ({ ...one, text: one.text.replaceAll("+", "-").replaceAll("/", "_") }));
  const hex = Buffer.from(text, "latin1").toString("hex");
  const digits = [hex, hex.toUpperCase()].map((one) => ({ text: one, sharesFirst: false, sharesLast: false }));
  return [...standard, ...forUrls, ...digits];
}

/** As a part of something longer the text may begin at the first, second or third byte of a group: other characters stand for it then. */
function base64At(text: string, skipped: number): EncodedText {
  const encoded = Buffer.from("\0".repeat(skipped) + text, "latin1").toString("base64");
  const end = (skipped + text.length) * 8;
  return {
    text: encoded.slice(Math.ceil((skipped * 8) / 6), Math.floor(end / 6)),
    sharesFirst: skipped > 0,
    sharesLast: end % 6 > 0,
  };
}

/**
 * What to look for when an encoded text is sought in bytes as they are, where a line may end anywhere in it: a short one
 * with the line end at each place, of a longer one two neighbouring parts, of which one is whole in any case.
 */
export function unbrokenParts(encoded: string): string[] {
  if (encoded.length < SHORTEST_HALVED) {
    const broken = Array.from(encoded.slice(1), (_, at) => `${encoded.slice(0, at + 1)}\n${encoded.slice(at + 1)}`);
    return [encoded, ...broken];
  }
  const from = Math.max(0, encoded.length - SHORTEST_LINE) >> 1;
  const part = encoded.slice(from, from + SHORTEST_LINE);
  const half = part.length >> 1;
  return [part.slice(0, half), part.slice(half)];
}

/** A half is twelve bytes of a secret in base64, or eight in digits. */
const SHORTEST_HALVED = 32;
/** The lines of xxd(1); those of PEM have 64 characters, those of base64(1) 76. */
const SHORTEST_LINE = 60;
