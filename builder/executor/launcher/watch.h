/* What the parts of the supervisor's answers share; answer.c says what they are for. */
#ifndef TSBUILD_WATCH_H
#define TSBUILD_WATCH_H

#include "launcher.h"
#include <sys/statfs.h>

/* linux/seccomp.h, linux/filter.h and linux/audit.h, which a C library for static programs may lack. */
struct call_data { int nr; uint32_t arch; uint64_t ip, args[6]; };
struct notice { uint64_t id; uint32_t pid, flags; struct call_data data; };
struct answer { uint64_t id; int64_t value; int32_t error; uint32_t flags; };
struct added_fd { uint64_t id; uint32_t flags, source, target, target_flags; };
#define NOTICE_RECEIVE _IOWR('!', 0, struct notice)
#define NOTICE_ANSWER _IOWR('!', 1, struct answer)
#define NOTICE_IS_VALID _IOW('!', 2, uint64_t)
#define NOTICE_ADD_FD _IOW('!', 3, struct added_fd)
#define NOTICE_SET_FLAGS _IOW('!', 4, uint64_t)
enum { CAP_CHROOT = 18 };
enum { GO_ON = 1, ADD_FD_AND_ANSWER = 2, SYNC_WAKE_UP = 1 };

/* A process that asks. Its memory and what its paths mean are read with its own rights. */
struct caller { pid_t tid; int mem; uid_t uid; gid_t gid; };

/* A path of a caller's, in the root: no link is left in it, and what comes after the last thing that is there is as it was said. */
struct place_found { char path[PATH_MAX]; int is_there, fd; }; /* fd: an O_PATH one of what is there, else -1 */

extern const struct watch *watch;
extern pid_t first_pid;
extern int proc_fd;

/* answer.c: each answer of the call is 0; or -1 when the step has to be ended (refuse) */
int fail(int error);
int give(int64_t value);
int go_on(void);
int refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
int give_fd(int fd, uint64_t flags);

/* answer-paths.c */
int answer_open(const struct caller *c, int dir, uint64_t path, uint64_t flags);
int answer_readlink(const struct caller *c, int dir, uint64_t path, uint64_t to, uint64_t size);
int answer_stat(const struct caller *c, int dir, uint64_t path, int follow, uint64_t to);
int answer_statx(const struct caller *c, const uint64_t *args);
int answer_access(const struct caller *c, int dir, uint64_t path, uint64_t mode);
int answer_statfs(const struct caller *c, uint64_t path, uint64_t to);
int answer_exec(const struct caller *c, int dir, uint64_t path);

/* caller.c */
int open_caller(struct caller *c, pid_t tid);
void close_caller(struct caller *c);
int become(uid_t uid, gid_t gid);
int read_memory(const struct caller *c, uint64_t at, void *to, size_t size);
int write_memory(const struct caller *c, uint64_t at, const void *from, size_t size);
int read_path(const struct caller *c, uint64_t at, char *to);
int find_place(const struct caller *c, int dir, const char *path, int follow, struct place_found *found);
void root_begin(const char *directory);
const char *below_root(const char *path);
int name_of(int fd, char *to);
int open_below_root(const char *path);
int open_process(pid_t pid);
int read_text(int process, const char *name, char *to, size_t size);
long status_value(int process, const char *name);
long status_of(pid_t pid, const char *name);

/* kernel-files.c: /proc. What gives a descriptor or a size gives -1 with errno, or GO_ON_UNASKED: the kernel finds what lies in the root. */
enum { GO_ON_UNASKED = -2 };
int is_kernel_path(const char *path);
int open_kernel_file(pid_t tid, const char *path, int flags);
int read_kernel_link(pid_t tid, const char *path, char *to, size_t size);
int list_processes(void);
void exe_alias(const struct caller *c, uint64_t at);

/* processes.c: which are the step's, and their ids as the step knows them */
pid_t shown_pid(pid_t pid);
pid_t shown_parent(pid_t pid, pid_t parent);
int is_of_step(int process);
pid_t group_of(pid_t tid);
uint64_t capabilities_of(pid_t tid, const char *name);
int copy_status(int process);
int copy_stat(int process);
int text_file(const char *text);

/* What a step without network believes to be a socket. `end` is its own, also held here; what is written to `far` it reads. */
struct stand_in { ino_t inode; int family, type, end, far; uint32_t port; };
struct netlink_address { uint16_t family, pad; uint32_t port, groups; };
/* The kernel's struct msghdr. */
struct vector_message { uint64_t name; uint32_t name_size, pad; uint64_t parts, count, control, control_size; uint32_t flags, pad_flags; };

/* network.c, links.c: a network with nothing but a loopback */
int refuse_network(const char *what);
int answer_socket(const uint64_t *args);
int answer_network(const struct caller *c, const struct call_data *call);
int network_file(int process, const char *name);
int answer_settings(const struct caller *c, const uint64_t *args);
uint32_t port_of(const struct stand_in *s, const struct caller *c);
int ask_kernel(const struct stand_in *s, const struct caller *c, const unsigned char *question, size_t size);

/* places.c: mounts that are none */
const struct place *place_of(const char *path);
uint64_t tree_bytes(const char *path);
int change_error(const struct caller *c, const struct call_data *call);
const struct place *overfull(void);

/* directories.c: their numbers of links */
void directories_begin(char **merged);
int is_merged(int fd, const char *path);

#endif
