/*
 * Numbers of links of directories. An overlay tells none (it says 1) of a directory that it merges of several layers: those
 * that the layers of the root share, and each directory of theirs in or below which the step changes something. In a root
 * that is a copy of the layers all directories have numbers, so of these 1 is told here. One that the step made itself has
 * its own on an overlay, too.
 */
#include "watch.h"
#include <dirent.h>
#include <time.h>

/* linux/stat.h: where struct statx says when something was made. */
enum { STATX_SIZE = 256, BIRTH = 0x800, BIRTH_SECONDS = 0x50, BIRTH_NANOSECONDS = 0x58 };

static struct timespec begun;
static char **slots; /* a hash table of paths, "/a/b"; half of it is free */
static size_t slot_count, used;
/* How many names are looked at in search of a change, so that a step that asks again and again goes on; then nothing more is found. */
static long names_left = 500000;

static size_t slot_of(const char *path)
{
	uint64_t hash = 0xcbf29ce484222325;
	for (const char *at = path; *at; at++) hash = (hash ^ (unsigned char)*at) * 0x100000001b3;
	size_t at = (size_t)(hash ^ hash >> 32) & (slot_count - 1);
	while (slots[at] && strcmp(slots[at], path)) at = (at + 1) & (slot_count - 1);
	return at;
}

static void add(const char *path)
{
	if (used * 2 >= slot_count) {
		char **old = slots;
		size_t old_count = slot_count;
		slot_count = old_count ? old_count * 2 : 1024;
		if (!(slots = calloc(slot_count, sizeof *slots))) die("look after the step");
		for (size_t i = 0; i < old_count; i++) if (old[i]) slots[slot_of(old[i])] = old[i];
		free(old);
	}
	size_t at = slot_of(path);
	if (!slots[at] && (slots[at] = strdup(path))) used++;
}

/* From here on what changes is the step's doing. */
void directories_begin(char **merged)
{
	char path[PATH_MAX];
	clock_gettime(CLOCK_REALTIME_COARSE, &begun); /* as file systems tell the time */
	for (; merged && *merged; merged++) if (snprintf(path, sizeof path, "/%s", *merged) < PATH_MAX) add(path);
}

static int is_before(int64_t seconds, int64_t nanoseconds)
{
	return seconds < begun.tv_sec || (seconds == begun.tv_sec && nanoseconds < begun.tv_nsec);
}

static int is_changed(const struct stat *st) { return !is_before(st->st_ctim.tv_sec, st->st_ctim.tv_nsec); }

/* Whether anything changed in or below a directory. Takes the descriptor. */
static int is_changed_below(int folder)
{
	int changed = 0;
	DIR *list = fdopendir(folder);
	for (struct dirent *entry; list && !changed && names_left > 0 && (entry = readdir(list)); names_left--) {
		struct stat st;
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") || fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
		changed = is_changed(&st);
		int below = changed || !S_ISDIR(st.st_mode) ? -1 : openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below >= 0) changed = is_changed_below(below);
	}
	if (list) closedir(list);
	else close(folder);
	return changed;
}

/* Whether it was there when the step began; not where the file system does not know. */
static int is_of_layers(int fd)
{
	unsigned char st[STATX_SIZE];
	uint32_t told, nanoseconds;
	int64_t seconds;
	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, BIRTH, st) < 0) return 0;
	memcpy(&told, st, sizeof told);
	memcpy(&seconds, st + BIRTH_SECONDS, sizeof seconds);
	memcpy(&nanoseconds, st + BIRTH_NANOSECONDS, sizeof nanoseconds);
	return told & BIRTH && is_before(seconds, nanoseconds);
}

/* Whether what is open is a directory that an overlay would have merged. `path`: its own in the root. */
int is_merged(int fd, const char *path)
{
	struct stat st;
	if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode)) return 0;
	if (!*path) return 1;
	if (!is_of_layers(fd)) return 0;
	if (slot_count && slots[slot_of(path)]) return 1;
	if (!is_changed(&st)) {
		int top = become(0, 0) < 0 ? -1 : open_below_root(path), folder = top < 0 ? -1 : openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (top >= 0) close(top);
		if (folder < 0 || !is_changed_below(folder)) return 0;
	}
	add(path); /* and so it stays */
	return 1;
}
