// Long tables of cases are played whole where everything is tried (TESTS=whole, as .ci/run does as root); elsewhere every
// sixth case is enough to see that something broke.

import process from "node:process";

const STEP = 6;
/** Whether everything is tried. */
export const isWhole = process.env["TESTS"] === "whole";

/** Whether this is CI's run as root or as an ordinary user: between them each case of a long table of whole builds is played. */
export function isPlayedInTurn(number: number): boolean {
  return (number % STEP === 1) === (process.getuid?.() !== 0) && (isWhole || number % STEP < 2);
}

/** Whether the case of this number is played, of a table that shows something else for root than for a user: CI's runs play all. */
export function isPlayedByBoth(number: number): boolean {
  return process.env["CI"] === "true" || isPlayed(number);
}

/** Whether the case of this number in its table is played. */
export function isPlayed(number: number): boolean {
  return isWhole || number % STEP === 0;
}
