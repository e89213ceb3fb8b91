/* The step's processes as it knows them: its first one is process 1, as it is in a namespace of its own. */
#include "watch.h"
#include <ctype.h>

pid_t first_pid;
int proc_fd = -1;

pid_t shown_pid(pid_t pid) { return pid == first_pid ? 1 : pid; }

/* Who is nobody's child any more is a child of process 1, where there is a namespace. */
pid_t shown_parent(pid_t pid, pid_t parent)
{
	if (pid == first_pid) return 0;
	return parent == getpid() ? 1 : shown_pid(parent);
}

/* The process of a thread. */
pid_t group_of(pid_t tid)
{
	long pid = tid == first_pid ? tid : status_of(tid, "Tgid");
	return (pid_t)(pid < 0 ? tid : pid);
}

/*
 * By its root, which only who may look into it can read. Who may not finds there what everybody may know of a process: then
 * its ancestors decide.
 */
int is_of_step(int process)
{
	char root[PATH_MAX];
	ssize_t size = readlinkat(process, "root", root, sizeof root - 1);
	if (size >= 0) {
		root[size] = 0;
		const char *in = below_root(root);
		return in && *in == 0;
	}
	long parent = status_value(process, "PPid");
	for (int depth = 0; parent > 1 && depth < 4096; depth++) {
		if (parent == getpid()) return 1;
		parent = status_of((pid_t)parent, "PPid");
	}
	return 0;
}

/* A descriptor of a file with this text, which can be read only. */
int text_file(const char *text)
{
	char name[32];
	int fd = (int)syscall(SYS_memfd_create, "text", 1 /* close on exec */);
	size_t length = strlen(text);
	if (fd < 0 || write(fd, text, length) != (ssize_t)length) return -1;
	snprintf(name, sizeof name, "self/fd/%d", fd);
	int result = openat(proc_fd, name, O_RDONLY | O_CLOEXEC);
	close(fd);
	return result;
}

static uint64_t hex_line(const char *text, const char *name)
{
	const char *line = strstr(text, name);
	return line ? strtoull(line + strlen(name) + 1, NULL, 16) : 0;
}

/* A set of capabilities ("CapPrm", …) as the step is to see it. */
uint64_t capabilities_of(pid_t tid, const char *name)
{
	char text[4096], path[32];
	snprintf(path, sizeof path, "%d/status", (int)tid);
	if (read_text(proc_fd, path, text, sizeof text) < 0) return 0;
	uint64_t set = hex_line(text, name), all = hex_line(text, "CapBnd");
	/* Who has all that can be had would have that one, too. */
	return watch->flags & WATCH_SHOW_CHROOT && set == all && strcmp(name, "CapInh") ? set | 1u << CAP_CHROOT : set;
}

/* /proc/PID/status without what only this sandbox does. */
int copy_status(int process)
{
	char text[4096], out[4400];
	if (read_text(process, "status", text, sizeof text) < 0) return -1;
	size_t used = 0;
	pid_t tid = (pid_t)status_value(process, "Pid"), pid = (pid_t)status_value(process, "Tgid");
	for (char *line = text, *next; *line && used < sizeof out - 200; line = next) {
		size_t length = strcspn(line, "\n");
		next = line + length + (line[length] == '\n');
		char name[32];
		size_t name_length = strcspn(line, ":\n");
		snprintf(name, sizeof name, "%.*s", (int)(name_length < 31 ? name_length : 31), line);
		long value = name_length < length ? strtol(line + name_length + 1, NULL, 10) : 0;
		char *to = out + used;
		size_t room = sizeof out - used;
		if (!strcmp(name, "PPid")) used += (size_t)snprintf(to, room, "PPid:\t%d\n", (int)shown_parent(pid, (pid_t)value));
		else if (!strcmp(name, "Pid") || !strcmp(name, "Tgid") || !strncmp(name, "NS", 2))
			used += (size_t)snprintf(to, room, "%s:\t%d\n", name, (int)shown_pid((pid_t)value));
		else if (!strcmp(name, "NoNewPrivs")) used += (size_t)snprintf(to, room, "NoNewPrivs:\t0\n");
		else if (!strcmp(name, "Seccomp_filters")) used += (size_t)snprintf(to, room, "Seccomp_filters:\t%ld\n", value - 1);
		else if (!strncmp(name, "Cap", 3) && strcmp(name, "CapAmb")) used += (size_t)snprintf(to, room, "%s:\t%016llx\n", name, (unsigned long long)capabilities_of(tid, name));
		else {
			memcpy(to, line, length);
			to[length] = '\n';
			used += length + 1;
		}
	}
	out[used] = 0;
	return text_file(out);
}

/* /proc/PID/stat, whose numbers after the name (which may hold anything) are: state, parent, group, session. */
int copy_stat(int process)
{
	char text[2048], out[2200], state;
	int parent, group, session, rest;
	if (read_text(process, "stat", text, sizeof text) < 0) return -1;
	char *end = strrchr(text, ')'), *name = strchr(text, '(');
	if (!end || !name || sscanf(end + 1, " %c %d %d %d%n", &state, &parent, &group, &session, &rest) != 4) return text_file(text);
	pid_t pid = (pid_t)atoi(text);
	snprintf(out, sizeof out, "%d %.*s %c %d %d %d%s", (int)shown_pid(pid), (int)(end + 1 - name), name, state, (int)shown_parent(pid, parent),
	         (int)shown_pid(group), (int)shown_pid(session), end + 1 + rest);
	return text_file(out);
}
