// The colours of the live view, which BUILDKIT_COLORS may choose: `run=cyan:error=light-red:cancel=255,165,0`.

/** How a line is painted. */
export type Paint = "done" | "error" | "cancelled" | "faint";

/** What begins each paint on a terminal. */
export type Palette = Readonly<Record<Paint, string>>;

const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const PAINTS: Readonly<Record<string, Paint>> = { run: "done", error: "error", cancel: "cancelled" };

/** Reads the choice; what cannot be read of it leaves BuildKit's own colours. */
export function paletteOf(choice: string): Palette {
  const chosen = choice.split(":").flatMap((field) => {
    const [key = "", colour = ""] = field.toLowerCase().split("=");
    const [paint, code] = [PAINTS[key], codeOf(colour)];
    return paint === undefined || code === undefined ? [] : [[paint, `\x1b[${code}m`] as const];
  });
  return {
    done: "\x1b[34m",
    error: "\x1b[31m",
    cancelled: "\x1b[33m",
    faint: "\x1b[2m",
    ...Object.fromEntries(chosen),
  };
}

function codeOf(colour: string): string | undefined {
  if (colour === "default") return "39";
  const name = colour.replace(/^light-/, "");
  const place = NAMES.indexOf(name);
  if (place >= 0) return String((name === colour ? 30 : 90) + place);
  const parts = colour.split(",").map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : Infinity));
  if (parts.length !== 3 || parts.some((part) => part > 255)) return undefined;
  // The nearest of the 216 colours that terminals have: six shades of each.
  const [red = 0, green = 0, blue = 0] = parts.map((part) => Math.floor(part / 43));
  return `38;5;${16 + 36 * red + 6 * green + blue}`;
}
