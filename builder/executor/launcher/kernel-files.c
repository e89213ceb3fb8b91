/*
 * What a step finds in /proc where none can be mounted: its supervisor opens it in the container's own and hands it over.
 * Only files are, never a folder, from which a step could walk out of its root; and of processes only the step's.
 */
#include "watch.h"
#include <ctype.h>
#include <dirent.h>

int is_kernel_path(const char *path) { return !strncmp(path, "/proc", 5) && (path[5] == 0 || path[5] == '/'); }

/* As in every sandbox; a container's own are hidden by whoever made it, if he did. */
static const char *const HIDDEN[] = { "acpi", "asound", "kcore", "keys", "kmsg", "kpage", "latency_stats", "timer_list", "timer_stats", "sched_debug", "scsi", "sysrq", "vmcore", NULL };

/* The process that a path names, and what of it; -1 when it names none (`*rest` is then the whole). */
static int open_named(pid_t tid, const char *path, char *rest)
{
	char name[32];
	const char *at = path + 5 + strspn(path + 5, "/");
	size_t length = strcspn(at, "/");
	snprintf(name, sizeof name, "%.*s", (int)(length < 31 ? length : 31), at);
	strcpy(rest, at);
	pid_t pid = group_of(tid);
	if (!strcmp(name, "thread-self")) snprintf(rest, PATH_MAX, "task/%d%s", (int)tid, at + length);
	else if (!strcmp(name, "self") || isdigit((unsigned char)*name)) {
		const char *more = at + length + strspn(at + length, "/");
		memmove(rest, more, strlen(more) + 1);
		if (*name != 's' && (pid = (pid_t)atoi(name)) == 1) pid = first_pid;
	} else {
		errno = 0;
		return -1;
	}
	int process = open_process(pid);
	if (process >= 0 && is_of_step(process)) return process;
	if (process >= 0) close(process);
	errno = ENOENT;
	return -1;
}

/* /proc/PID/mounts with another format. */
static int mountinfo(void)
{
	char *text = calloc(1, strlen(watch->mounts) * 2 + 64 * 1024), *to = text, source[256], target[PATH_MAX], type[64], options[PATH_MAX];
	int fd = -1, id = 1;
	if (!text) return -1;
	for (const char *line = watch->mounts; *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : line + strlen(line), id++)
		if (id < 1000 && sscanf(line, "%255s %4095s %63s %4095s", source, target, type, options) == 4)
			to += sprintf(to, "%d %d 0:%d / %s %s - %s %s rw\n", id, id > 1, id, target, options, type, source);
	fd = text_file(text);
	free(text);
	return fd;
}

static int only_file(int fd)
{
	struct stat st;
	if (fd >= 0 && (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode))) {
		close(fd);
		return GO_ON_UNASKED;
	}
	return fd;
}

static int open_top(const char *name, int flags)
{
	for (const char *const *hidden = HIDDEN; *hidden; hidden++) if (!strncmp(name, *hidden, strlen(*hidden))) return GO_ON_UNASKED;
	if (!strcmp(name, "sys/kernel/hostname") && !(flags & O_PATH)) {
		char text[130];
		snprintf(text, sizeof text, "%s\n", watch->hostname);
		return text_file(text);
	}
	if (!(flags & O_PATH) && (flags & O_ACCMODE) != O_RDONLY) { errno = EROFS; return -1; }
	return only_file(open_in(proc_fd, name, (uint64_t)flags, BENEATH | NO_SYMLINKS));
}

/* With O_PATH: what the path itself is, for its times and kind. */
int open_kernel_file(pid_t tid, const char *path, int flags)
{
	char rest[PATH_MAX];
	int process = open_named(tid, path, rest), fd;
	/* openat2 takes no flag that says nothing there. */
	flags &= flags & O_PATH ? O_PATH | O_NOFOLLOW : O_ACCMODE | O_TRUNC | O_APPEND | O_NONBLOCK | O_NOFOLLOW;
	if (process < 0) {
		if (errno) return -1;
		return *rest ? open_top(rest, flags) : GO_ON_UNASKED;
	}
	/* Links of the kernel lead to what the process has open, and that is its own. Nothing may come after them: it could be a link out of the root. */
	int is_link = !strcmp(rest, "exe") || !strcmp(rest, "cwd") || (!strncmp(rest, "fd/", 3) && rest[3] && !rest[3 + strspn(rest + 3, "0123456789")]);
	char *last = strrchr(rest, '/');
	int is_task_status = !strncmp(rest, "task/", 5) && !strcmp(last, "/status");
	if (flags & O_PATH) {
		if (is_link) fd = openat(process, rest, flags | O_CLOEXEC);
		else fd = *rest ? open_in(process, rest, (uint64_t)flags, BENEATH | NO_SYMLINKS) : dup(process);
	} else if (!strcmp(rest, "mounts")) fd = text_file(watch->mounts);
	else if (!strcmp(rest, "mountinfo")) fd = mountinfo();
	else if (!strcmp(rest, "status")) fd = copy_status(process);
	else if (is_task_status) {
		*last = 0;
		int task = open_in(process, rest, O_PATH | O_DIRECTORY, BENEATH | NO_SYMLINKS);
		fd = task < 0 ? -1 : copy_status(task);
		if (task >= 0) close(task);
	} else if (!strcmp(rest, "stat")) fd = copy_stat(process);
	else if (is_link) fd = openat(process, rest, flags | O_CLOEXEC);
	else if (watch->flags & WATCH_NO_NETWORK && !strncmp(rest, "net/", 4) && (fd = network_file(process, rest + 4)) != GO_ON_UNASKED) ;
	else if (*rest) fd = only_file(open_in(process, rest, (uint64_t)flags, BENEATH | NO_SYMLINKS));
	else fd = GO_ON_UNASKED;
	int saved = errno;
	close(process);
	errno = saved;
	return fd;
}

/* The text of a link in /proc, without the root before it. */
int read_kernel_link(pid_t tid, const char *path, char *to, size_t size)
{
	char rest[PATH_MAX];
	if (!strcmp(path, "/proc/self")) return snprintf(to, size, "%d", (int)shown_pid(group_of(tid)));
	if (!strcmp(path, "/proc/thread-self")) return snprintf(to, size, "%d/task/%d", (int)shown_pid(group_of(tid)), (int)shown_pid(tid));
	int process = open_named(tid, path, rest);
	if (process < 0) return errno ? -1 : GO_ON_UNASKED;
	int link = *rest ? open_in(process, rest, O_PATH | O_NOFOLLOW, BENEATH | NO_SYMLINKS) : -1;
	ssize_t length = *rest ? link < 0 ? -1 : readlinkat(link, "", to, size - 1) : GO_ON_UNASKED;
	int saved = errno;
	if (link >= 0) close(link);
	close(process);
	errno = saved;
	if (length < 0) return (int)length;
	to[length] = 0;
	const char *in = below_root(to);
	if (!in) return (int)length;
	memmove(to, *in ? in : "/", strlen(*in ? in : "/") + 1);
	return (int)strlen(to);
}

/* Lets a listing of /proc show the processes of the step that there are now: makes a folder for each, and takes others away. */
int list_processes(void)
{
	if (become(0, 0) < 0) return -1;
	int shown = open_below_root("/proc"), folder = shown < 0 ? -1 : openat(shown, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int listed = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *old = folder < 0 ? NULL : fdopendir(folder), *now = listed < 0 ? NULL : fdopendir(listed);
	struct dirent *entry;
	while (old && (entry = readdir(old))) if (isdigit((unsigned char)entry->d_name[0])) unlinkat(shown, entry->d_name, AT_REMOVEDIR);
	while (now && old && (entry = readdir(now))) {
		pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? (pid_t)atoi(entry->d_name) : 0;
		int process = pid > 0 ? open_process(pid) : -1;
		char name[16];
		snprintf(name, sizeof name, "%d", (int)shown_pid(pid));
		if (process >= 0 && is_of_step(process)) mkdirat(shown, name, 0555);
		if (process >= 0) close(process);
	}
	if (old) closedir(old);
	if (now) closedir(now);
	if (shown >= 0) close(shown);
	return 0;
}

/*
 * A program that starts itself once more as /proc/self/exe: only the process itself can do that, so the path in its memory
 * becomes another one of the same length, which ends alike and is a link to the program.
 */
void exe_alias(const struct caller *c, uint64_t at)
{
	static char targets[1000][256];
	char exe[PATH_MAX], name[sizeof "/proc/self/exe"];
	if (read_kernel_link(c->tid, "/proc/self/exe", exe, sizeof exe) < 0 || strlen(exe) >= sizeof *targets) return;
	int i = 0;
	while (i < 1000 && *targets[i] && strcmp(targets[i], exe)) i++;
	if (i == 1000) return;
	snprintf(name, sizeof name, "/proc/.%03d/exe", i);
	if (!*targets[i]) {
		if (become(0, 0) < 0) return;
		char folder_name[] = ".000";
		memcpy(folder_name, name + 6, 4);
		int proc = open_below_root("/proc"), folder = -1;
		if (proc >= 0 && mkdirat(proc, folder_name, 0755) == 0) folder = open_in(proc, folder_name, O_PATH | O_DIRECTORY, BENEATH | NO_SYMLINKS);
		int is_made = folder >= 0 && symlinkat(exe, folder, "exe") == 0;
		if (folder >= 0) close(folder);
		if (proc >= 0) close(proc);
		if (!is_made) return;
		strcpy(targets[i], exe);
	}
	write_memory(c, at, name, sizeof name);
}
