// What git said when a remote could not be used, as an error.

import { BuildError } from "../../core/errors.ts";
import { redact } from "../redact.ts";
import type { GitFailure } from "./program.ts";

/** The error for a remote that git could not read from. */
export function remoteFailure(url: string, failure: GitFailure): BuildError {
  const { stderr } = failure;
  return new BuildError("REGISTRY", `failed to fetch remote ${redact(url)}: ${failure.message}`, {
    cause: failure,
    hint: hintFor(stderr, url),
  });
}

function hintFor(stderr: string, url: string): string | undefined {
  if (/could not read (?:Username|Password)|Authentication failed|HTTP Basic: Access denied/i.test(stderr)) {
    return "give a token: --secret id=GIT_AUTH_TOKEN,env=GIT_AUTH_TOKEN";
  }
  if (/Permission denied \(publickey/i.test(stderr))
    return "give the build an SSH agent that has a key for the host: --ssh default";
  if (/Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED/i.test(stderr))
    return `the host's key is not the one that is known: see the known_hosts files for "${hostOf(url)}"`;
  if (/transport '\w+' not allowed/i.test(stderr))
    return "repositories and submodules are read by https, http, ssh and git only";
  return undefined;
}

function hostOf(url: string): string {
  return /^(?:\w+:\/\/)?(?:[^@/]*@)?([^:/]+)/.exec(url)?.[1] ?? url;
}
