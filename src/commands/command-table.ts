// The commands there are, and what main has to know of them before they run.

import type { Command } from "./command.ts";

/** A command as it is named; everything it needs is imported when it runs. */
export interface CommandEntry {
  readonly name: string;
  /** It means a store of this machine: where TSBUILD_HOST names a daemon, `--root` has to say which. */
  readonly ofThisStore?: true;
  /** It has commands of its own, and reads which one before its flags; it may be meant for a daemon. */
  readonly hasCommands?: true;
  readonly help: string;
  readonly load: () => Promise<Command>;
}

/** In the order of the help. */
// prettier-ignore
export const COMMANDS: readonly CommandEntry[] = [
  { name: "build", help: "Build an image (the command when none is named)", load: async () => (await import("./build/build.ts")).build },
  { name: "bake", help: "Build the targets of docker-bake.hcl or compose files", load: async () => (await import("./bake/bake.ts")).bake },
  { name: "run", ofThisStore: true, help: "Run a program in an image", load: async () => (await import("./run/run.ts")).run },
  { name: "bundle", ofThisStore: true, help: "Write an image as a bundle for an OCI runtime", load: async () => (await import("./run/bundle.ts")).bundle },
  { name: "shell", ofThisStore: true, help: "Open a shell in a step of a build", load: async () => (await import("./run/shell.ts")).shell },
  { name: "builds", hasCommands: true, help: "Show what is remembered of builds: lists, logs", load: async () => (await import("./builds/builds.ts")).builds },
  { name: "pull", ofThisStore: true, help: "Pull images from registries into the local store", load: async () => (await import("./transfer/pull.ts")).pull },
  { name: "push", ofThisStore: true, help: "Push images of the local store to registries", load: async () => (await import("./transfer/push.ts")).push },
  { name: "copy", help: "Copy an image between registries, layouts, archives, daemons and the store", load: async () => (await import("./transfer/copy.ts")).copy },
  { name: "save", ofThisStore: true, help: "Write images to an archive or a folder", load: async () => (await import("./transfer/save.ts")).save },
  { name: "load", ofThisStore: true, help: "Load images from an archive or a folder", load: async () => (await import("./transfer/load.ts")).load },
  { name: "index", help: "Make and look at indexes: one name for the images of several platforms", load: async () => (await import("./transfer/image-index.ts")).index },
  { name: "tags", help: "List the tags of a repository", load: async () => (await import("./transfer/registry-tags.ts")).tags },
  { name: "rm", help: "Delete images of registries", load: async () => (await import("./transfer/registry-tags.ts")).rm },
  { name: "why", ofThisStore: true, help: "Say why the steps of a build ran", load: async () => (await import("./builds/why.ts")).why },
  { name: "images", ofThisStore: true, help: "List the images in the local store", load: async () => (await import("./images/images.ts")).images },
  { name: "tag", ofThisStore: true, help: "Give an image one more name", load: async () => (await import("./images/images.ts")).tag },
  { name: "rmi", ofThisStore: true, help: "Take names of images away", load: async () => (await import("./images/images.ts")).rmi },
  { name: "du", help: "Show what the local store takes of the disk", load: async () => (await import("./disk/du.ts")).du },
  { name: "prune", help: "Remove build cache", load: async () => (await import("./disk/prune.ts")).prune },
  { name: "fsck", ofThisStore: true, help: "Look for damage in the local store, and mend it", load: async () => (await import("./disk/fsck.ts")).fsck },
  { name: "login", help: "Log in to a registry", load: async () => (await import("./transfer/login.ts")).login },
  { name: "logout", help: "Forget a login", load: async () => (await import("./transfer/login.ts")).logout },
  { name: "registry", help: "Say how a registry is reached, and why", load: async () => (await import("./transfer/registry.ts")).registry },
  { name: "inspect", help: "Show an image's config, manifest, index and ids", load: async () => (await import("./images/inspect.ts")).inspect },
  { name: "history", help: "Show which instruction made which layer", load: async () => (await import("./images/history.ts")).history },
  { name: "layers", help: "Show what the layers hold and waste", load: async () => (await import("./images/layers.ts")).layers },
  { name: "ls", help: "List files of an image", load: async () => (await import("./images/ls.ts")).ls },
  { name: "cat", help: "Print a file of an image", load: async () => (await import("./images/cat.ts")).cat },
  { name: "diff", help: "Show what differs between two images", load: async () => (await import("./images/diff.ts")).diff },
  { name: "validate", help: "Check everything that must hold of an image", load: async () => (await import("./images/validate.ts")).validate },
  { name: "doctor", help: "Say what this machine can do for RUN", load: async () => (await import("./doctor.ts")).doctor },
  { name: "verify", ofThisStore: true, help: "Say whether a build gives the same image again, and what differs", load: async () => (await import("./images/verify.ts")).verify },
  { name: "executor", help: "Build and push in a pod, with the arguments of kaniko's executor", load: async () => (await import("./executor/executor.ts")).executor },
  { name: "warmer", help: "Fill a folder with base images, with the arguments of kaniko's warmer", load: async () => (await import("./executor/warmer.ts")).warmer },
  { name: "daemon", help: "Serve BuildKit's clients: docker buildx, buildctl", load: async () => (await import("./daemon/daemon.ts")).daemon },
  { name: "dial-stdio", help: "Pass bytes on to a daemon from standard input and back: what ssh://HOST starts there", load: async () => (await import("./daemon/dial-stdio.ts")).dialStdio },
  { name: "version", help: "Show versions", load: async () => (await import("./version.ts")).version },
];
