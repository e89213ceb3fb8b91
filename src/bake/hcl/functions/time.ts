// Functions of time (go-cty, function/stdlib: datetime.go; buildx, hclparser/stdlib.go).

import { BuildError } from "../../../../builder/core/errors.ts";
import type { HclFunction } from "../evaluate.ts";
import type { Value } from "../value.ts";
import { toNumber, toText } from "../value.ts";

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = "January February March April May June July August September October November December".split(" ");
const DAY_MS = 86_400_000;

/** What time it is comes from outside. */
export function timeFunctions(now: () => number): Readonly<Record<string, HclFunction>> {
  return {
    timestamp: () => rfc3339({ ms: now(), offsetMinutes: 0 }),
    formatdate: (format = null, time = null) => formatted(toText(format), parsed(toText(time))),
    formattimestamp: (format = null, time = null) => {
      const when = typeof time === "number" ? fromUnix(time) : parsed(toText(time));
      return toText(format) === "X" ? String(Math.floor(when.ms / 1000)) : formatted(toText(format), when);
    },
    timeadd: (time = null, duration = null) => {
      const when = parsed(toText(time));
      return rfc3339({ ...when, ms: when.ms + durationMs(toText(duration)) });
    },
    unixtimestampparse: (seconds = null) => parts(fromUnix(toNumber(seconds))),
  };
}

interface Moment {
  readonly ms: number;
  readonly offsetMinutes: number;
}

function fromUnix(seconds: number): Moment {
  if (!Number.isInteger(seconds)) throw new BuildError("CONFIG", "unix timestamp must be an integer");
  return { ms: seconds * 1000, offsetMinutes: 0 };
}

function parsed(text: string): Moment {
  const [, sign, hours, minutes] =
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|([+-])(\d\d):(\d\d))$/.exec(text) ?? [];
  const ms = Date.parse(text);
  if (Number.isNaN(ms) || !/^\d{4}-\d\d-\d\dT/.test(text) || !/(Z|[+-]\d\d:\d\d)$/.test(text))
    throw new BuildError("CONFIG", `"${text}" is no RFC 3339 timestamp`);
  const offset = Number(hours ?? 0) * 60 + Number(minutes ?? 0);
  return { ms, offsetMinutes: sign === "-" ? -offset : offset };
}

/** The date as its own zone has it, read through the UTC methods. */
function local({ ms, offsetMinutes }: Moment): Date {
  return new Date(ms + offsetMinutes * 60_000);
}

const two = (number: number): string => String(number).padStart(2, "0");

function offsetText(minutes: number, colon: string): string {
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}${colon}${two(size % 60)}`;
}

function rfc3339(moment: Moment): string {
  const date = local(moment).toISOString().slice(0, 19);
  return date + (moment.offsetMinutes === 0 ? "Z" : offsetText(moment.offsetMinutes, ":"));
}

/** Letters are fields, text between apostrophes is itself (go-cty, FormatDate). */
function formatted(format: string, moment: Moment): string {
  const fields = fieldsOf(moment);
  return format.replace(/'((?:[^']|'')*)'|([a-zA-Z])\2*/g, (all, quoted: string | undefined) => {
    if (quoted !== undefined) return quoted.replaceAll("''", "'");
    const field = fields[all];
    if (field === undefined) throw new BuildError("CONFIG", `"${all}" is no field of a date`);
    return field;
  });
}

function fieldsOf(moment: Moment): Readonly<Record<string, string>> {
  const date = local(moment);
  const [year, month, day, hour] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate(), date.getUTCHours()];
  const [dayName = "", monthName = "", half] = [
    DAYS[date.getUTCDay()],
    MONTHS[month],
    hour % 12 === 0 ? 12 : hour % 12,
  ];
  const isUtc = moment.offsetMinutes === 0;
  return {
    YYYY: String(year).padStart(4, "0"),
    YY: two(year % 100),
    MMMM: monthName,
    MMM: monthName.slice(0, 3),
    MM: two(month + 1),
    M: String(month + 1),
    DD: two(day),
    D: String(day),
    EEEE: dayName,
    EEE: dayName.slice(0, 3),
    hh: two(hour),
    h: String(hour),
    HH: two(half),
    H: String(half),
    AA: hour < 12 ? "AM" : "PM",
    aa: hour < 12 ? "am" : "pm",
    mm: two(date.getUTCMinutes()),
    m: String(date.getUTCMinutes()),
    ss: two(date.getUTCSeconds()),
    s: String(date.getUTCSeconds()),
    ZZZZZ: offsetText(moment.offsetMinutes, ":"),
    ZZZZ: offsetText(moment.offsetMinutes, ""),
    ZZZ: isUtc ? "UTC" : offsetText(moment.offsetMinutes, ""),
    Z: isUtc ? "Z" : offsetText(moment.offsetMinutes, ":"),
  };
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Go's durations: "1h30m", "-10s". */
function durationMs(text: string): number {
  const [, sign = "", rest = ""] = /^([+-]?)((?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+|0)$/.exec(text) ?? [];
  if (rest === "") throw new BuildError("CONFIG", `"${text}" is no duration`);
  const total = [...rest.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g)].reduce(
    (sum, [, number, unit = ""]) => sum + Number(number) * (UNITS[unit] ?? 0),
    0,
  );
  return sign === "-" ? -total : total;
}

function parts(moment: Moment): ReadonlyMap<string, Value> {
  const date = local(moment);
  const year = date.getUTCFullYear();
  const [isoYear, isoWeek] = isoWeekOf(date);
  return new Map<string, Value>([
    ["year", year],
    ["year_day", Math.floor((date.getTime() - Date.UTC(year, 0, 1)) / DAY_MS) + 1],
    ["day", date.getUTCDate()],
    ["month", date.getUTCMonth() + 1],
    ["month_name", MONTHS[date.getUTCMonth()] ?? ""],
    ["weekday", date.getUTCDay()],
    ["weekday_name", DAYS[date.getUTCDay()] ?? ""],
    ["hour", date.getUTCHours()],
    ["minute", date.getUTCMinutes()],
    ["second", date.getUTCSeconds()],
    ["rfc3339", rfc3339(moment)],
    ["iso_year", isoYear],
    ["iso_week", isoWeek],
  ]);
}

/** The year and week of ISO 8601: those of the week's Thursday. */
function isoWeekOf(date: Date): readonly [number, number] {
  const thursday = new Date(date.getTime() + (4 - (date.getUTCDay() || 7)) * DAY_MS);
  const year = thursday.getUTCFullYear();
  return [year, Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * DAY_MS)) + 1];
}
