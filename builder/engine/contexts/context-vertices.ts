// Contexts from the network as vertices of the graph (BuildKit, frontend/dockerui).

import { BuildError } from "../../core/errors.ts";
import { parseGitContext } from "../../dockerfile/convert/copy/git-url.ts";
import { parseBool } from "../../dockerfile/convert/config/go-text.ts";
import type { Vertex } from "../../graph/vertex.ts";
import { vertex } from "../../graph/vertex.ts";
import type { BuildRequest } from "../../request.ts";
import { redact } from "../../source/redact.ts";

/** The vertex of a git context. `main` has what a request says of the main context alone. Throws `USAGE` for a URL that is none. */
export function gitVertex(text: string, main?: BuildRequest): Vertex {
  const git = parseGitContext(text);
  if (git === undefined) throw new BuildError("USAGE", `invalid git context ${redact(text)}`);
  const keeps = main !== undefined && parseBool(main.buildArgs.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR") ?? "") === true;
  const hasEpoch =
    main !== undefined && (main.epochSeconds !== undefined || (main.buildArgs.get("SOURCE_DATE_EPOCH") ?? "") !== "");
  const mtime = git.mtime ?? (hasEpoch ? "commit" : "checkout");
  return vertex(
    {
      kind: "source",
      source: {
        type: "git",
        url: git.remote,
        keepGitDir: keeps || git.keepGitDir === true,
        ...(git.ref === undefined ? {} : { ref: git.ref }),
        ...(git.subdir === undefined ? {} : { subdir: git.subdir }),
        ...(git.checksum === undefined ? {} : { checksum: git.checksum }),
        ...(git.submodules === false ? { submodules: false } : {}),
        ...(mtime === "commit" ? { mtime } : {}),
        ...(git.fetchByCommit === true ? { fetchByCommit: true } : {}),
      },
    },
    [],
    { name: `[internal] load git source ${redact(text)}` },
  );
}

/** The vertex of a context by URL: one file, always called "context". */
export function httpContextVertex(url: string, name: string): Vertex {
  return vertex({ kind: "source", source: { type: "http", url, fileName: "context" } }, [], { name });
}
