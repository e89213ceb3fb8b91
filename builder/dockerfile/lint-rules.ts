// BuildKit's lint rules as data: names, descriptions, addresses and messages are the reference's, because
// people silence rules by name and match messages.

import { quote } from "./convert/config/go-text.ts";

/** A rule; `message` takes what the finding is about. */
export interface LintRule<Subject extends readonly string[] = readonly string[]> {
  readonly name: string;
  readonly description: string;
  readonly url: string;
  /** Silent unless `experimental=` names it. */
  readonly experimental?: true;
  message(...subject: Subject): string;
}

const DOCS = "https://docs.docker.com/go/dockerfile/rule/";

export const StageNameCasing: LintRule<[stage: string]> = {
  name: "StageNameCasing",
  description: "Stage names should be lowercase",
  url: `${DOCS}stage-name-casing/`,
  message: (stage) => `Stage name '${stage}' should be lowercase`,
};

export const FromAsCasing: LintRule<[from: string, as: string]> = {
  name: "FromAsCasing",
  description: "The 'as' keyword should match the case of the 'from' keyword",
  url: `${DOCS}from-as-casing/`,
  message: (from, as) => `'${as}' and '${from}' keywords' casing do not match`,
};

export const NoEmptyContinuation: LintRule<[]> = {
  name: "NoEmptyContinuation",
  description: "Empty continuation lines will become errors in a future release",
  url: `${DOCS}no-empty-continuation/`,
  message: () => "Empty continuation line",
};

export const ConsistentInstructionCasing: LintRule<[keyword: string, casing: string]> = {
  name: "ConsistentInstructionCasing",
  description: "All commands within the Dockerfile should use the same casing (either upper or lower)",
  url: `${DOCS}consistent-instruction-casing/`,
  message: (keyword, casing) => `Command '${keyword}' should match the case of the command majority (${casing})`,
};

export const DuplicateStageName: LintRule<[stage: string]> = {
  name: "DuplicateStageName",
  description: "Stage names should be unique",
  url: `${DOCS}duplicate-stage-name/`,
  message: (stage) => `Duplicate stage name ${quote(stage)}, stage names should be unique`,
};

export const ReservedStageName: LintRule<[stage: string]> = {
  name: "ReservedStageName",
  description: "Reserved words should not be used as stage names",
  url: `${DOCS}reserved-stage-name/`,
  message: (stage) => `Stage name should not use the same name as reserved stage ${quote(stage)}`,
};

export const JSONArgsRecommended: LintRule<[keyword: string]> = {
  name: "JSONArgsRecommended",
  description: "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
  url: `${DOCS}json-args-recommended/`,
  message: (keyword) =>
    `JSON arguments recommended for ${keyword} to prevent unintended behavior related to OS signals`,
};

export const MaintainerDeprecated: LintRule<[]> = {
  name: "MaintainerDeprecated",
  description: "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
  url: `${DOCS}maintainer-deprecated/`,
  message: () => "Maintainer instruction is deprecated in favor of using label",
};

export const UndefinedArgInFrom: LintRule<[name: string, nearest: string]> = {
  name: "UndefinedArgInFrom",
  description: "FROM command must use declared ARGs",
  url: `${DOCS}undefined-arg-in-from/`,
  message: (name, nearest) =>
    `FROM argument '${name}' is not declared${nearest === "" ? "" : ` (did you mean ${nearest}?)`}`,
};

export const WorkdirRelativePath: LintRule<[path: string]> = {
  name: "WorkdirRelativePath",
  description:
    "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes",
  url: `${DOCS}workdir-relative-path/`,
  message: (path) => `Relative workdir ${quote(path)} can have unexpected results if the base image changes`,
};

export const UndefinedVar: LintRule<[name: string, nearest: string]> = {
  name: "UndefinedVar",
  description: "Variables should be defined before their use",
  url: `${DOCS}undefined-var/`,
  message: (name, nearest) =>
    `Usage of undefined variable '$${name}'${nearest === "" ? "" : ` (did you mean $${nearest}?)`}`,
};

export const MultipleInstructionsDisallowed: LintRule<[keyword: string]> = {
  name: "MultipleInstructionsDisallowed",
  description: "Multiple instructions of the same type should not be used in the same stage",
  url: `${DOCS}multiple-instructions-disallowed/`,
  message: (keyword) =>
    `Multiple ${keyword} instructions should not be used in the same stage because only the last one will be used`,
};

export const LegacyKeyValueFormat: LintRule<[keyword: string]> = {
  name: "LegacyKeyValueFormat",
  description: "Legacy key/value format with whitespace separator should not be used",
  url: `${DOCS}legacy-key-value-format/`,
  message: (keyword) => `"${keyword} key=value" should be used instead of legacy "${keyword} key value" format`,
};

export const InvalidBaseImagePlatform: LintRule<[image: string, expected: string, actual: string]> = {
  name: "InvalidBaseImagePlatform",
  description: "Base image platform does not match expected target platform",
  url: "",
  message: (image, expected, actual) =>
    `Base image ${image} was pulled with platform ${quote(actual)}, expected ${quote(expected)} for current build`,
};

export const RedundantTargetPlatform: LintRule<[variable: string]> = {
  name: "RedundantTargetPlatform",
  description: "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
  url: `${DOCS}redundant-target-platform/`,
  message: (variable) =>
    `Setting platform to predefined ${variable} in FROM is redundant as this is the default behavior`,
};

export const SecretsUsedInArgOrEnv: LintRule<[keyword: string, name: string]> = {
  name: "SecretsUsedInArgOrEnv",
  description: "Sensitive data should not be used in the ARG or ENV commands",
  url: `${DOCS}secrets-used-in-arg-or-env/`,
  message: (keyword, name) => `Do not use ARG or ENV instructions for sensitive data (${keyword} ${quote(name)})`,
};

export const InvalidDefaultArgInFrom: LintRule<[image: string]> = {
  name: "InvalidDefaultArgInFrom",
  description: "Default value for global ARG results in an empty or invalid base image name",
  url: `${DOCS}invalid-default-arg-in-from/`,
  message: (image) => `Default value for ARG ${image} results in empty or invalid base image name`,
};

export const FromPlatformFlagConstDisallowed: LintRule<[platform: string]> = {
  name: "FromPlatformFlagConstDisallowed",
  description: "FROM --platform flag should not use a constant value",
  url: `${DOCS}from-platform-flag-const-disallowed/`,
  message: (platform) => `FROM --platform flag should not use constant value ${quote(platform)}`,
};

/** `command` is "Copy" or "Add". */
export const CopyIgnoredFile: LintRule<[command: string, path: string]> = {
  name: "CopyIgnoredFile",
  description: "Attempting to Copy file that is excluded by .dockerignore",
  url: `${DOCS}copy-ignored-file/`,
  message: (command, path) => `Attempting to ${command} file ${quote(path)} that is excluded by .dockerignore`,
};

export const InvalidDefinitionDescription: LintRule<[keyword: string, name: string]> = {
  name: "InvalidDefinitionDescription",
  description:
    "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.",
  url: `${DOCS}invalid-definition-description/`,
  experimental: true,
  message: (keyword, name) => `Comment for ${keyword} should follow the format: \`# ${name} <description>\``,
};

export const ExposeProtoCasing: LintRule<[port: string]> = {
  name: "ExposeProtoCasing",
  description: "Protocol in EXPOSE instruction should be lowercase",
  url: `${DOCS}expose-proto-casing/`,
  message: (port) => `Defined protocol '${port}' in EXPOSE instruction should be lowercase`,
};

export const ExposeInvalidFormat: LintRule<[port: string]> = {
  name: "ExposeInvalidFormat",
  description:
    "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release",
  url: `${DOCS}expose-invalid-format/`,
  message: (port) => `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`,
};
