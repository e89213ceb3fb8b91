// Which frontend a file asks for. There is one, built in: it answers for docker/dockerfile in all its versions.

import type { SourceLocation } from "../core/errors.ts";
import { BuildError } from "../core/errors.ts";
import { findSyntax } from "./directives.ts";

const OWN = /^(?:(?:index\.)?docker\.io\/)?docker\/dockerfile(?:-upstream)?(?:[:@].*)?$/;

/**
 * Refuses a file that is written for another frontend. `asked` is the request's BUILDKIT_SYNTAX, which counts instead of
 * `# syntax=`; "dockerfile.v0" is the built-in one. Throws `UNSUPPORTED`.
 */
export function refuseOtherFrontend(text: string, fileName: string, asked: string | undefined): void {
  const wanted = asked === undefined ? findSyntax(text) : asked.trim().split(" ", 1)[0];
  if (wanted === undefined || wanted === "" || wanted === "dockerfile.v0" || OWN.test(wanted)) return;
  throw new BuildError("UNSUPPORTED", `the frontend "${wanted}" is not supported`, {
    ...(asked === undefined ? { location: syntaxPlace(text, fileName) } : {}),
    hint: "only the built-in frontend is there, which answers for docker/dockerfile",
  });
}

function syntaxPlace(text: string, file: string): SourceLocation {
  const line = text.split("\n").findIndex((each) => /syntax/i.test(each)) + 1;
  return { file, range: { startLine: line, endLine: line }, text };
}
