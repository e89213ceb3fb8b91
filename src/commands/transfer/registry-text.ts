// The report of `tsbuild registry explain` as text.

import type { RegistryReport, ReportedPlace } from "../../config/registries/registry-report.ts";

const ROLES = {
  mirror: "mirror",
  registry: "the registry itself",
  push: "the registry itself, for pushes only",
} as const;
const SERVES = { all: "tags and digests", digests: "digests only", tags: "tags only" } as const;

/** The whole report. */
export function reportText({ name, shortName, because, places, errors, files }: RegistryReport): string {
  const lines = [name];
  if (shortName !== undefined) {
    lines.push(`  ${shortName.because}`);
    if (shortName.unused !== undefined)
      lines.push(`  TSBUILD_SHORT_NAMES=containers would make it ${shortName.unused}`);
  }
  if (because !== undefined) lines.push(`  places: ${because}`);
  places.forEach((place, at) => lines.push("", ...placeLines(place, at + 1)));
  for (const { message, hint } of errors)
    lines.push("", `ERROR: ${message}`, ...(hint === undefined ? [] : [`  ${hint}`]));
  const absent = files.filter(({ state }) => state === "absent").map(({ path }) => path);
  lines.push("", "Files:");
  for (const { path, state, problem } of files) {
    if (state === "left out") lines.push(`  left out   ${path}: this user may not read it`);
    // A problem names its file.
    else if (state !== "absent") lines.push(`  ${state.padEnd(10)} ${problem ?? path}`);
  }
  lines.push(...absent.map((path) => `  not there  ${path}`));
  return `${lines.join("\n")}\n`;
}

function placeLines(place: ReportedPlace, number: number): string[] {
  const { origins, registry, repository, serves, namespace, headers, login, proxies } = place;
  const rows: [string, string][] = [
    ["asked at", origins.join(", then ")],
    ["serves", SERVES[serves]],
    ["certificate", certificate(place)],
  ];
  if (namespace !== undefined) rows.push(["namespace", `?ns=${namespace}`]);
  if (headers.length > 0) rows.push(["headers", headers.join(", ")]);
  rows.push(["login", login === undefined ? "none" : loginText(login)]);
  rows.push([
    "proxy",
    proxies.length === 0 ? "none" : proxies.map(({ proxy, variable }) => `${proxy} (${variable})`).join(", "),
  ]);
  const title = `${number}. ${registry}${repository === "" ? "" : `/${repository}`} (${ROLES[place.role]})`;
  return [
    title,
    ...rows.map(([left, right]) => `   ${left.padEnd(12)} ${right}`),
    ...place.because.map((reason) => `   ${"because".padEnd(12)} ${reason}`),
  ];
}

function certificate({ isCertificateChecked, hasOwnAuthorities, hasClientCertificate }: ReportedPlace): string {
  const checked = isCertificateChecked
    ? `checked against the system's authorities${hasOwnAuthorities ? " and those configured" : ""}`
    : "not checked";
  return `${checked}${hasClientCertificate ? "; one of our own is shown" : ""}`;
}

function loginText({ username, kind, file, key, helper }: Exclude<ReportedPlace["login"], undefined>): string {
  const who = username === "" ? "" : ` of "${username}"`;
  const through = helper === undefined ? "" : `, through ${helper}`;
  return `${kind}${who}: ${file}, ${key}${through}`;
}
