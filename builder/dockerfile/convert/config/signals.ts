// Names of signals that STOPSIGNAL may have.

const NAMES = new Set(
  "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX".split(
    " ",
  ),
);

/** Whether a text names a signal of Linux: "SIGTERM", "kill", "RTMIN+3", or any number but 0. */
export function isSignal(text: string): boolean {
  if (/^[+-]?\d+$/.test(text)) return Number(text) !== 0;
  const name = text.toUpperCase().replace(/^SIG/, "");
  const realTime = /^RT(?:MIN\+(\d{1,2})|MAX-(\d{1,2}))$/.exec(name);
  if (realTime === null) return NAMES.has(name);
  const [, above, below] = realTime;
  const offset = Number(above ?? below);
  return offset >= 1 && offset <= (above === undefined ? 14 : 15) && String(offset) === (above ?? below);
}
