/* The mode "userns": a program as root of a new user and mount namespace. */
#include "launcher.h"

static void say(const char *what)
{
	fprintf(stderr, "tsbuild-launcher: %s: %s\n", what, strerror(errno));
	_exit(77);
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) return -1;
	ssize_t written = write(fd, text, strlen(text));
	int saved = errno;
	close(fd);
	errno = saved;
	return written == (ssize_t)strlen(text) ? 0 : -1;
}

/* Runs newuidmap or newgidmap; `map` is "inside outside count inside outside count…". */
static int run_mapper(const char *program, pid_t pid, const char *map)
{
	pid_t child = fork();
	int status = 0;
	if (child == 0) {
		char pid_text[16], *copy = strdup(map), *args[3 + 3 * 64] = { (char *)(uintptr_t)program, pid_text };
		int n = 2;
		snprintf(pid_text, sizeof pid_text, "%d", (int)pid);
		for (char *word = strtok(copy, " "); word && n < 2 + 3 * 64; word = strtok(NULL, " ")) args[n++] = word;
		execvp(program, args);
		say(program);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? 0 : -1;
}

/* What the kernel takes: a line for each range. */
static void write_map(pid_t pid, const char *name, const char *map)
{
	char path[48], *lines = strdup(map);
	int spaces = 0;
	for (char *at = lines; at && *at; at++) if (*at == ' ' && ++spaces % 3 == 0) *at = '\n';
	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	if (!lines || write_text(path, lines) < 0) say(path);
}

/*
 * MODE "helpers": UIDS and GIDS are written by newuidmap and newgidmap, which a child of ours runs from outside.
 * MODE "own": they are written from outside, too, by a child with the rights to.
 * MODE "self": one id each, written by ourselves; setgroups must then be given up for good.
 */
int enter_user_namespace(char **argv)
{
	const char *uids = argv[1], *gids = argv[2];
	int own = !strcmp(argv[0], "own"), helpers = own || !strcmp(argv[0], "helpers"), ready[2], status = 0;
	pid_t self = getpid(), helper = 0;
	char byte = 0;
	if (pipe2(ready, O_CLOEXEC) < 0) say("pipe");
	if (helpers && (helper = fork()) == 0) {
		close(ready[1]);
		if (read(ready[0], &byte, 1) != 1) _exit(77);
		if (own) {
			write_map(self, "uid_map", uids);
			write_map(self, "gid_map", gids);
			_exit(0);
		}
		_exit(run_mapper("newuidmap", self, uids) < 0 || run_mapper("newgidmap", self, gids) < 0 ? 77 : 0);
	}
	if (unshare(CLONE_NEWUSER) < 0) say("create a user namespace");
	if (helpers) {
		if (write(ready[1], &byte, 1) != 1) say("start the id mapper");
		if (waitpid(helper, &status, 0) != helper || status != 0) _exit(77);
	} else {
		if (write_text("/proc/self/setgroups", "deny") < 0) say("give up setgroups");
		if (write_text("/proc/self/uid_map", uids) < 0) say("map the user id");
		if (write_text("/proc/self/gid_map", gids) < 0) say("map the group id");
	}
	close(ready[0]);
	close(ready[1]);
	if (setresgid(0, 0, 0) < 0) say("become group 0");
	if (helpers && setgroups(0, NULL) < 0) say("drop the groups");
	if (setresuid(0, 0, 0) < 0) say("become root of the user namespace");
	if (unshare(CLONE_NEWNS) < 0) say("create a mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) say("make the mounts private");
	execvp(argv[3], argv + 3);
	say(argv[3]);
	return 77;
}
