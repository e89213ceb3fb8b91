// What a downloaded file is called (BuildKit, source/http getFileName and source/util/pathutil).

const UNNAMED = "download";

/** The name that was asked for, else that of the response's Content-Disposition, else the last part of the URL's path. */
export function downloadName(url: string, asked: string, contentDisposition?: string): string {
  if (asked !== "") return safeName(asked);
  const offered = contentDisposition === undefined ? "" : dispositionName(contentDisposition);
  if (offered !== "" && !offered.endsWith("/")) return safeName(offered);
  return safeName(URL.canParse(url) ? decoded(new URL(url).pathname) : "");
}

/** One plain name, whatever somebody sent: no directory, no "..", no control characters. */
function safeName(text: string): string {
  const parts = text
    .trim()
    .split("/")
    .filter((part) => part !== "");
  const name = parts.at(-1) ?? "";
  if (name === "" || name === "." || name === "..") return UNNAMED;
  return /\p{Cc}/u.test(name) ? UNNAMED : name;
}

/** The `filename` parameter (RFC 6266); `filename*` comes first where it is UTF-8. */
function dispositionName(header: string): string {
  const extended = /;\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]+)/i.exec(header)?.[1];
  if (extended !== undefined) return decoded(extended);
  const [, quoted, bare] = /;\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(header) ?? [];
  return quoted?.replaceAll(/\\(.)/g, "$1") ?? bare ?? "";
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
