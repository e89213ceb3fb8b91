// How a secret may be written where it does not belong: as it is, in base64, in hexadecimal digits, percent-encoded, in a
// JSON string.

import { type EncodedText, encodedTexts, unbrokenParts } from "./encoded-forms.ts";

/** Shorter values stand in many places by chance: they are neither withheld nor looked for. */
const SHORTEST_VALUE = 6;

/** Of a longer spelling a part of this length stands for all of it. */
const LONGEST_FORM = 512;
/** In logs a long spelling is withheld piece by piece. */
const LONGEST_PIECE = 256;
/** A line of a private key that is shorter says nothing. */
const SHORTEST_KEY_LINE = 16;

/**
 * What to look for in an image: each spelling of the whole value, of each line of a private key in it, and of each word that
 * looks like a token. None for a value that is too short.
 */
export function imageForms(value: Uint8Array): Uint8Array[] {
  const whole = trimmed(latin1(value));
  if (!isLongEnough(whole)) return [];
  const texts = [whole, ...keyLines(whole), ...tokens(whole)];
  // Whatever a long value becomes, what its middle becomes is a part of that.
  const middles = texts.map(middleOf);
  const encoded = middles.flatMap(encodedTexts).flatMap(({ text }) => unbrokenParts(text));
  return unique([...middles.flatMap(spellings).map(middleOf), ...encoded]);
}

/** What to withhold in logs: also each line of the value by itself, since each is printed by itself. */
export function logForms(value: Uint8Array): LogForms {
  const texts = logTexts(value);
  const lines = texts.flatMap(spellings).flatMap((text) => text.split("\n"));
  return {
    plain: unique(lines.map(trimmed).flatMap(piecesOf)),
    encoded: texts.flatMap(encodedTexts).flatMap(encodedPieces),
  };
}

/** What to withhold in logs. */
export interface LogForms {
  readonly plain: readonly Uint8Array[];
  /** What may be broken into lines anywhere. */
  readonly encoded: readonly EncodedForm[];
}

export interface EncodedForm extends Pick<EncodedText, "sharesFirst" | "sharesLast"> {
  readonly bytes: Uint8Array;
}

function logTexts(value: Uint8Array): string[] {
  const whole = trimmed(latin1(value));
  if (!isLongEnough(whole)) return [];
  const texts = [whole, ...keyLines(whole), ...tokens(whole), ...whole.split("\n")].map(trimmed);
  return [...new Set(texts)].filter(({ length }) => length >= SHORTEST_VALUE);
}

function encodedPieces({ text, sharesFirst, sharesLast }: EncodedText): EncodedForm[] {
  return piecesOf(text).map((piece, number, all) => ({
    bytes: Buffer.from(piece, "latin1"),
    sharesFirst: sharesFirst && number === 0,
    sharesLast: sharesLast && number === all.length - 1,
  }));
}

/** Without the end of the last line, which programs take away, and blanks around. */
function trimmed(text: string): string {
  return text.replace(/^[\t-\r ]+|[\t-\r ]+$/g, "");
}

/** A value of several lines is as long as its longest one. */
function isLongEnough(text: string): boolean {
  return text.split("\n").some((line) => trimmed(line).length >= SHORTEST_VALUE);
}

/** The lines of private keys in PEM, also with the line ends escaped as in JSON. The first line of an OpenSSH key is the same in all keys. */
function keyLines(text: string): string[] {
  const found: string[] = [];
  for (const [, label = "", body = ""] of text.matchAll(
    /-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----(.*?)-----END \1-----/gs,
  )) {
    const lines = body
      .split(/\r?\n|\\n/)
      .map(trimmed)
      .filter((line) => /^[A-Za-z0-9+/=]+$/.test(line));
    found.push(...(label.startsWith("OPENSSH") ? lines.slice(1) : lines));
  }
  return found.filter(({ length }) => length >= SHORTEST_KEY_LINE);
}

/**
 * Words of a file (.netrc, .npmrc, JSON) that no person has chosen: long, of large and small letters and digits. What is armoured
 * in PEM is left out: keys are told of by their lines, and certificates are public.
 */
function tokens(text: string): string[] {
  const words = text.replace(/-----BEGIN .*?(?:-----END [^-]*-----|$)/gs, " ").match(/[\w+=-]{20,}/g) ?? [];
  return words.filter((word) => /[a-z]/.test(word) && /[A-Z]/.test(word) && /\d/.test(word));
}

const LONGEST_ESCAPED = 64 * 1024;

/** One character a byte, in and out. */
function spellings(text: string): string[] {
  // Of texts that are that long nobody makes a URL or a JSON string on one line of a log.
  if (text.length > LONGEST_ESCAPED) return [text];
  return [text, ...urlForms(text), ...jsonForms(text), ...shellForms(text)];
}

/** Characters that programs leave as they are, beside letters, digits and "-_.~": none, those of JavaScript, of a URL's user part, of a path. */
const LEFT_IN_URLS = ["", "!'()*", "$&+,;=", "$&+,/:;=@"];

function urlForms(text: string): string[] {
  const encoded = LEFT_IN_URLS.map((left) =>
    text.replace(/[^A-Za-z0-9_.~-]/g, (byte) => (left.includes(byte) ? byte : percent(byte))),
  );
  const both = [...encoded, ...encoded.map((one) => one.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()))];
  return [...both, ...both.map((one) => one.replaceAll("%20", "+"))];
}

/**
 * As JavaScript and Python (in ASCII) write it, as Go and Gson (without what HTML may not hold), .NET (with large digits), and
 * with "\/" as PHP.
 */
function jsonForms(text: string): string[] {
  const known = Buffer.from(text, "latin1").toString("utf8");
  const plain = JSON.stringify(known).slice(1, -1);
  const ascii = (form: string): string => form.replace(/[^\0-\x7f]/g, unicode);
  const html = plain.replace(/[<>&\u2028\u2029]/g, unicode);
  const gson = plain.replace(/[<>&='\u2028\u2029]/g, unicode);
  const net = plain.replace(/\\"/g, '"').replace(/["'`+<>&\x7f]|[^\0-\x7f]/g, (char) => unicode(char, true));
  const slash = plain.replaceAll("/", "\\/");
  const large = ascii(plain).replace(/(?<=\\u)[\da-f]{4}/g, (digits) => digits.toUpperCase());
  const forms = [plain, html, gson, net, slash, large, ...[plain, html, gson, slash].map(ascii)];
  return forms.map((form) => Buffer.from(form, "utf8").toString("latin1"));
}

function unicode(char: string, isLarge = false): string {
  const digits = char.charCodeAt(0).toString(16).padStart(4, "0");
  return `\\u${isLarge === true ? digits.toUpperCase() : digits}`;
}

/** With a "'" in it, as the traces of bash, busybox and dash quote it. */
function shellForms(text: string): string[] {
  return ["'\\''", `'"'"'`].map((quote) => text.replaceAll("'", quote));
}

function percent(byte: string): string {
  return `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** The beginning is what files of one kind have in common. */
function middleOf(text: string): string {
  if (text.length <= LONGEST_FORM) return text;
  let from = (text.length - LONGEST_FORM) >> 1;
  let end = from + LONGEST_FORM;
  // Not in the middle of a character of UTF-8.
  while (from < end && isContinued(text, from)) from++;
  while (end > from && isContinued(text, end)) end--;
  return from < end ? text.slice(from, end) : text.slice((text.length - LONGEST_FORM) >> 1).slice(0, LONGEST_FORM);
}

function isContinued(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xc0) === 0x80;
}

function piecesOf(text: string): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; at += LONGEST_PIECE) pieces.push(text.slice(at, at + LONGEST_PIECE));
  const last = pieces.at(-1);
  // A short end would be looked for by itself.
  if (pieces.length > 1 && last !== undefined && last.length < SHORTEST_KEY_LINE)
    pieces.splice(-2, 2, `${pieces.at(-2)}${last}`);
  return pieces;
}

function unique(texts: readonly string[]): Uint8Array[] {
  const distinct = [...new Set(texts)].filter(({ length }) => length >= SHORTEST_VALUE);
  return distinct.map((text) => Buffer.from(text, "latin1"));
}
