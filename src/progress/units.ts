// Numbers as the progress views write them.

const NAMES = ["B", "kB", "MB", "GB", "TB", "PB"];

/** "2B", "32.05kB", "1.05MB": units of 1000, as BuildKit. */
function formatBytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < NAMES.length - 1) {
    value /= 1000;
    unit++;
  }
  return unit === 0 ? `${value}B` : `${value.toFixed(2)}${NAMES[unit] ?? ""}`;
}

/** "0.3s", "75.0s". */
export function formatSeconds(ms: number): string {
  return `${(Math.max(0, ms) / 1000).toFixed(1)}s`;
}

/** " 1.05MB / 3.40MB", " 12.00kB", or "" when nothing is known. */
function formatAmount(current: number, total: number): string {
  if (total !== 0) return ` ${formatBytes(current)} / ${formatBytes(total)}`;
  return current === 0 ? "" : ` ${formatBytes(current)}`;
}

/** A part of a step with what is known of it: "transferring context: 1.05MB". A name that announces an amount has one. */
export function formatPart(name: string, current: number, total: number): string {
  return name.endsWith(":") && current === 0 && total === 0 ? `${name} 0B` : name + formatAmount(current, total);
}

/** The time of a log line in its step: "0.123", "12.34", "123.4" (as BuildKit, four digits and more). */
export function formatOffset(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  return seconds.toFixed(seconds < 10 ? 3 : seconds < 100 ? 2 : 1);
}
