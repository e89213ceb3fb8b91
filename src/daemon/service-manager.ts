// What systemd, or whoever speaks as it does, is told of the daemon (sd_notify(3)).

import { sendDatagram } from "../../builder/core/system/syscall.ts";
import type { Log } from "./log.ts";

/** Tells a state, as `READY=1`; without a NOTIFY_SOCKET in the environment nobody wants to know. */
export function tellServiceManager(
  environment: Readonly<Record<string, string | undefined>>,
  state: string,
  log: Log,
): void {
  const address = environment["NOTIFY_SOCKET"];
  if (address === undefined || address === "") return;
  try {
    sendDatagram(address, state);
  } catch (error) {
    log("warn", "the service manager cannot be told", { state, error: String(error) });
  }
}
