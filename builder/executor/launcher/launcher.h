/* What the parts of the launcher share; launcher.c says what it is. */
#ifndef TSBUILD_LAUNCHER_H
#define TSBUILD_LAUNCHER_H

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
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
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
	OP_ROOT_DIRECTORY, /* str directory: the root as it is, where nothing can be mounted */
	OP_WATCH,         /* str host name, str what /proc/mounts says, u32 enum watch_flag, u32 n, n x (str path, u32 read-only, u64 size or 0) */
	OP_MERGED,        /* u32 n, n x str directory below the root that several layers have */
	/* stack: str options, u32 n, n x str lowers (topmost first), str upper or "", str work or "" */
};

enum step_flag { STEP_LOOPBACK = 1, STEP_TERMINAL = 2, STEP_NEW_PRIVILEGES_OFF = 4, STEP_PIPES = 8 };
enum mount_flag {
	MOUNT_OPTIONAL = 1,  /* a failure is no error */
	MOUNT_ELSE = 2,      /* only when the record before failed */
	MOUNT_KEEP = 4,      /* a mount point made for it stays in the root (/dev, /proc, /sys) */
};

struct reader { const unsigned char *at, *end; };
struct stack { const char *options; char **lowers; const char *upper, *work; };

enum watch_flag { WATCH_NO_NETWORK = 1, WATCH_SHOW_CHROOT = 2 /* CAP_SYS_CHROOT, which no step has there */ };
/* What lies where a mount would be. */
struct place { const char *path; uint32_t readonly; uint64_t size; };
/* What a step is told by its supervisor instead of the kernel, where nothing can be mounted. */
struct watch {
	const char *hostname, *mounts;
	uint32_t flags, count;
	struct place *places;
};

/* The parts of the spec that supervisor and step both need. */
struct process {
	const char *cwd, *hostname;
	char **args, **env;
	uint32_t namespaces, flags, uid, gid, group_count;
	gid_t *groups;
	uint64_t caps;
	int set_caps, ambient;
	struct filter_program seccomp;
	const char *clean_base; /* where remove_made works: upper, or root directory */
	const char *cgroups[16]; /* with version 1 one a hierarchy */
	uint32_t cgroup_count;
	const char *root_directory;
	char **merged; /* NULL, or directories below the root, ended by a NULL */
	struct watch *watch; /* NULL: nobody answers the step's system calls but the kernel */
};

/* What had to be made in the root, shared with the supervisor, which takes it away again. */
struct made { uint32_t path, is_file; struct timespec before[2], after; };
struct made_list { uint32_t count, used; struct made entry[256]; char text[256 * 256]; };

/* spec.c: reading the spec, and reporting back */
extern int report_fd;
void report(char kind, uint32_t value, const char *text);
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
struct reader read_spec(int fd);
struct process read_process(struct reader r);
uint32_t take_u32(struct reader *r);
uint64_t take_u64(struct reader *r);
const char *take_str(struct reader *r);
struct stack take_stack(struct reader *r);

/* root.c: paths that strangers made */
extern int root_fd;
extern struct made_list *made_list;
int open_in(int dir, const char *path, uint64_t flags, uint64_t resolve);
int open_root(const char *path);
int open_or_make(const char *path, int is_file, int keep, const uid_t *owner);
void remove_made(const char *base);

/* mounts.c */
int mount_overlay(const struct stack *s, const char *mount_point);
int set_attributes(int tree, uint64_t attributes, int recursive);
int clone_tree(int dir, const char *path);
int move_tree(int tree, int target);
int bind_host(const char *source, const char *target, uint64_t attributes, uint32_t flags);
int bind_overlay(const struct stack *s, const char *staging, const char *sub_path, const char *target, uint64_t attributes, uint32_t flags);
int mount_fs(const char *type, const char *source, const char *target, uint32_t ms, const char *data, uint32_t flags);
int make_device(const char *name, uint32_t major_number, uint32_t minor_number);
int mask(const char *path);
int make_readonly(const char *path);
int make_stub(const char *directory, const char *path, int is_file);
void enter_root(const struct process *p);

/* process.c: from root of everything to the program */
void loopback_up(void);
void drop_privileges(const struct process *p, int channel);
void execute(const struct process *p) __attribute__((noreturn));

/* filter.c: which system calls of a step its supervisor answers */
int install_filter(const struct watch *watch);
void send_listener(int channel, int listener);
int receive_listener(int channel);

/* answer.c: the answers. Both return 0 when the step may go on, else it has to be ended: `refusal` says why. */
struct refusal { int again; char text[600]; };
extern struct refusal refusal;
void watch_begin(const struct process *p, pid_t first);
int watch_answer(int listener);
int watch_end(void);

/* streams.c */
struct stream { int pipe[2], to, blocked; };
void open_stream(struct stream *s, int to);
void close_stream(struct stream *s);
void pump(struct stream *s);

/* step.c, userns.c, probe.c: the three modes */
int run_step(const char *spec_path, const char *report_path);
int enter_user_namespace(char **argv);
int probe(void);

#endif
