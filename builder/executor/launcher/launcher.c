/*
 * tsbuild-launcher: starts one process in a sandbox.
 *
 *   tsbuild-launcher step                     reads a spec from fd 3, runs it, reports on fd 3
 *   tsbuild-launcher step SPEC REPORT         the same with files (a terminal leaves no room for fd 3)
 *   tsbuild-launcher userns MODE UIDS GIDS PROGRAM ARGS...
 *                                             becomes PROGRAM as root of a new user namespace
 *   tsbuild-launcher probe                    says what this process may do, one "name errno" a line
 *
 * The spec is a list of records (opcodes in launcher.h); spec.ts writes it. What is mounted where, and which capabilities and
 * which seccomp program a step gets, is decided there. Here is only the mechanism, and no parser of any text.
 *
 * Three rules hold everywhere:
 *  - Whatever lies in the root was made by strangers. A path in it is opened with openat2(RESOLVE_IN_ROOT) and used as a
 *    file descriptor, so that no link in it leads out.
 *  - Everything is mounted in the step's own mount namespace. When its last process is gone, so are the mounts.
 *  - The step is pid 1 of its pid namespace. When it ends, or when this program or its parent dies, the kernel kills the rest.
 *
 * Needs Linux 5.12 (openat2, open_tree, mount_setattr). Written for musl and glibc, needs no kernel headers.
 */
#include "launcher.h"

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "step")) return run_step(NULL, NULL);
	if (argc == 4 && !strcmp(argv[1], "step")) return run_step(argv[2], argv[3]);
	if (argc >= 6 && !strcmp(argv[1], "userns")) return enter_user_namespace(argv + 2);
	if (argc == 2 && !strcmp(argv[1], "probe")) return probe();
	fprintf(stderr, "tsbuild-launcher: part of tsbuild, started by it\n");
	return 64;
}
