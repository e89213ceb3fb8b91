/*
 * Where mounts would be: what may be read only, what may hold so much. It is for right answers, not for safety: the builder
 * looks afterwards whether a read-only place was changed (chroot-files.ts).
 */
#include "watch.h"
#include <dirent.h>

/* The innermost place that a path lies in; NULL for none. */
const struct place *place_of(const char *path)
{
	const struct place *found = NULL;
	size_t longest = 0;
	for (uint32_t i = 0; i < watch->count; i++) {
		size_t length = strlen(watch->places[i].path);
		if (length < longest || strncmp(path, watch->places[i].path, length) || (path[length] && path[length] != '/')) continue;
		found = &watch->places[i];
		longest = length;
	}
	return found;
}

static uint64_t bytes_below(int folder)
{
	uint64_t total = 0;
	DIR *list = fdopendir(folder);
	for (struct dirent *entry; list && (entry = readdir(list));) {
		struct stat st;
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") || fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
		if (S_ISREG(st.st_mode)) total += ((uint64_t)st.st_size + 4095) / 4096 * 4096;
		if (!S_ISDIR(st.st_mode)) continue;
		int below = openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below >= 0) total += bytes_below(below);
	}
	if (list) closedir(list);
	else close(folder);
	return total;
}

/* What files at or below a path of the root hold, in whole pages as a tmpfs counts. */
uint64_t tree_bytes(const char *path)
{
	if (become(0, 0) < 0) return 0;
	int top = open_below_root(path), folder = top < 0 ? -1 : openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top >= 0) close(top);
	return folder < 0 ? 0 : bytes_below(folder);
}

/* Paths of a call that changes names or what lies under them: numbers of its arguments, -1 for none. */
struct change { int call, dir, path, to_dir, to_path; enum { MAKES = 1, FOLLOWS = 2, REMOVES = 4 } kind; int flags; };

static const struct change CHANGES[] = {
	{ SYS_mkdirat, 0, 1, -1, -1, MAKES, -1 }, { SYS_mknodat, 0, 1, -1, -1, MAKES, -1 }, { SYS_symlinkat, 1, 2, -1, -1, MAKES, -1 },
	{ SYS_linkat, 2, 3, -1, -1, MAKES, -1 }, { SYS_unlinkat, 0, 1, -1, -1, REMOVES, -1 }, { SYS_renameat2, 0, 1, 2, 3, REMOVES, -1 },
	{ SYS_fchmodat, 0, 1, -1, -1, FOLLOWS, -1 }, { SYS_fchownat, 0, 1, -1, -1, FOLLOWS, 4 }, { SYS_utimensat, 0, 1, -1, -1, FOLLOWS, 3 },
	{ SYS_truncate, -1, 0, -1, -1, FOLLOWS, -1 }, { SYS_setxattr, -1, 0, -1, -1, FOLLOWS, -1 }, { SYS_lsetxattr, -1, 0, -1, -1, 0, -1 },
	{ SYS_removexattr, -1, 0, -1, -1, FOLLOWS, -1 }, { SYS_lremovexattr, -1, 0, -1, -1, 0, -1 },
#if defined SYS_renameat
	{ SYS_renameat, 0, 1, 2, 3, REMOVES, -1 },
#endif
#if defined __x86_64__
	{ SYS_mkdir, -1, 0, -1, -1, MAKES, -1 }, { SYS_mknod, -1, 0, -1, -1, MAKES, -1 }, { SYS_symlink, -1, 1, -1, -1, MAKES, -1 },
	{ SYS_link, -1, 1, -1, -1, MAKES, -1 }, { SYS_unlink, -1, 0, -1, -1, REMOVES, -1 }, { SYS_rmdir, -1, 0, -1, -1, REMOVES, -1 },
	{ SYS_rename, -1, 0, -1, 1, REMOVES, -1 }, { SYS_chmod, -1, 0, -1, -1, FOLLOWS, -1 }, { SYS_chown, -1, 0, -1, -1, FOLLOWS, -1 },
	{ SYS_lchown, -1, 0, -1, -1, 0, -1 }, { SYS_utime, -1, 0, -1, -1, FOLLOWS, -1 }, { SYS_utimes, -1, 0, -1, -1, FOLLOWS, -1 },
	{ SYS_futimesat, 0, 1, -1, -1, FOLLOWS, -1 },
#endif
};

/* The place that an argument's path leads to; its existence too. NULL also when that cannot be told. */
static const struct place *named_place(const struct caller *c, const uint64_t *args, int dir, int path, int follow, int *is_there)
{
	char text[PATH_MAX];
	struct place_found found;
	if (read_path(c, args[path], text) < 0 || !*text || find_place(c, dir < 0 ? AT_FDCWD : (int)args[dir], text, follow, &found) < 0) return NULL;
	if (found.fd >= 0) close(found.fd);
	*is_there = found.is_there;
	return place_of(found.path);
}

/* The error that a call gets which would change what is read-only, as the kernel gives it; 0 for none. */
int change_error(const struct caller *c, const struct call_data *call)
{
	for (size_t i = 0; i < sizeof CHANGES / sizeof *CHANGES; i++) {
		const struct change *it = &CHANGES[i];
		if (it->call != call->nr) continue;
		int is_there = 0, is_there_too = 0;
		int follow = it->kind == FOLLOWS && !(it->flags >= 0 && call->args[it->flags] & AT_SYMLINK_NOFOLLOW);
		const struct place *place = named_place(c, call->args, it->dir, it->path, follow, &is_there);
		const struct place *to = it->to_path < 0 ? place : named_place(c, call->args, it->to_dir, it->to_path, 0, &is_there_too);
		if (to != place) return EXDEV; /* two mounts */
		if (!place || !place->readonly) return 0;
		/* What is there already, or is not, is noticed before the mount is asked whether it may be changed. */
		if (it->kind == MAKES ? is_there : it->kind != REMOVES && !is_there) return 0;
		return EROFS;
	}
	return 0;
}

/* The place that holds more than it may; NULL when none does. */
const struct place *overfull(void)
{
	for (uint32_t i = 0; i < watch->count; i++)
		if (watch->places[i].size && tree_bytes(watch->places[i].path) > watch->places[i].size) return &watch->places[i];
	return NULL;
}
