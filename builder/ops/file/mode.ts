// `--chmod` applied to a mode: octal replaces it, symbolic changes it as chmod(1) does
// without an umask.

import type { ModeSpec } from "../../graph/op.ts";
import { BuildError } from "../../core/errors.ts";

/** Changes a mode; `isDirectory` is for "X". */
export type ModeChange = (mode: number, isDirectory: boolean) => number;

type Step = (mode: number, original: number, isDirectory: boolean) => number;

const SET_IDS = 0o6000;
const STICKY = 0o1000;
const ALL_BUT_STICKY = 0o6777;
const WHO: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o0007, a: ALL_BUT_STICKY };
const SHIFT: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };

/** How a spec changes modes. Throws `DOCKERFILE` when it is no mode. */
export function modeChange(spec: ModeSpec): ModeChange {
  if ("octal" in spec) return () => spec.octal & 0o7777;
  const steps = spec.symbolic.split(",").flatMap((clause) => parseClause(clause, spec.symbolic));
  return (mode, isDirectory) => steps.reduce((changed, step) => step(changed, mode, isDirectory), mode);
}

function parseClause(clause: string, whole: string): Step[] {
  const parts = /^([ugoa]*)((?:[-+=][ugorwxXst]*)+)$/.exec(clause);
  if (parts === null) throw new BuildError("DOCKERFILE", `invalid chmod parameter: '${whole}'`);
  const [, letters = "", operations = ""] = parts;
  const who = [...letters].reduce((bits, letter) => bits | (WHO[letter] ?? 0), 0);
  return [...operations.matchAll(/([-+=])([^-+=]*)/g)].flatMap(([, op = "", what = ""]) =>
    parseOperation(who, op, what),
  );
}

// "u", "g" and "o" on the right copy bits of the mode as it has become; everything else is a set of bits.
function parseOperation(named: number, op: string, letters: string): Step[] {
  const steps: Step[] = [];
  let who = named;
  let bits = 0;
  let executable = 0;
  let isCleared = op !== "=";
  const flush = (): void => {
    if (bits !== 0 || !isCleared) steps.push(change(op, who, bits));
    if (executable !== 0) steps.push(addExecutable(who, executable));
    isCleared = isCleared || bits !== 0 || op === "=";
    bits = 0;
    executable = 0;
  };
  for (const letter of letters) {
    if (letter in SHIFT) {
      isCleared = true;
      flush();
      steps.push(copyBits(op, who, letter));
    } else if (letter === "t") {
      // Sticky goes with "u" and "g" or when nobody is named, never with "o" alone.
      if (named !== 0 && (named & ~0o7) === 0) continue;
      who |= STICKY;
      bits |= STICKY;
    } else if (letter === "s") {
      if (named === 0 || (named & ~0o7) !== 0) bits |= SET_IDS;
    } else if (letter === "X" && op !== "-") {
      executable = 0o111;
    } else {
      bits |= { r: 0o444, w: 0o222, x: 0o111, X: 0o111 }[letter] ?? 0;
    }
  }
  flush();
  return steps;
}

function change(op: string, who: number, bits: number): Step {
  const set = who === 0 ? bits : who & bits;
  if (op === "+") return (mode) => mode | set;
  if (op === "-") return (mode) => mode & ~set;
  const cleared = who === 0 ? ALL_BUT_STICKY : who;
  return (mode) => (mode & ~cleared) | set;
}

function addExecutable(who: number, bits: number): Step {
  const set = who === 0 ? bits : who & bits;
  return (mode, original, isDirectory) => (isDirectory || (original & 0o111) !== 0 ? mode | set : mode);
}

function copyBits(op: string, who: number, from: string): Step {
  const targets = Object.entries(SHIFT).filter(([letter]) => who === 0 || (who & (WHO[letter] ?? 0) & 0o444) !== 0);
  return (mode) => {
    const value = (mode >> (SHIFT[from] ?? 0)) & 0o7;
    return targets.reduce((changed, [, shift]) => {
      if (op === "+") return changed | (value << shift);
      if (op === "-") return changed & ~(value << shift);
      return (changed & ~(0o7 << shift)) | (value << shift);
    }, mode);
  };
}
