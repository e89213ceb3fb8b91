// Sizes and times as docker's tables write them (docker/go-units).

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/** "0B", "1.23kB", "45.6MB": units of 1000, three digits that count. */
export function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (Number(value.toPrecision(3)) >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(3))}${UNITS[unit] ?? ""}`;
}

/** "3 weeks ago"; "N/A" for a time that is not said. */
export function humanAge(created: string | undefined, now: number): string {
  const at = created === undefined ? Number.NaN : Date.parse(created);
  return Number.isNaN(at) ? "N/A" : `${humanDuration((now - at) / 1000)} ago`;
}

/** How long something took: "0.3s", "12.0s", "2m 5s", "1h 3m 0s". */
export function humanTook(ms: number): string {
  const tenths = Math.round(Math.max(0, ms) / 100);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)}s`;
  const seconds = Math.round(tenths / 10);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  return `${hours === 0 ? "" : `${hours}h `}${minutes}m ${seconds % 60}s`;
}

function humanDuration(exact: number): string {
  const seconds = Math.floor(exact);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(exact / 3600);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(exact / 3600 / 24 / 365)} years`;
}
