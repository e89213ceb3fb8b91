/* Answers about paths: files of /proc, what is read-only or of limited size, programs. */
#include "watch.h"

/* No folder outside its root may come to a step: from there it could go on. */
static int leads_out(int fd)
{
	struct stat st;
	char path[PATH_MAX];
	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && name_of(fd, path) < 0;
}

int answer_open(const struct caller *c, int dir, uint64_t path, uint64_t flags)
{
	char text[PATH_MAX];
	struct place_found found;
	if (read_path(c, path, text) < 0 || find_place(c, dir, text, !(flags & O_NOFOLLOW), &found) < 0) return go_on();
	if (found.fd >= 0) close(found.fd);
	if (!is_kernel_path(found.path)) {
		const struct place *place = place_of(found.path);
		if (!place || !place->readonly || flags & O_PATH) return go_on();
		int writes = (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC;
		return (writes && found.is_there) || (flags & O_CREAT && !found.is_there) ? fail(EROFS) : go_on();
	}
	if (!strcmp(found.path, "/proc")) list_processes();
	int fd = open_kernel_file(c->tid, found.path, (int)flags);
	if (fd == GO_ON_UNASKED) return go_on();
	if (fd < 0) return fail(errno);
	if (!leads_out(fd)) return give_fd(fd, flags);
	close(fd);
	return go_on();
}

int answer_readlink(const struct caller *c, int dir, uint64_t path, uint64_t to, uint64_t size)
{
	char text[PATH_MAX], link[PATH_MAX];
	struct place_found found;
	if (read_path(c, path, text) < 0 || !*text || find_place(c, dir, text, 0, &found) < 0) return go_on();
	if (found.fd >= 0) close(found.fd);
	int length = is_kernel_path(found.path) ? read_kernel_link(c->tid, found.path, link, sizeof link) : GO_ON_UNASKED;
	if (length == GO_ON_UNASKED) return go_on();
	if (length < 0) return fail(errno);
	size_t room = size < (uint64_t)length ? (size_t)size : (size_t)length;
	return write_memory(c, to, link, room) < 0 ? fail(EFAULT) : give((int64_t)room);
}

/*
 * What is asked about a path that the root does not answer: a descriptor that does; -1 for what it answers, or an error that was
 * given. With `merged`, also a directory whose links have no number.
 */
static int open_asked(const struct caller *c, int dir, uint64_t path, int follow, const struct place **place, int *merged)
{
	char text[PATH_MAX];
	struct place_found found;
	*place = NULL;
	int is_asked = read_path(c, path, text) == 0 && (!strncmp(text, "/proc", 5) || !strncmp(text, "/dev/", 5) || ((watch->count > 0 || merged) && *text));
	if (!is_asked || find_place(c, dir, text, follow, &found) < 0) return go_on(), -1;
	*place = place_of(found.path);
	if (!is_kernel_path(found.path)) {
		if (*place && found.is_there) return found.fd;
		if (merged && (*merged = !*place && found.is_there && is_merged(found.fd, found.path))) return found.fd;
		if (found.fd >= 0) close(found.fd);
		return go_on(), -1;
	}
	if (found.fd >= 0) close(found.fd);
	int fd = open_kernel_file(c->tid, found.path, O_PATH | (follow ? 0 : O_NOFOLLOW));
	if (fd == GO_ON_UNASKED) go_on();
	else if (fd < 0) fail(errno);
	return fd;
}

/* A number of no device that there is: a mount has one of its own. */
static uint32_t device_of(const struct place *place) { return 0xf0000 + (uint32_t)(place - watch->places); }

int answer_stat(const struct caller *c, int dir, uint64_t path, int follow, uint64_t to)
{
	const struct place *place;
	struct stat st;
	int merged = 0, fd = open_asked(c, dir, path, follow, &place, &merged);
	if (fd < 0) return 0;
	int failed = fstat(fd, &st) < 0;
	close(fd);
	if (failed) return go_on();
	if (place) st.st_dev = makedev(0, device_of(place));
	if (merged) st.st_nlink = 1;
	return write_memory(c, to, &st, sizeof st) < 0 ? fail(EFAULT) : 0;
}

int answer_statx(const struct caller *c, const uint64_t *args)
{
	enum { SIZE = 256, LINKS = 0x10, DEVICE_MAJOR = 0x88, DEVICE_MINOR = 0x8c };
	const struct place *place;
	unsigned char st[SIZE];
	int merged = 0, fd = args[2] & AT_EMPTY_PATH ? (go_on(), -1) : open_asked(c, (int)args[0], args[1], !(args[2] & AT_SYMLINK_NOFOLLOW), &place, &merged);
	if (fd < 0) return 0;
	int failed = syscall(SYS_statx, fd, "", AT_EMPTY_PATH, args[3], st) < 0;
	close(fd);
	if (failed) return go_on();
	uint32_t device[2] = { 0, place ? device_of(place) : 0 };
	if (place) memcpy(st + DEVICE_MAJOR, device, sizeof device);
	if (merged) memcpy(st + LINKS, &(uint32_t){ 1 }, sizeof(uint32_t));
	return write_memory(c, args[4], st, SIZE) < 0 ? fail(EFAULT) : 0;
}

int answer_access(const struct caller *c, int dir, uint64_t path, uint64_t mode)
{
	const struct place *place;
	struct stat st;
	int fd = open_asked(c, dir, path, 1, &place, NULL);
	if (fd < 0) return 0;
	int failed = fstat(fd, &st) < 0;
	close(fd);
	if (failed || (place && !(mode & W_OK && place->readonly))) return go_on();
	if (place) return fail(EROFS);
	return mode & X_OK || (mode & W_OK && !(st.st_mode & 0222)) ? fail(EACCES) : 0;
}

int answer_statfs(const struct caller *c, uint64_t path, uint64_t to)
{
	enum { TMPFS = 0x01021994, PAGE = 4096 };
	const struct place *place;
	struct statfs st;
	int fd = open_asked(c, AT_FDCWD, path, 1, &place, NULL);
	if (fd < 0) return 0;
	int failed = fstatfs(fd, &st) < 0;
	close(fd);
	if (failed || (place && !place->size)) return go_on();
	if (place) {
		uint64_t pages = (place->size + PAGE - 1) / PAGE, used = tree_bytes(place->path) / PAGE;
		st.f_type = TMPFS;
		st.f_bsize = st.f_frsize = PAGE;
		st.f_blocks = pages;
		st.f_bfree = st.f_bavail = used < pages ? pages - used : 0;
	}
	return write_memory(c, to, &st, sizeof st) < 0 ? fail(EFAULT) : 0;
}

/* A program that would have its owner's rights, which nothing gets under a filter, is not for this supervisor. */
int answer_exec(const struct caller *c, int dir, uint64_t path)
{
	char text[PATH_MAX], name[32], attribute[64];
	struct place_found found;
	struct stat st;
	if (read_path(c, path, text) < 0 || find_place(c, dir, text, 1, &found) < 0) return go_on();
	if (!strcmp(text, "/proc/self/exe")) exe_alias(c, path);
	if (found.fd < 0) return go_on();
	snprintf(name, sizeof name, "/proc/self/fd/%d", found.fd);
	int is_program = fstat(found.fd, &st) == 0 && S_ISREG(st.st_mode);
	int gains = is_program && ((st.st_mode & S_ISUID && st.st_uid != c->uid) ||
		((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != c->gid) ||
		(c->uid != 0 && syscall(SYS_getxattr, name, "security.capability", attribute, sizeof attribute) >= 0));
	close(found.fd);
	if (!gains) return go_on();
	refusal.again = 1;
	return refuse("%.500s", found.path);
}
