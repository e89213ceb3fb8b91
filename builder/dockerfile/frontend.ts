// Which frontend a file asks for. There is one, built in: it answers for docker/dockerfile in all its versions.

import type { SourceLocation } from "../core/errors.ts";
import { BuildError } from "../core/errors.ts";
import { findSyntax } from "./directives.ts";

const OWN = /^(?:(?:index\.)?docker\.io\/)?docker\/dockerfile(?:-upstream)?(?:[:@].*)?$/;

/** What a request says of frontends. */
export interface FrontendChoice {
  /** BUILDKIT_SYNTAX, which counts instead of `# syntax=`. */
  readonly asked?: string | undefined;
  /** What a named context puts in the place of a frontend's image: an image's name, or another thing; undefined where none does. */
  readonly replaced?: (name: string) => string | undefined;
}

/** Refuses a file that is written for another frontend; "dockerfile.v0" is the built-in one. Throws `UNSUPPORTED`. */
export function refuseOtherFrontend(text: string, fileName: string, { asked, replaced }: FrontendChoice): void {
  const wanted = asked === undefined ? findSyntax(text) : asked.trim().split(" ", 1)[0];
  if (wanted === undefined || wanted === "" || wanted === "dockerfile.v0") return;
  const inItsPlace = replaced?.(wanted);
  if (OWN.test(inItsPlace ?? wanted)) return;
  const instead = inItsPlace === undefined ? "" : `, which a named context puts in the place of "${wanted}",`;
  throw new BuildError("UNSUPPORTED", `the frontend "${inItsPlace ?? wanted}"${instead} is not supported`, {
    ...(asked === undefined ? { location: syntaxPlace(text, fileName) } : {}),
    hint: "only the built-in frontend is there, which answers for docker/dockerfile",
  });
}

function syntaxPlace(text: string, file: string): SourceLocation {
  const line = text.split("\n").findIndex((each) => /syntax/i.test(each)) + 1;
  return { file, range: { startLine: line, endLine: line }, text };
}
