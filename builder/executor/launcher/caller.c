/*
 * The process that asks: its memory, and what its paths mean. A supervisor without CAP_SYS_PTRACE may look into a process of
 * the same user only, so it takes that user's rights meanwhile; what it opens then, it opens with no more than these.
 */
#include "watch.h"

static char root[PATH_MAX]; /* as the supervisor sees it */
static size_t root_length;
static int in_root = -1;
static uid_t own_uid;
static gid_t own_gid;

void root_begin(const char *directory)
{
	in_root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[64];
	snprintf(name, sizeof name, "/proc/self/fd/%d", in_root);
	ssize_t size = in_root < 0 ? -1 : readlink(name, root, sizeof root - 1);
	if (size < 0) die("open the root \"%s\"", directory);
	root_length = (size_t)size;
}

/* The part of one of the supervisor's paths that lies in the root, "" for the root itself; NULL outside. */
const char *below_root(const char *path)
{
	if (strncmp(path, root, root_length)) return NULL;
	return path[root_length] == 0 || path[root_length] == '/' ? path + root_length : NULL;
}

int open_below_root(const char *path) { return open_in(in_root, path + strspn(path, "/"), O_PATH, IN_ROOT | NO_SYMLINKS); }

/* Ids that are the effective ones from now on; what root may beyond them comes back with 0. */
int become(uid_t uid, gid_t gid)
{
	if (uid == own_uid && gid == own_gid) return 0;
	if (own_uid != 0 && syscall(SYS_setresuid, -1, 0, -1) < 0) return -1;
	own_uid = 0;
	if (syscall(SYS_setresgid, -1, gid, -1) < 0 || syscall(SYS_setresuid, -1, uid, -1) < 0) return -1;
	own_uid = uid;
	own_gid = gid;
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0); /* the change cleared it */
	return 0;
}

/* A directory of /proc, which stands for its process only: with the process it ends. */
int open_process(pid_t pid)
{
	char name[16];
	snprintf(name, sizeof name, "%d", (int)pid);
	return openat(proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* A file below a directory of /proc; "" and -1 when it cannot be read. */
int read_text(int process, const char *name, char *to, size_t size)
{
	int fd = openat(process, name, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, to, size - 1);
	if (fd >= 0) close(fd);
	to[got < 0 ? 0 : got] = 0;
	return got < 0 ? -1 : 0;
}

/* The first number of a line of /proc/PID/status; -1 without it. */
long status_value(int process, const char *name)
{
	char text[4096];
	read_text(process, "status", text, sizeof text);
	size_t length = strlen(name);
	for (char *line = text; *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : line + strlen(line))
		if (!strncmp(line, name, length) && line[length] == ':') return strtol(line + length + 1, NULL, 10);
	return -1;
}

/* The same of a process, or a thread, that may be gone. */
long status_of(pid_t pid, const char *name)
{
	int process = open_process(pid);
	long value = process < 0 ? -1 : status_value(process, name);
	if (process >= 0) close(process);
	return value;
}

static int open_memory(pid_t tid)
{
	char name[32];
	snprintf(name, sizeof name, "%d/mem", (int)tid);
	return openat(proc_fd, name, O_RDWR | O_CLOEXEC);
}

/* 0 when its memory can be read. It cannot while a process that changed its ids has not become another program yet. */
int open_caller(struct caller *c, pid_t tid)
{
	*c = (struct caller){ .tid = tid, .mem = open_memory(tid), .uid = own_uid, .gid = own_gid };
	if (c->mem >= 0) return 0;
	int process = open_process(tid);
	if (process < 0) return -1;
	long uid = status_value(process, "Uid"), gid = status_value(process, "Gid");
	close(process);
	if (uid < 0 || gid < 0 || become((uid_t)uid, (gid_t)gid) < 0) return -1;
	c->uid = own_uid;
	c->gid = own_gid;
	c->mem = open_memory(tid);
	return c->mem < 0 ? -1 : 0;
}

void close_caller(struct caller *c) { if (c->mem >= 0) close(c->mem); }

int read_memory(const struct caller *c, uint64_t at, void *to, size_t size)
{
	return pread(c->mem, to, size, (off_t)at) == (ssize_t)size ? 0 : -1;
}

int write_memory(const struct caller *c, uint64_t at, const void *from, size_t size)
{
	return pwrite(c->mem, from, size, (off_t)at) == (ssize_t)size ? 0 : -1;
}

/* A path of at most PATH_MAX bytes; what lies behind its page may be none of the caller's. */
int read_path(const struct caller *c, uint64_t at, char *to)
{
	for (size_t got = 0; at && got < PATH_MAX;) {
		size_t room = PATH_MAX - got, page = 4096 - (at + got) % 4096;
		ssize_t size = pread(c->mem, to + got, page < room ? page : room, (off_t)(at + got));
		if (size <= 0) return -1;
		if (memchr(to + got, 0, (size_t)size)) return 0;
		got += (size_t)size;
	}
	return -1;
}

/* Where a link of /proc leads, as a path of the root; -1 when that lies elsewhere or is gone. */
static int link_in_root(const char *link, char *to)
{
	char target[PATH_MAX];
	ssize_t size = readlinkat(proc_fd, link, target, sizeof target - 1);
	target[size < 0 ? 0 : size] = 0;
	const char *in = size < 0 ? NULL : below_root(target);
	if (!in) return -1;
	strcpy(to, in);
	return 0;
}

/* Where a path of the caller begins that is none from the root; -1 when that lies elsewhere or is gone. */
static int start_of(const struct caller *c, int dir, char *to)
{
	char link[48];
	if (dir == AT_FDCWD) snprintf(link, sizeof link, "%d/cwd", (int)c->tid);
	else snprintf(link, sizeof link, "%d/fd/%d", (int)c->tid, dir);
	return link_in_root(link, to);
}

/* The path in the root of what is open here; -1 when that lies elsewhere or is gone. */
int name_of(int fd, char *to)
{
	char link[32];
	snprintf(link, sizeof link, "self/fd/%d", fd);
	return link_in_root(link, to);
}

/* Step by step, for what is not there: links are followed, and from the first missing name on there are none. */
static int walk(const char *from, int follow, char *to)
{
	char rest[2 * PATH_MAX], link[PATH_MAX], next[PATH_MAX + NAME_MAX + 2];
	int links = 0, missing = 0;
	*to = 0;
	if (snprintf(rest, sizeof rest, "%s", from) >= (int)sizeof rest) return -1;
	for (;;) {
		char *start = rest + strspn(rest, "/");
		size_t length = strcspn(start, "/");
		if (length == 0) return 0;
		char name[NAME_MAX + 1];
		if (length > NAME_MAX) return -1;
		memcpy(name, start, length);
		name[length] = 0;
		int last = start[length + strspn(start + length, "/")] == 0;
		memmove(rest, start + length, strlen(start + length) + 1);
		if (!strcmp(name, ".")) continue;
		if (!strcmp(name, "..")) {
			char *slash = strrchr(to, '/');
			if (slash) *slash = 0;
			continue;
		}
		if (snprintf(next, sizeof next, "%s/%s", to, name) >= PATH_MAX) return -1;
		int fd = missing || (last && !follow) ? -1 : open_in(in_root, next + 1, O_PATH | O_NOFOLLOW, IN_ROOT);
		ssize_t size = fd < 0 ? -1 : readlinkat(fd, "", link, sizeof link - 1);
		if (fd < 0) missing = 1;
		else close(fd);
		if (size < 0) {
			strcpy(to, next);
			continue;
		}
		link[size] = 0;
		if (++links > 40 || (size_t)size + strlen(rest) + 2 > sizeof rest) return -1;
		memmove(rest + size + 1, rest, strlen(rest) + 1);
		memcpy(rest, link, (size_t)size);
		rest[size] = '/';
		if (link[0] == '/') *to = 0;
	}
}

/* Finds out where a path leads. -1 when it leads nowhere: the kernel will say why. */
int find_place(const struct caller *c, int dir, const char *path, int follow, struct place_found *found)
{
	char text[2 * PATH_MAX] = "";
	if (*path != '/' && start_of(c, dir, text) < 0) return -1;
	size_t length = strlen(text);
	text[length] = '/';
	strcpy(text + length + 1, path);
	found->fd = open_in(in_root, text + 1, O_PATH | (follow ? 0 : O_NOFOLLOW), IN_ROOT);
	found->is_there = found->fd >= 0;
	if (found->is_there) {
		if (name_of(found->fd, found->path) == 0) return 0;
		close(found->fd);
		return -1;
	}
	if (errno != ENOENT && errno != ENOTDIR) return -1;
	/* Most that is not there is nothing that is looked for in vain: only a link may lead elsewhere. */
	if (watch->count == 0 && strncmp(text + strspn(text, "/"), "proc/", 5) && strncmp(text + strspn(text, "/"), "dev/", 4)) {
		int link = follow ? open_in(in_root, text + 1, O_PATH | O_NOFOLLOW, IN_ROOT) : -1;
		if (link < 0) return -1;
		close(link);
	}
	return walk(text, follow, found->path);
}
