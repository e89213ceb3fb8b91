// What a conversion refuses, with which words, and where it points.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import type { ConvertOptions } from "../../builder/dockerfile/convert/plan.ts";
import { convertText } from "./convert-world.ts";

interface Refused {
  readonly what: string;
  readonly file: string;
  readonly options?: Partial<ConvertOptions>;
  /** "line: message", or the message alone where no line is to blame. */
  readonly says: string;
  readonly code?: string;
}

const CASES: readonly Refused[] = [
  { what: "a base that expands to nothing", file: "FROM $NONE", says: "1: base name ($NONE) should not be blank" },
  {
    what: "a base that is no image name, even in a stage that is not built",
    file: "FROM Upper AS unused\nFROM plain",
    says: '1: failed to parse stage name "Upper": invalid reference format',
  },
  {
    what: "an image that is not there",
    file: "FROM plain\nCOPY --from=gone a /",
    says: '2: there is no image "gone"',
    code: "REGISTRY",
  },
  {
    what: "a base that is nearly a stage",
    file: "FROM plain AS build\nFROM biuld",
    says: '2: there is no image "biuld" (did you mean build?)',
    code: "REGISTRY",
  },
  {
    what: "a platform that expands to nothing",
    file: "ARG PLAT=\nFROM --platform=$PLAT plain",
    says: "2: empty platform value from expression $PLAT",
  },
  {
    what: "a target that is nearly there",
    file: "FROM plain AS build",
    options: { target: "biuld" },
    says: 'target stage "biuld" could not be found (did you mean build?)',
  },
  {
    what: "a target by number",
    file: "FROM plain\nFROM plain",
    options: { target: "1" },
    says: 'target stage "1" could not be found',
  },
  {
    what: "copying from a stage that comes later",
    file: "FROM plain AS a\nCOPY --from=b x /\nFROM plain AS b\nFROM a",
    says: '2: cannot copy from stage "b", it needs to be defined before current stage "a"',
  },
  {
    what: "mounting a stage that comes later",
    file: "FROM plain AS a\nRUN --mount=from=b,target=/x true\nFROM plain AS b\nFROM a",
    says: '2: cannot mount from stage "b" to "/x", stage needs to be defined before current command',
  },
  {
    what: "a stage that copies from itself",
    file: "FROM plain AS a\nCOPY --from=a x /",
    says: "2: circular dependency detected on stage: a",
  },
  { what: "a stage number that is too high", file: "FROM plain\nCOPY --from=3 x /", says: "2: invalid stage index 3" },
  {
    what: "a variable in --from",
    file: "FROM plain\nARG S=a\nCOPY --from=$S x /",
    says: "3: variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
  },
  {
    what: "an owner by name without a passwd",
    file: "FROM scratch\nCOPY --chown=web a /",
    says: "2: invalid user index: -1",
  },
  {
    what: "an owner by name with --link",
    file: "FROM plain\nCOPY --link --chown=1:web a /",
    says: "2: invalid user index: -1",
  },
  {
    what: "a mode that is none",
    file: "FROM plain\nCOPY --chmod=10000 a /",
    says: "2: invalid chmod parameter: '10000'. it should be octal string and between 0 and 07777",
  },
  { what: "a URL in COPY", file: "FROM plain\nCOPY https://h/x /", says: "2: source can't be a URL for COPY" },
  {
    what: "a git repository in COPY",
    file: "FROM plain\nCOPY https://h/x.git /",
    says: "2: source can't be a git ref for COPY",
  },
  {
    what: "a checksum of files",
    file: "FROM plain\nADD --checksum=sha256:aa x /",
    says: "2: checksum requires HTTP(S) or Git sources",
  },
  {
    what: "a checksum that is no digest",
    file: "FROM plain\nADD --checksum=sha256:aa https://h/x /",
    says: "2: invalid checksum digest length",
  },
  {
    what: "a git URL with a parameter that is not known",
    file: "FROM plain\nADD https://h/x.git?depth=1 /",
    says: '2: unexpected query "depth"',
  },
  { what: "a mount on the root", file: "FROM plain\nRUN --mount=target=/ true", says: '2: invalid mount target "/"' },
  {
    what: "a mount of a type that is not known",
    file: "FROM plain\nRUN --mount=type=binds,target=/x true",
    says: '2: unsupported mount type "binds" (did you mean bind?)',
  },
  {
    what: "a mount option that is not known",
    file: "FROM plain\nRUN --mount=type=cache,targt=/x true",
    says: "2: unexpected key 'targt' in 'targt=/x' (did you mean target?)",
  },
  {
    what: "a mount option of another type",
    file: "FROM plain\nRUN --mount=type=cache,size=1,target=/x true",
    says: "2: unexpected key 'size' for mount type 'cache'",
  },
  {
    what: "an owner of a bind",
    file: "FROM plain\nRUN --mount=uid=1,target=/x true",
    says: '2: uid not allowed for "bind" type mounts',
  },
  {
    what: "a secret without a name",
    file: "FROM plain\nRUN --mount=type=secret true",
    says: "2: invalid secret mount. one of source, target required",
  },
  {
    what: "the host's network without leave",
    file: "FROM plain\nRUN --network=host true",
    says: "2: network.host is not allowed",
  },
  {
    what: "the insecure mode without leave",
    file: "FROM plain\nRUN --security=insecure true",
    says: "2: security.insecure is not allowed",
  },
  {
    what: "devices",
    file: "FROM plain\nRUN --device=vendor.com/gpu=0 true",
    says: "2: RUN --device is not supported: there are no CDI devices here",
    code: "UNSUPPORTED",
  },
  { what: "a signal that is none", file: "FROM plain\nSTOPSIGNAL SIGNOPE", says: "2: invalid signal: SIGNOPE" },
  {
    what: "a volume without a name",
    file: "FROM plain\nVOLUME $NONE",
    says: "2: VOLUME specified can not be an empty string",
  },
  { what: "a port that is none", file: "FROM plain\nEXPOSE 70000", says: "2: invalid containerPort: 70000" },
  {
    what: "a variable that must be set",
    file: 'FROM plain\nENV A="${B:?no B}"',
    says: '2: failed to process "\\"${B:?no B}\\"": B: no B',
  },
  {
    what: "an epoch that is no number",
    file: "ARG SOURCE_DATE_EPOCH=now\nFROM plain",
    says: "invalid SOURCE_DATE_EPOCH: now",
  },
  {
    what: "findings that fail the build",
    file: "# check=error=true\nFROM plain\nWORKDIR x",
    says: "lint violation found for rules: WorkdirRelativePath",
  },
];

suite("a conversion refuses", () => {
  for (const { what, file, options, says, code } of CASES) {
    test(what, async () => {
      await assert.rejects(convertText(file, options), (error) => {
        assert.ok(error instanceof BuildError, String(error));
        const line = error.location?.range.startLine;
        assert.equal(`${line === undefined ? "" : `${line}: `}${error.message}`, says);
        assert.equal(error.code, code ?? "DOCKERFILE");
        return true;
      });
    });
  }
});
