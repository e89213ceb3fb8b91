/* What happens between the last mount and the program: network, groups, filter, ids, capabilities, exec. */
#include "launcher.h"

static int set_loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int result = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);
	if (fd >= 0) close(fd);
	return result;
}

/*
 * The root of a pod's user namespace has no CAP_NET_ADMIN, but its child has it in a user namespace of the child's own: the
 * child makes a network there, and this process, which owns that namespace, joins it.
 */
static int join_network_of_child(void)
{
	int ready[2], release[2], status;
	char byte = 0;
	if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(release, O_CLOEXEC) < 0) return -1;
	pid_t child = fork();
	if (child == 0) {
		close(release[1]);
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 || set_loopback_up() < 0 || write(ready[1], &byte, 1) != 1) _exit(1);
		_exit(read(release[0], &byte, 1) < 0);
	}
	close(ready[1]);
	int result = -1;
	if (child > 0 && read(ready[0], &byte, 1) == 1) {
		int process = (int)syscall(SYS_pidfd_open, child, 0);
		if (process >= 0) {
			result = setns(process, CLONE_NEWNET);
			close(process);
		}
	}
	close(ready[0]);
	close(release[0]);
	close(release[1]);
	if (child > 0) waitpid(child, &status, 0);
	return result;
}

void loopback_up(void)
{
	if (set_loopback_up() == 0) return;
	if (errno == EPERM && join_network_of_child() == 0) return;
	errno = EPERM;
	die("bring the loopback interface up");
}

static uint64_t permitted_caps(void)
{
	struct cap_header header = { CAP_VERSION_3, 0 };
	struct cap_data data[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	if (syscall(SYS_capget, &header, data) < 0) die("read the capabilities");
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

/* Has the supervisor answer from here on, and looks whether it does: it is process 1 then. */
static void be_watched(const struct watch *watch, int channel)
{
	char text[4] = "";
	int listener = install_filter(watch);
	if (listener < 0) die("load the filter that asks the supervisor");
	send_listener(channel, listener);
	close(listener);
	close(channel);
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, 2) != 2 || strcmp(text, "1 ")) die("have the supervisor answer");
	close(fd);
}

/*
 * Groups, seccomp, ids, capabilities, in the one order that works: the filter without no_new_privs needs CAP_SYS_ADMIN, and
 * a changed uid loses everything. A user that is not root keeps no capability but the bounding set, as with runc.
 */
void drop_privileges(const struct process *p, int channel)
{
	if (p->watch) be_watched(p->watch, channel);
	uint64_t all = permitted_caps(), caps = p->caps & all;
	for (int cap = 0; cap < 64; cap++) {
		if (p->caps >> cap & 1) continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno == EINVAL) break;
	}
	if (p->group_count > 0 || getgroups(0, NULL) > 0) {
		/* With a single id the kernel refuses setgroups, and there is no other group to drop. */
		if (setgroups(p->group_count, p->groups) < 0 && !(errno == EPERM && p->group_count == 0)) die("set the supplementary groups");
	}
	if (setresgid(p->gid, p->gid, p->gid) < 0) die("set the group to %u", p->gid);
	if (p->flags & STEP_NEW_PRIVILEGES_OFF && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) die("set no_new_privs");
	if (p->seccomp.length && syscall(SYS_seccomp, SECCOMP_MODE_FILTER_SET, SECCOMP_SPEC_ALLOW, &p->seccomp) < 0) die("load the seccomp filter");
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) die("keep the capabilities");
	if (setresuid(p->uid, p->uid, p->uid) < 0) die("set the user to %u", p->uid);
	struct cap_header header = { CAP_VERSION_3, 0 };
	uint32_t low = (uint32_t)caps, high = (uint32_t)(caps >> 32);
	struct cap_data data[2] = { { low, low, p->ambient ? low : 0 }, { high, high, p->ambient ? high : 0 } };
	if (syscall(SYS_capset, &header, data) < 0) die("set the capabilities");
	for (int cap = 0; p->ambient && cap < 64; cap++) {
		if (caps >> cap & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0) die("raise ambient capability %d", cap);
	}
}

static const char *find_env(char **env, const char *name)
{
	size_t length = strlen(name);
	const char *found = NULL;
	for (; *env; env++) if (!strncmp(*env, name, length) && (*env)[length] == '=') found = *env + length + 1;
	return found;
}

static void __attribute__((noreturn)) refuse_program(const char *name, int error, const char *format, const char *argument)
{
	char detail[400], text[900];
	snprintf(detail, sizeof detail, format, argument);
	snprintf(text, sizeof text, "exec: \"%s\": %s", name, detail);
	report('N', (uint32_t)error, text);
	_exit(error == ENOENT ? 127 : 126);
}

/*
 * Runs args[0], looked up in the PATH of its own environment as runc does. Links out of /proc are not followed: through
 * /proc/self/exe a step would get at this program's file.
 */
void execute(const struct process *p)
{
	char **args = p->args, **env = p->env;
	char path[PATH_MAX];
	const char *program = args[0];
	if (!strchr(program, '/')) {
		const char *dirs = find_env(env, "PATH"), *found = NULL;
		for (; dirs && !found; dirs = strchr(dirs, ':') ? strchr(dirs, ':') + 1 : NULL) {
			int length = (int)strcspn(dirs, ":");
			if (snprintf(path, sizeof path, "%.*s%s%s", length ? length : 1, length ? dirs : ".", "/", program) >= (int)sizeof path) continue;
			struct stat st;
			if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode) && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0) found = path;
		}
		if (!found) refuse_program(program, ENOENT, "%s", "executable file not found in $PATH");
		program = path;
	}
	struct stat st;
	int fd = open_in(AT_FDCWD, program, O_PATH, 0);
	if (fd < 0 || fstat(fd, &st) < 0) {
		int error = errno;
		snprintf(path, sizeof path, "stat %.300s: %%s", args[0]);
		refuse_program(args[0], error, path, strerror(error));
	}
	if (S_ISDIR(st.st_mode)) refuse_program(args[0], EISDIR, "%s", "is a directory");
	close(fd);
	/* Where the supervisor cannot look yet, as this process has just become another user. */
	if (p->watch && (st.st_mode & S_ISUID || (st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)) && p->uid != 0) {
		report('R', 1, program);
		_exit(125);
	}
	execve(program, args, env);
	int error = errno;
	refuse_program(args[0], error, "%s", strerror(error));
}
