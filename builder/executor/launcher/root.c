/* Paths in the root. Strangers made what lies there: every path is opened inside it, and used as a descriptor. */
#include "launcher.h"

int root_fd = -1;

int open_in(int dir, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how_v0 how = { .flags = flags | O_CLOEXEC, .resolve = resolve | NO_MAGICLINKS };
	return (int)syscall(SYS_openat2, dir, *path ? path : ".", &how, sizeof how);
}

int open_root(const char *path) { return open_in(root_fd, path, O_PATH, IN_ROOT); }

struct made_list *made_list;

static int make_entry(const char *parent, const char *path, int is_file, int keep, const uid_t *owner)
{
	int dir = open_in(root_fd, parent, O_PATH | O_DIRECTORY, IN_ROOT), fd;
	const char *name = strrchr(path, '/');
	struct stat before, after;
	name = name ? name + 1 : path;
	if (dir < 0 || fstat(dir, &before) < 0) return -1;
	if (is_file) {
		fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0755);
		if (fd >= 0) close(fd);
		if (fd < 0) return -1;
	} else if (mkdirat(dir, name, 0755) < 0) return -1;
	if (owner && fchownat(dir, name, owner[0], owner[1], AT_SYMLINK_NOFOLLOW) < 0) return -1;
	size_t length = strlen(path) + 1;
	if (!keep) {
		if (fstat(dir, &after) < 0) return -1;
		if (made_list->count == 256 || made_list->used + length > sizeof made_list->text) { errno = ENOSPC; return -1; }
		struct made *m = &made_list->entry[made_list->count++];
		m->path = made_list->used;
		m->is_file = (uint32_t)is_file;
		m->before[0] = before.st_atim;
		m->before[1] = before.st_mtim;
		m->after = after.st_mtim;
		memcpy(made_list->text + made_list->used, path, length);
		made_list->used += (uint32_t)length;
	}
	close(dir);
	return 0;
}

/*
 * Opens a path in the root, following links inside the root, and makes what is missing: directories, and a file or
 * directory at the end. Works component by component, since a dangling link must be followed to where it points.
 */
int open_or_make(const char *path, int is_file, int keep, const uid_t *owner)
{
	int fd = open_root(path), links = 0;
	if (fd >= 0 || errno != ENOENT) return fd;
	char rest[PATH_MAX], done[PATH_MAX] = "", link[PATH_MAX];
	if (snprintf(rest, sizeof rest, "%s", path) >= (int)sizeof rest) { errno = ENAMETOOLONG; return -1; }
	for (;;) {
		char *start = rest + strspn(rest, "/");
		size_t length = strcspn(start, "/");
		if (length == 0) return open_root(done);
		char name[NAME_MAX + 1];
		if (length > NAME_MAX) { errno = ENAMETOOLONG; return -1; }
		memcpy(name, start, length);
		name[length] = 0;
		int last = start[length + strspn(start + length, "/")] == 0;
		memmove(rest, start + length, strlen(start + length) + 1);
		if (!strcmp(name, ".")) continue;
		size_t depth = strlen(done);
		if (!strcmp(name, "..")) {
			char *slash = strrchr(done, '/');
			if (slash) *slash = 0; else *done = 0;
			continue;
		}
		if (depth + length + 2 > sizeof done) { errno = ENAMETOOLONG; return -1; }
		char parent[PATH_MAX];
		memcpy(parent, done, depth + 1);
		if (depth) done[depth++] = '/';
		memcpy(done + depth, name, length + 1);
		fd = open_in(root_fd, done, O_PATH | O_NOFOLLOW, IN_ROOT);
		if (fd < 0) {
			if (errno != ENOENT || make_entry(parent, done, last && is_file, keep, owner) < 0) return -1;
			continue;
		}
		struct stat st;
		if (fstat(fd, &st) < 0) return -1;
		if (S_ISLNK(st.st_mode)) {
			ssize_t size = readlinkat(fd, "", link, sizeof link - 1);
			if (size < 0) return -1;
			link[size] = 0;
			if (++links > 40) { errno = ELOOP; return -1; }
			if ((size_t)size + strlen(rest) + 2 > sizeof rest) { errno = ENAMETOOLONG; return -1; }
			memmove(rest + size + 1, rest, strlen(rest) + 1);
			memcpy(rest, link, (size_t)size);
			rest[size] = '/';
			strcpy(done, link[0] == '/' ? "" : parent);
		}
		close(fd);
	}
}

/*
 * After the step: takes away what open_or_make made if it is still empty, last first, and gives the parent its time back
 * unless the step changed it too. `base` is the upper directory, or the root itself where it is a plain directory.
 */
void remove_made(const char *base)
{
	int top = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (uint32_t i = made_list->count; top >= 0 && i-- > 0;) {
		struct made *m = &made_list->entry[i];
		char *path = made_list->text + m->path, *slash = strrchr(path, '/');
		const char *name = slash ? slash + 1 : path;
		if (slash) *slash = 0;
		int dir = open_in(top, slash ? path : "", O_RDONLY | O_DIRECTORY, BENEATH | NO_SYMLINKS);
		struct stat parent, st;
		if (dir < 0) continue;
		if (fstat(dir, &parent) == 0 && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    (m->is_file ? S_ISREG(st.st_mode) && st.st_size == 0 : S_ISDIR(st.st_mode)) &&
		    unlinkat(dir, name, m->is_file ? 0 : AT_REMOVEDIR) == 0) {
			int ours = parent.st_mtim.tv_sec == m->after.tv_sec && parent.st_mtim.tv_nsec == m->after.tv_nsec;
			struct timespec times[2] = { ours ? m->before[0] : parent.st_atim, ours ? m->before[1] : parent.st_mtim };
			futimens(dir, times);
		}
		close(dir);
	}
	if (top >= 0) close(top);
}
