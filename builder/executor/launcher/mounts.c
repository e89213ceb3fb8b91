/* Everything that is mounted, in the step's own mount namespace. */
#include "launcher.h"

/*
 * Mounts an overlay. mount(2) takes one page of options, so the directories are opened and named by descriptor, as
 * "lowerdir=5:6:7" seen from /proc/self/fd: 500 lowers, the kernel's limit, fit, and no character in a path matters.
 */
int mount_overlay(const struct stack *s, const char *mount_point)
{
	char data[4096];
	size_t used = (size_t)snprintf(data, sizeof data, "%s%slowerdir=", s->options, *s->options ? "," : "");
	int fds[512], count = 0, result = -1;
	for (char **lower = s->lowers; *lower; lower++) {
		if (count == 509 || used > sizeof data - 64) { errno = E2BIG; goto out; }
		if ((fds[count] = open(*lower, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) goto out;
		used += (size_t)snprintf(data + used, sizeof data - used, "%s%d", count ? ":" : "", fds[count]);
		count++;
	}
	if (*s->upper) {
		if ((fds[count] = open(s->upper, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) goto out;
		count++;
		if ((fds[count] = open(s->work, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) goto out;
		count++;
		snprintf(data + used, sizeof data - used, ",upperdir=%d,workdir=%d", fds[count - 2], fds[count - 1]);
	}
	if (chdir("/proc/self/fd") < 0) goto out;
	result = mount("overlay", mount_point, "overlay", 0, data);
out:;
	int saved = errno;
	while (count > 0) close(fds[--count]);
	if (chdir("/") < 0) return -1;
	errno = saved;
	return result;
}

int set_attributes(int tree, uint64_t attributes, int recursive)
{
	struct mount_attr_v0 attr = { .set = attributes };
	if (!attributes) return 0;
	return (int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | (recursive ? 0x8000 /* AT_RECURSIVE */ : 0), &attr, sizeof attr);
}

int clone_tree(int dir, const char *path)
{
	return (int)syscall(SYS_open_tree, dir, path, TREE_CLONE | O_CLOEXEC | 0x8000 /* AT_RECURSIVE */ | AT_EMPTY_PATH);
}

int move_tree(int tree, int target) { return (int)syscall(SYS_move_mount, tree, "", target, "", MOVE_EMPTY_PATHS); }

/* Puts a detached tree on a path of the root. */
static int place_tree(int tree, const char *target, uint64_t attributes, uint32_t flags)
{
	struct stat st, there;
	if (tree < 0 || fstat(tree, &st) < 0 || set_attributes(tree, attributes, 1) < 0) return -1;
	int at = open_or_make(target, !S_ISDIR(st.st_mode), flags & MOUNT_KEEP, NULL);
	int result = at < 0 ? -1 : move_tree(tree, at);
	int saved = errno;
	/* Of a directory on a file, and the other way round, the kernel says EINVAL. */
	if (result < 0 && at >= 0 && fstat(at, &there) == 0 && S_ISDIR(st.st_mode) != S_ISDIR(there.st_mode))
		saved = S_ISDIR(st.st_mode) ? ENOTDIR : EISDIR;
	if (at >= 0) close(at);
	close(tree);
	errno = saved;
	return result;
}

int bind_host(const char *source, const char *target, uint64_t attributes, uint32_t flags)
{
	return place_tree(clone_tree(AT_FDCWD, source), target, attributes, flags);
}

/* Mounts a stack, cuts out one path of it, links resolved inside the stack, and puts that into the root. */
int bind_overlay(const struct stack *s, const char *staging, const char *sub_path, const char *target, uint64_t attributes, uint32_t flags)
{
	if (mount_overlay(s, staging) < 0) return -1;
	int top = open(staging, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int part = top < 0 ? -1 : open_in(top, sub_path, O_PATH, IN_ROOT);
	int tree = part < 0 ? -1 : clone_tree(part, "");
	int saved = errno;
	if (part >= 0) close(part);
	if (top >= 0) close(top);
	if (umount2(staging, MNT_DETACH) < 0) return -1;
	errno = saved;
	return place_tree(tree, target, attributes, flags);
}

/* Path of a descriptor, for the calls that know no other way. */
static const char *by_fd(int fd)
{
	static char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return path;
}

int mount_fs(const char *type, const char *source, const char *target, uint32_t ms, const char *data, uint32_t flags)
{
	int at = open_or_make(target, 0, flags & MOUNT_KEEP, NULL);
	if (at < 0) return -1;
	int result = mount(source, by_fd(at), type, ms, data);
	int saved = errno;
	close(at);
	errno = saved;
	return result;
}

/* A device node: made where that is allowed, else the machine's own is bound. */
int make_device(const char *name, uint32_t major_number, uint32_t minor_number)
{
	char path[64], host[64];
	int dev = open_root("dev");
	if (dev < 0) return -1;
	snprintf(path, sizeof path, "dev/%s", name);
	snprintf(host, sizeof host, "/dev/%s", name);
	int result = mknodat(dev, name, S_IFCHR | 0666, makedev(major_number, minor_number));
	if (result < 0) {
		int fd = openat(dev, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
		if (fd >= 0) close(fd);
		result = fd < 0 ? -1 : bind_host(host, path, 0, 0);
	}
	close(dev);
	return result;
}

/* Hides a path: a directory under an empty read-only tmpfs, a file under /dev/null (as runc does). */
int mask(const char *path)
{
	struct stat st;
	int at = open_root(path);
	if (at < 0) return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -1;
	if (fstat(at, &st) < 0) return -1;
	int result;
	if (S_ISDIR(st.st_mode)) {
		result = mount("tmpfs", by_fd(at), "tmpfs", MS_RDONLY, "size=0k");
	} else {
		int null = open_root("dev/null"), tree = null < 0 ? -1 : clone_tree(null, "");
		result = tree < 0 ? -1 : move_tree(tree, at);
		if (tree >= 0) close(tree);
		if (null >= 0) close(null);
	}
	close(at);
	return result;
}

int make_readonly(const char *path)
{
	int at = open_root(path);
	if (at < 0) return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -1;
	int tree = clone_tree(at, "");
	int result = tree < 0 || set_attributes(tree, ATTR_RDONLY, 1) < 0 ? -1 : move_tree(tree, at);
	if (tree >= 0) close(tree);
	close(at);
	return result;
}

/* Directories and files in a directory of ours; they become the lowest lower, so that mount points exist without a trace in the upper. */
int make_stub(const char *directory, const char *path, int is_file)
{
	char full[PATH_MAX];
	if (snprintf(full, sizeof full, "%s/%s", directory, path) >= (int)sizeof full) { errno = ENAMETOOLONG; return -1; }
	for (char *p = full + strlen(directory) + 1;; p++) {
		if (*p && *p != '/') continue;
		char end = *p;
		*p = 0;
		if (!end && is_file) {
			int fd = open(full, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
			if (fd < 0) return errno == EISDIR ? 0 : -1;
			close(fd);
		} else if (mkdir(full, 0755) < 0 && errno != EEXIST) return -1;
		if (!end) return 0;
		*p = end;
	}
}

/*
 * Makes `root_fd` the root of this mount namespace. pivot_root is refused in some containers; then the root is moved and
 * entered. Without a mount namespace of its own the step only gets another root.
 */
void enter_root(const struct process *p)
{
	if (fchdir(root_fd) < 0) die("enter the root");
	if (!(p->namespaces & CLONE_NEWNS)) {
		if (chroot(".") < 0) die("chroot");
	} else if (syscall(SYS_pivot_root, ".", ".") == 0) {
		if (umount2(".", MNT_DETACH) < 0) die("unmount the old root");
	} else {
		if (mount(".", "/", NULL, MS_MOVE, NULL) < 0) die("move the root into place");
		if (chroot(".") < 0) die("chroot");
	}
	if (chdir("/") < 0) die("enter the root");
}
