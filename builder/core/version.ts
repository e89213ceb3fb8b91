/** The version of tsbuild, under which it names itself in what it writes. */
export const VERSION = "0.1.0";
