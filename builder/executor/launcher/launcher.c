/*
 * tsbuild-launcher: starts one process in a sandbox.
 *
 *   tsbuild-launcher step                     reads a spec from fd 3, runs it, reports on fd 3
 *   tsbuild-launcher step SPEC REPORT         the same with files (a terminal leaves no room for fd 3)
 *   tsbuild-launcher userns MODE UIDS GIDS PROGRAM ARGS...
 *                                             becomes PROGRAM as root of a new user namespace
 *   tsbuild-launcher probe                    says what this process may do, one "name errno" a line
 *
 * The spec is a list of records (opcodes below); spec.ts writes it. What is mounted where, and which capabilities and
 * which seccomp program a step gets, is decided there. Here is only the mechanism, and no parser of any text.
 *
 * Three rules hold everywhere:
 *  - Whatever lies in the root was made by strangers. A path in it is opened with openat2(RESOLVE_IN_ROOT) and used as a
 *    file descriptor, so that no link in it leads out.
 *  - Everything is mounted in the step's own mount namespace. When its last process is gone, so are the mounts.
 *  - The step is pid 1 of its pid namespace. When it ends, or when this program or its parent dies, the kernel kills the rest.
 *
 * Needs Linux 5.12 (openat2, open_tree, mount_setattr). Written for musl and glibc, needs no kernel headers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- What older headers lack; numbers are the same on every architecture that Node 24 runs on. ---- */

#ifndef SYS_open_tree
#define SYS_open_tree 428
#endif
#ifndef SYS_move_mount
#define SYS_move_mount 429
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif

struct open_how_v0 { uint64_t flags, mode, resolve; };
struct mount_attr_v0 { uint64_t set, clear, propagation, userns_fd; };
struct filter_program { unsigned short length; void *instructions; };
struct cap_header { uint32_t version; int pid; };
struct cap_data { uint32_t effective, permitted, inheritable; };

enum {
	IN_ROOT = 0x10, BENEATH = 0x08, NO_SYMLINKS = 0x04, NO_MAGICLINKS = 0x02, /* openat2 resolve */
	TREE_CLONE = 1,                                                          /* open_tree */
	MOVE_EMPTY_PATHS = 0x04 | 0x40,                                          /* move_mount: F_EMPTY_PATH, T_EMPTY_PATH */
	ATTR_RDONLY = 1,                                                         /* mount_setattr */
	CAP_VERSION_3 = 0x20080522,
	SECCOMP_MODE_FILTER_SET = 1, SECCOMP_SPEC_ALLOW = 4,
	CLOSE_ON_EXEC_RANGE = 4,
	JOIN_SESSION_KEYRING = 1,
};

/* ---- The spec. spec.ts holds the same numbers. ---- */

enum op {
	OP_FLAGS = 1,     /* u32 namespaces (CLONE_NEW*), u32 enum step_flag */
	OP_HOSTNAME,      /* str */
	OP_STUB,          /* str directory (of ours, not in the root), str path in it, u32 is_file */
	OP_ROOT_BIND,     /* str source, str mount point */
	OP_ROOT_OVERLAY,  /* stack, str mount point */
	OP_BIND,          /* str source, str target, u64 attributes, u32 enum mount_flag */
	OP_OVERLAY,       /* stack, str staging mount point, str sub path, str target, u64 attributes, u32 enum mount_flag */
	OP_FS,            /* str type, str source, str target, u32 MS_ flags, str data, u32 enum mount_flag */
	OP_DEVICE,        /* str name below /dev, u32 major, u32 minor */
	OP_SYMLINK,       /* str link text, str path in the root */
	OP_MASK,          /* str path in the root; nothing there is no error */
	OP_READONLY,      /* str path in the root; nothing there is no error */
	OP_ROOT_READONLY, /* - */
	OP_CWD,           /* str */
	OP_USER,          /* u32 uid, u32 gid, u32 n, n x u32 groups */
	OP_CAPS,          /* u64 bounding set, u32 ambient too */
	OP_SECCOMP,       /* str, the bytes of struct sock_filter[] */
	OP_RLIMIT,        /* str name, u32 resource, u64 soft, u64 hard */
	OP_ENV,           /* u32 n, n x str */
	OP_ARGS,          /* u32 n, n x str */
	OP_CGROUP,        /* str directory whose cgroup.procs this process joins first */
	/* stack: str options, u32 n, n x str lowers (topmost first), str upper or "", str work or "" */
};

enum step_flag { STEP_LOOPBACK = 1, STEP_TERMINAL = 2, STEP_NEW_PRIVILEGES_OFF = 4, STEP_PIPES = 8 };
enum mount_flag {
	MOUNT_OPTIONAL = 1,  /* a failure is no error */
	MOUNT_ELSE = 2,      /* only when the record before failed */
	MOUNT_KEEP = 4,      /* a mount point made for it stays in the root (/dev, /proc, /sys) */
};

struct reader { const unsigned char *at, *end; };

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static const void *take(struct reader *r, size_t size)
{
	const void *p = r->at;
	if ((size_t)(r->end - r->at) < size) { errno = EPROTO; die("read the spec"); }
	r->at += size;
	return p;
}

static uint32_t take_u32(struct reader *r) { uint32_t v; memcpy(&v, take(r, sizeof v), sizeof v); return v; }
static uint64_t take_u64(struct reader *r) { uint64_t v; memcpy(&v, take(r, sizeof v), sizeof v); return v; }

/* A string with its length before and a NUL behind; stays where it is. */
static const char *take_bytes(struct reader *r, uint32_t *length)
{
	*length = take_u32(r);
	const char *s = take(r, (size_t)*length + 1);
	return s;
}

static const char *take_str(struct reader *r) { uint32_t ignored; return take_bytes(r, &ignored); }

static char **take_list(struct reader *r)
{
	uint32_t n = take_u32(r);
	if (n > 1u << 20) { errno = EPROTO; die("read the spec"); }
	char **list = calloc((size_t)n + 1, sizeof *list);
	if (!list) die("read the spec");
	for (uint32_t i = 0; i < n; i++) list[i] = (char *)(uintptr_t)take_str(r);
	return list;
}

/* ---- Reports: one byte of kind, u32 value, u32 length, text. ---- */

static int report_fd = 3;

/* Kinds: 'E' set-up failed (errno, what was tried), 'N' program cannot be started (errno, message), 'X' ended (wait status). */
static void report(char kind, uint32_t value, const char *text)
{
	char frame[1024];
	uint32_t length = (uint32_t)strnlen(text, sizeof frame - 9);
	frame[0] = kind;
	memcpy(frame + 1, &value, 4);
	memcpy(frame + 5, &length, 4);
	memcpy(frame + 9, text, length);
	ssize_t written = write(report_fd, frame, 9 + length);
	(void)written; /* nobody is left to be told */
}

/* Reports what was tried, with errno, and ends. The parent puts errno into words. */
static void die(const char *format, ...)
{
	int saved = errno;
	char text[900];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	report('E', (uint32_t)saved, text);
	_exit(125);
}

/* ---- Paths in the root ---- */

static int root_fd = -1;

static int open_in(int dir, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how_v0 how = { .flags = flags | O_CLOEXEC, .resolve = resolve | NO_MAGICLINKS };
	return (int)syscall(SYS_openat2, dir, *path ? path : ".", &how, sizeof how);
}

static int open_root(const char *path) { return open_in(root_fd, path, O_PATH, IN_ROOT); }

/* What had to be made in the root, shared with the supervisor, which takes it away again. */
struct made { uint32_t path, is_file; struct timespec before[2], after; };
static struct { uint32_t count, used; struct made entry[256]; char text[256 * 256]; } *made_list;

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
static int open_or_make(const char *path, int is_file, int keep, const uid_t *owner)
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
static void remove_made(const char *base)
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

/* ---- Mounts ---- */

struct stack { const char *options; char **lowers; const char *upper, *work; };

static struct stack take_stack(struct reader *r)
{
	struct stack s = { .options = take_str(r) };
	s.lowers = take_list(r);
	s.upper = take_str(r);
	s.work = take_str(r);
	return s;
}

/*
 * Mounts an overlay. mount(2) takes one page of options, so the directories are opened and named by descriptor, as
 * "lowerdir=5:6:7" seen from /proc/self/fd: 500 lowers, the kernel's limit, fit, and no character in a path matters.
 */
static int mount_overlay(const struct stack *s, const char *mount_point)
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

static int set_attributes(int tree, uint64_t attributes, int recursive)
{
	struct mount_attr_v0 attr = { .set = attributes };
	if (!attributes) return 0;
	return (int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | (recursive ? 0x8000 /* AT_RECURSIVE */ : 0), &attr, sizeof attr);
}

static int clone_tree(int dir, const char *path)
{
	return (int)syscall(SYS_open_tree, dir, path, TREE_CLONE | O_CLOEXEC | 0x8000 /* AT_RECURSIVE */ | AT_EMPTY_PATH);
}

static int move_tree(int tree, int target) { return (int)syscall(SYS_move_mount, tree, "", target, "", MOVE_EMPTY_PATHS); }

/* Puts a detached tree on a path of the root. */
static int place_tree(int tree, const char *target, uint64_t attributes, uint32_t flags)
{
	struct stat st;
	if (tree < 0 || fstat(tree, &st) < 0 || set_attributes(tree, attributes, 1) < 0) return -1;
	int at = open_or_make(target, !S_ISDIR(st.st_mode), flags & MOUNT_KEEP, NULL);
	int result = at < 0 ? -1 : move_tree(tree, at);
	int saved = errno;
	if (at >= 0) close(at);
	close(tree);
	errno = saved;
	return result;
}

static int bind_host(const char *source, const char *target, uint64_t attributes, uint32_t flags)
{
	return place_tree(clone_tree(AT_FDCWD, source), target, attributes, flags);
}

/* Mounts a stack, cuts out one path of it, links resolved inside the stack, and puts that into the root. */
static int bind_overlay(const struct stack *s, const char *staging, const char *sub_path, const char *target, uint64_t attributes, uint32_t flags)
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

static int mount_fs(const char *type, const char *source, const char *target, uint32_t ms, const char *data, uint32_t flags)
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
static int make_device(const char *name, uint32_t major_number, uint32_t minor_number)
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
static int mask(const char *path)
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

static int make_readonly(const char *path)
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
static int make_stub(const char *directory, const char *path, int is_file)
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

/* Makes `root_fd` the root of this mount namespace. pivot_root is refused in some containers; then the root is moved and entered. */
static void enter_root(void)
{
	if (fchdir(root_fd) < 0) die("enter the root");
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		if (umount2(".", MNT_DETACH) < 0) die("unmount the old root");
	} else {
		if (mount(".", "/", NULL, MS_MOVE, NULL) < 0) die("move the root into place");
		if (chroot(".") < 0) die("chroot");
	}
	if (chdir("/") < 0) die("enter the root");
}

/* ---- The process ---- */

struct process {
	const char *cwd, *hostname;
	char **args, **env;
	uint32_t namespaces, flags, uid, gid, group_count;
	gid_t *groups;
	uint64_t caps;
	int set_caps, ambient;
	struct filter_program seccomp;
	const char *clean_base; /* where remove_made works: upper, or root directory */
	const char *cgroup;
};

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0) die("bring the loopback interface up");
	close(fd);
}

static uint64_t permitted_caps(void)
{
	struct cap_header header = { CAP_VERSION_3, 0 };
	struct cap_data data[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	if (syscall(SYS_capget, &header, data) < 0) die("read the capabilities");
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

/*
 * Groups, seccomp, ids, capabilities, in the one order that works: the filter without no_new_privs needs CAP_SYS_ADMIN, and
 * a changed uid loses everything. A user that is not root keeps no capability but the bounding set, as with runc.
 */
static void drop_privileges(const struct process *p)
{
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

static void refuse_program(const char *name, int error, const char *format, const char *argument)
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
static void execute(char **args, char **env)
{
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
	execve(program, args, env);
	int error = errno;
	refuse_program(args[0], error, "%s", strerror(error));
}

/* Pid 1 of the step: mounts, enters, drops, becomes the program. Never returns. */
static void run_child(struct process *p, struct reader records, int parent_gone)
{
	int failed = 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	struct pollfd gone = { .fd = parent_gone, .events = POLLIN };
	if (poll(&gone, 1, 0) > 0) _exit(125);
	umask(0);
	if (chdir("/") < 0) die("enter /");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) die("make the mounts private");
	while (records.at < records.end) {
		uint32_t op = take_u32(&records);
		int was_failed = failed;
		failed = 0;
		switch (op) {
		case OP_FLAGS: take_u32(&records); take_u32(&records); break;
		case OP_HOSTNAME: {
			const char *name = take_str(&records);
			if (sethostname(name, strlen(name)) < 0) die("set the host name");
			break;
		}
		case OP_STUB: {
			const char *directory = take_str(&records), *path = take_str(&records);
			uint32_t is_file = take_u32(&records);
			if (make_stub(directory, path, (int)is_file) < 0) die("make \"%s/%s\"", directory, path);
			break;
		}
		case OP_ROOT_BIND: {
			const char *source = take_str(&records), *mount_point = take_str(&records);
			int tree = clone_tree(AT_FDCWD, source), at = open(mount_point, O_PATH | O_DIRECTORY | O_CLOEXEC);
			if (tree < 0 || at < 0 || move_tree(tree, at) < 0) die("bind \"%s\" as root", source);
			close(tree);
			close(at);
			if ((root_fd = open(mount_point, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) die("open the root");
			break;
		}
		case OP_ROOT_OVERLAY: {
			struct stack s = take_stack(&records);
			const char *mount_point = take_str(&records);
			if (mount_overlay(&s, mount_point) < 0) die("mount overlay on \"%s\"", mount_point);
			if ((root_fd = open(mount_point, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) die("open the root");
			break;
		}
		case OP_BIND: {
			const char *source = take_str(&records), *target = take_str(&records);
			uint64_t attributes = take_u64(&records);
			uint32_t flags = take_u32(&records);
			if (flags & MOUNT_ELSE && !was_failed) break;
			failed = bind_host(source, target, attributes, flags) < 0;
			if (failed && !(flags & MOUNT_OPTIONAL)) die("bind \"%s\" on \"%s\"", source, target);
			break;
		}
		case OP_OVERLAY: {
			struct stack s = take_stack(&records);
			const char *staging = take_str(&records), *sub_path = take_str(&records), *target = take_str(&records);
			uint64_t attributes = take_u64(&records);
			uint32_t flags = take_u32(&records);
			if (bind_overlay(&s, staging, sub_path, target, attributes, flags) < 0) die("mount \"%s\" of another stage on \"%s\"", sub_path, target);
			break;
		}
		case OP_FS: {
			const char *type = take_str(&records), *source = take_str(&records), *target = take_str(&records);
			uint32_t ms = take_u32(&records);
			const char *data = take_str(&records);
			uint32_t flags = take_u32(&records);
			if (flags & MOUNT_ELSE && !was_failed) break;
			failed = mount_fs(type, source, target, ms, data, flags) < 0;
			if (failed && !(flags & MOUNT_OPTIONAL)) die("mount %s on \"%s\"", type, target);
			break;
		}
		case OP_DEVICE: {
			const char *name = take_str(&records);
			uint32_t major_number = take_u32(&records), minor_number = take_u32(&records);
			if (make_device(name, major_number, minor_number) < 0) die("make /dev/%s", name);
			break;
		}
		case OP_SYMLINK: {
			const char *text = take_str(&records), *path = take_str(&records);
			const char *slash = strrchr(path, '/');
			char parent[PATH_MAX];
			snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - path) : 0, path);
			int dir = open_root(parent);
			if (dir < 0 || symlinkat(text, dir, slash ? slash + 1 : path) < 0) die("make the link \"%s\"", path);
			close(dir);
			break;
		}
		case OP_MASK: {
			const char *path = take_str(&records);
			if (mask(path) < 0) die("mask \"%s\"", path);
			break;
		}
		case OP_READONLY: {
			const char *path = take_str(&records);
			if (make_readonly(path) < 0) die("make \"%s\" read-only", path);
			break;
		}
		case OP_ROOT_READONLY:
			if (set_attributes(root_fd, ATTR_RDONLY, 0) < 0) die("make the root read-only");
			break;
		case OP_CWD: {
			/* Made where it is missing, and owned by the user, as BuildKit does; it stays. */
			const char *path = take_str(&records);
			uid_t owner[2] = { p->uid, p->gid };
			int fd = open_or_make(path, 0, 1, owner);
			if (fd < 0) die("make the working directory \"%s\"", path);
			close(fd);
			break;
		}
		case OP_RLIMIT: {
			const char *name = take_str(&records);
			uint32_t resource = take_u32(&records);
			struct rlimit limit = { .rlim_cur = take_u64(&records) };
			limit.rlim_max = take_u64(&records);
			if (setrlimit((int)resource, &limit) < 0) die("set the ulimit \"%s\"", name);
			break;
		}
		case OP_USER: take_u32(&records); take_u32(&records); for (uint32_t n = take_u32(&records); n > 0; n--) take_u32(&records); break;
		case OP_CAPS: take_u64(&records); take_u32(&records); break;
		case OP_SECCOMP: case OP_CGROUP: take_str(&records); break;
		case OP_ENV: case OP_ARGS: for (uint32_t n = take_u32(&records); n > 0; n--) take_str(&records); break;
		default: errno = EPROTO; die("read the spec: opcode %u", op);
		}
	}
	if (p->flags & STEP_LOOPBACK) loopback_up();
	syscall(SYS_keyctl, JOIN_SESSION_KEYRING, NULL, 0, 0, 0); /* the builder's keys are not the step's; no keyrings, no need */
	if (p->flags & STEP_TERMINAL) {
		if (bind_host("/proc/self/fd/0", "dev/console", 0, 0) < 0) die("bind the terminal on /dev/console");
	}
	enter_root();
	/* From here on no descriptor leads out of the root but the report's, which is no file. */
	close(root_fd);
	if (report_fd != 3) { if (dup3(report_fd, 3, O_CLOEXEC) < 0) die("keep the report"); report_fd = 3; }
	syscall(SYS_close_range, 4, ~0U, 0);
	if (fcntl(report_fd, F_SETFD, FD_CLOEXEC) < 0) die("keep the report");
	setsid();
	if (p->flags & STEP_TERMINAL && ioctl(0, TIOCSCTTY, 0) < 0) die("take the terminal");
	int cwd = open_in(AT_FDCWD, p->cwd, O_PATH | O_DIRECTORY, 0);
	if (cwd < 0 || fchdir(cwd) < 0) die("enter the working directory \"%s\"", p->cwd);
	close(cwd);
	drop_privileges(p);
	umask(0022);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* the change of user cleared it */
	execute(p->args, p->env);
}

/* The parts of the spec that both processes need. */
static struct process read_process(struct reader r)
{
	struct process p = { .cwd = "/", .clean_base = "" };
	while (r.at < r.end) {
		uint32_t op = take_u32(&r), length;
		switch (op) {
		case OP_FLAGS: p.namespaces = take_u32(&r); p.flags = take_u32(&r); break;
		case OP_HOSTNAME: p.hostname = take_str(&r); break;
		case OP_STUB: take_str(&r); take_str(&r); take_u32(&r); break;
		case OP_ROOT_BIND: p.clean_base = take_str(&r); take_str(&r); break;
		case OP_ROOT_OVERLAY: p.clean_base = take_stack(&r).upper; take_str(&r); break;
		case OP_BIND: take_str(&r); take_str(&r); take_u64(&r); take_u32(&r); break;
		case OP_OVERLAY: take_stack(&r); take_str(&r); take_str(&r); take_str(&r); take_u64(&r); take_u32(&r); break;
		case OP_FS: take_str(&r); take_str(&r); take_str(&r); take_u32(&r); take_str(&r); take_u32(&r); break;
		case OP_DEVICE: take_str(&r); take_u32(&r); take_u32(&r); break;
		case OP_SYMLINK: take_str(&r); take_str(&r); break;
		case OP_MASK: case OP_READONLY: take_str(&r); break;
		case OP_ROOT_READONLY: break;
		case OP_CWD: p.cwd = take_str(&r); break;
		case OP_USER:
			p.uid = take_u32(&r);
			p.gid = take_u32(&r);
			p.group_count = take_u32(&r);
			if (p.group_count > 65536 || !(p.groups = calloc(p.group_count + 1, sizeof *p.groups))) { errno = EPROTO; die("read the spec"); }
			for (uint32_t i = 0; i < p.group_count; i++) p.groups[i] = take_u32(&r);
			break;
		case OP_CAPS: p.caps = take_u64(&r); p.ambient = (int)take_u32(&r); break;
		case OP_SECCOMP:
			p.seccomp.instructions = (void *)(uintptr_t)take_bytes(&r, &length);
			p.seccomp.length = (unsigned short)(length / 8);
			break;
		case OP_RLIMIT: take_str(&r); take_u32(&r); take_u64(&r); take_u64(&r); break;
		case OP_ENV: p.env = take_list(&r); break;
		case OP_ARGS: p.args = take_list(&r); break;
		case OP_CGROUP: p.cgroup = take_str(&r); break;
		default: errno = EPROTO; die("read the spec: opcode %u", op);
		}
	}
	if (!p.args || !p.args[0] || !p.env) { errno = EPROTO; die("read the spec: no program"); }
	return p;
}

/* The spec's length (u32) and bytes. */
static struct reader read_spec(int fd)
{
	uint32_t length = 0, got = 0;
	if (read(fd, &length, 4) != 4 || length > 64u << 20) { errno = EPROTO; die("read the spec"); }
	unsigned char *bytes = malloc((size_t)length + 1);
	if (!bytes) die("read the spec");
	while (got < length) {
		ssize_t n = read(fd, bytes + got, length - got);
		if (n < 0 && errno == EINTR) continue;
		if (n <= 0) { errno = EPROTO; die("read the spec"); }
		got += (uint32_t)n;
	}
	return (struct reader){ bytes, bytes + length };
}

/*
 * Output of a step. Node's "pipes" are sockets, and a socket cannot be opened again as /dev/stdout; so the step gets true
 * pipes, and this program moves their bytes on.
 */
struct stream { int pipe[2], to, blocked; };

static void open_stream(struct stream *s, int to, const struct process *p)
{
	if (pipe2(s->pipe, O_CLOEXEC) < 0) die("make a pipe");
	/* A user that is not root must be able to open /dev/stdout too. */
	if (p->uid != 0 && fchown(s->pipe[1], p->uid, p->gid) < 0) die("give the output to user %u", p->uid);
	s->to = fcntl(to, F_DUPFD_CLOEXEC, 4);
	if (s->to < 0 || fcntl(s->to, F_SETFL, O_NONBLOCK) < 0 || fcntl(s->pipe[0], F_SETFL, O_NONBLOCK) < 0) die("make a pipe");
	s->blocked = 0;
}

static void close_stream(struct stream *s)
{
	close(s->pipe[0]);
	s->pipe[0] = -1;
}

/* Moves what there is; at the end of the pipe, or when nobody listens any more, closes it. */
static void pump(struct stream *s)
{
	for (;;) {
		ssize_t moved = splice(s->pipe[0], NULL, s->to, NULL, 1 << 20, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (moved > 0 || (moved < 0 && errno == EINTR)) continue;
		if (moved < 0 && errno == EAGAIN) {
			/* Either side may be the reason: with bytes waiting it is the receiver. */
			int waiting = 0;
			s->blocked = ioctl(s->pipe[0], FIONREAD, &waiting) == 0 && waiting > 0;
			return;
		}
		close_stream(s);
		return;
	}
}

static void join_cgroup(const char *directory)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/cgroup.procs", directory);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1) die("join the cgroup \"%s\"", directory);
	close(fd);
}

/* Starts the step and stays beside it: kills it when the parent goes or says so, tidies up, and reports how it ended. */
static int run_step(const char *spec_path, const char *report_path)
{
	int spec_fd = 3, lifeline[2], status = 0, stopped = 0;
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	if (spec_path) {
		report_fd = open(report_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		spec_fd = open(spec_path, O_RDONLY | O_CLOEXEC);
		if (spec_fd < 0) die("open \"%s\"", spec_path);
	}
	struct reader records = read_spec(spec_fd);
	struct process p = read_process(records);
	made_list = mmap(NULL, sizeof *made_list, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (made_list == MAP_FAILED || pipe2(lifeline, O_CLOEXEC) < 0) die("start");
	if (p.cgroup) join_cgroup(p.cgroup);
	setsid(); /* a Ctrl-C at the terminal is the parent's to handle */
	if (p.flags & STEP_TERMINAL) {
		signal(SIGHUP, SIG_IGN);
		ioctl(0, TIOCNOTTY); /* so that the step can take it */
	}
	sigset_t watched, old;
	sigemptyset(&watched);
	const int signals[] = { SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP };
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaddset(&watched, signals[i]);
	sigprocmask(SIG_BLOCK, &watched, &old);
	int signal_fd = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
	struct stream streams[2] = { { .pipe = { -1, -1 } }, { .pipe = { -1, -1 } } };
	if (p.flags & STEP_PIPES) for (int i = 0; i < 2; i++) open_stream(&streams[i], i + 1, &p);
	pid_t child = (pid_t)syscall(SYS_clone, (unsigned long)p.namespaces | SIGCHLD, 0, 0, 0, 0);
	if (child < 0) die("create the namespaces");
	if (child == 0) {
		const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE };
		for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_DFL);
		sigprocmask(SIG_SETMASK, &old, NULL);
		close(lifeline[1]);
		if (p.flags & STEP_PIPES) for (int i = 0; i < 2; i++) if (dup2(streams[i].pipe[1], i + 1) < 0) die("hand over the output");
		run_child(&p, records, lifeline[0]);
	}
	close(lifeline[0]);
	if (p.flags & STEP_PIPES) for (int i = 0; i < 2; i++) close(streams[i].pipe[1]);
	for (int running = 1; running || streams[0].pipe[0] >= 0 || streams[1].pipe[0] >= 0;) {
		struct pollfd fds[4] = { { .fd = signal_fd, .events = POLLIN }, { .fd = spec_path || stopped ? -1 : spec_fd, .events = POLLIN } };
		for (int i = 0; i < 2; i++) {
			int blocked = streams[i].pipe[0] >= 0 && streams[i].blocked;
			fds[2 + i] = (struct pollfd){ .fd = blocked ? streams[i].to : streams[i].pipe[0], .events = blocked ? POLLOUT : POLLIN };
		}
		if (poll(fds, 4, -1) < 0 && errno != EINTR) break;
		struct signalfd_siginfo info;
		while (read(signal_fd, &info, sizeof info) == sizeof info) {
			if (info.ssi_signo == SIGCHLD || (info.ssi_signo == SIGHUP && p.flags & STEP_TERMINAL)) continue;
			if (running) kill(child, SIGKILL);
		}
		if (fds[1].fd >= 0 && fds[1].revents) {
			/* The parent has gone: nobody reads on. */
			stopped = 1;
			if (running) kill(child, SIGKILL);
			for (int i = 0; i < 2; i++) if (streams[i].pipe[0] >= 0) close_stream(&streams[i]);
		}
		for (int i = 0; i < 2; i++) if (streams[i].pipe[0] >= 0 && fds[2 + i].revents) pump(&streams[i]);
		if (running && waitpid(child, &status, WNOHANG) == child) running = 0;
	}
	if (*p.clean_base) remove_made(p.clean_base);
	report('X', (uint32_t)status, "");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- userns: PROGRAM as root of a new user and mount namespace ---- */

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

/*
 * MODE "helpers": UIDS and GIDS are written by newuidmap and newgidmap, which a child of ours runs from outside.
 * MODE "self": one id each, written by ourselves; setgroups must then be given up for good.
 */
static int enter_user_namespace(char **argv)
{
	const char *uids = argv[1], *gids = argv[2];
	int helpers = !strcmp(argv[0], "helpers"), ready[2], status = 0;
	pid_t self = getpid(), helper = 0;
	char byte = 0;
	if (pipe2(ready, O_CLOEXEC) < 0) say("pipe");
	if (helpers && (helper = fork()) == 0) {
		close(ready[1]);
		if (read(ready[0], &byte, 1) != 1) _exit(77);
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

/* ---- probe ---- */

/* Runs one check in a child and prints its name and errno, 0 for success. */
static int check(const char *name, int (*attempt)(void))
{
	int status = 0;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) _exit(attempt() < 0 ? (errno ? errno & 255 : 255) : 0);
	if (child < 0 || waitpid(child, &status, 0) != child) status = EAGAIN << 8;
	printf("%s %d\n", name, WIFEXITED(status) ? WEXITSTATUS(status) : 255);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int own_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return -1;
	return mount("tmpfs", "/tmp", "tmpfs", 0, "mode=0755") < 0 || mkdir("/tmp/a", 0755) < 0 || mkdir("/tmp/b", 0755) < 0 || mkdir("/tmp/c", 0755) < 0 ? -1 : 0;
}

static int try_user_namespace(void) { return unshare(CLONE_NEWUSER); }
static int try_namespaces(void) { return unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS); }
static int try_network(void) { return unshare(CLONE_NEWNET); }
static int try_mounts(void) { return own_mounts(); }

static int try_overlay(void)
{
	if (own_mounts() < 0) return -1;
	if (mount("overlay", "/tmp/c", "overlay", 0, "lowerdir=/tmp/a:/tmp/b") == 0) return 0;
	return mount("overlay", "/tmp/c", "overlay", 0, "lowerdir=/tmp/a:/tmp/b,userxattr");
}

static int try_mount_api(void)
{
	if (own_mounts() < 0) return -1;
	int tree = clone_tree(AT_FDCWD, "/tmp/a"), at = open_in(AT_FDCWD, "/tmp/b", O_PATH, 0);
	return tree < 0 || at < 0 || set_attributes(tree, ATTR_RDONLY, 1) < 0 ? -1 : move_tree(tree, at);
}

static int try_proc(void)
{
	int status = 0;
	if (own_mounts() < 0 || unshare(CLONE_NEWPID) < 0) return -1;
	pid_t child = fork();
	if (child == 0) _exit(mount("proc", "/tmp/a", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ? errno & 255 : 0);
	if (child < 0 || waitpid(child, &status, 0) != child) return -1;
	errno = WEXITSTATUS(status);
	return errno ? -1 : 0;
}

static int try_seccomp(void)
{
	struct { uint16_t code; uint8_t jt, jf; uint32_t k; } allow = { 6, 0, 0, 0x7fff0000 };
	struct filter_program program = { 1, &allow };
	return (int)syscall(SYS_seccomp, SECCOMP_MODE_FILTER_SET, SECCOMP_SPEC_ALLOW, &program);
}

/* All of it in one child: namespaces cost milliseconds to tear down, and mostly everything works. */
static int try_everything(void)
{
	int status = 0;
	if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return -1;
	pid_t child = fork();
	if (child == 0) {
		int tree = clone_tree(AT_FDCWD, "/proc/self/fd"), at;
		_exit(mount("tmpfs", "/tmp", "tmpfs", 0, "mode=0755") < 0 || mkdir("/tmp/a", 0755) < 0 || mkdir("/tmp/b", 0755) < 0 || mkdir("/tmp/c", 0755) < 0 ||
		      (mount("overlay", "/tmp/c", "overlay", 0, "lowerdir=/tmp/a:/tmp/b") < 0 && mount("overlay", "/tmp/c", "overlay", 0, "lowerdir=/tmp/a:/tmp/b,userxattr") < 0) ||
		      mount("proc", "/tmp/a", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 || tree < 0 || set_attributes(tree, ATTR_RDONLY, 1) < 0 ||
		      (at = open_in(AT_FDCWD, "/tmp/b", O_PATH, 0)) < 0 || move_tree(tree, at) < 0 || try_seccomp() < 0);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? 0 : -1;
}

static int probe(void)
{
	if (check("everything", try_everything)) return 0;
	check("user-namespace", try_user_namespace);
	if (check("namespaces", try_namespaces)) {
		check("network", try_network);
		check("mount", try_mounts);
		check("overlay", try_overlay);
		check("mount-api", try_mount_api);
		check("proc", try_proc);
		check("seccomp", try_seccomp);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "step")) return run_step(NULL, NULL);
	if (argc == 4 && !strcmp(argv[1], "step")) return run_step(argv[2], argv[3]);
	if (argc >= 6 && !strcmp(argv[1], "userns")) return enter_user_namespace(argv + 2);
	if (argc == 2 && !strcmp(argv[1], "probe")) return probe();
	fprintf(stderr, "tsbuild-launcher: part of tsbuild, started by it\n");
	return 64;
}
