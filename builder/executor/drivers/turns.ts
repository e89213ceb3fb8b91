// Steps that see each other's processes run one after the other: those of one user may look into each other's files,
// memory and variables (/proc/PID/root, ptrace(2)).

import { Slots } from "../../core/slots.ts";
import { throwIfAborted } from "../launcher/step-result.ts";

const TURNS = new Slots(1);

/** Runs a step when no other one of this process runs so. */
export async function inTurn<T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  try {
    return await TURNS.use(signal, run);
  } catch (error) {
    throwIfAborted(signal); // also while it waited
    throw error;
  }
}
