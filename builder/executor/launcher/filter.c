/*
 * The filter of a step's system calls where nothing can be mounted: those that its supervisor answers. The container's own
 * filter lies below it. It takes no_new_privs: nothing else may load a filter without CAP_SYS_ADMIN.
 */
#include "watch.h"
#include <stddef.h>

struct instruction { uint16_t code; uint8_t yes, no; uint32_t k; };

enum {
	LOAD = 0x20, AND = 0x54, JUMP_EQUAL = 0x15, JUMP_NOT_LESS = 0x35, JUMP_ANY_BIT = 0x45, RETURN = 0x06,
	ALLOWED = 0x7fff0000, ASKED = 0x7fc00000, FAILED = 0x00050000,
	NEW_LISTENER = 8, WAIT_KILLABLE = 32,
	READ_BOUNDING_SET = 23, READ_NO_NEW_PRIVS = 39,
	EMPTY_PATH = 0x1000,
	/* How the filter itself is handed over, before anybody can answer; what means nothing when sending. */
	HANDING_OVER = MSG_CMSG_CLOEXEC,
};
#define KILLED 0x80000000U

#if defined __x86_64__
#define OWN_ARCH 0xc000003eU
#else
#define OWN_ARCH 0xc00000b7U
#endif

static const int ASKED_ALWAYS[] = {
	SYS_openat, SYS_openat2, SYS_readlinkat, SYS_statx, SYS_faccessat, SYS_faccessat2, SYS_execve, SYS_execveat, SYS_statfs,
	SYS_uname, SYS_getpid, SYS_gettid, SYS_getppid, SYS_getpgid, SYS_getsid, SYS_kill, SYS_tkill, SYS_tgkill, SYS_chroot, SYS_capget,
#if defined __x86_64__
	SYS_open, SYS_creat, SYS_readlink, SYS_stat, SYS_lstat, SYS_access, SYS_getpgrp,
#endif
};

/* Asked where something is read-only or of limited size. */
static const int ASKED_FOR_PLACES[] = {
	SYS_mkdirat, SYS_unlinkat, SYS_renameat2, SYS_linkat, SYS_symlinkat, SYS_mknodat, SYS_fchmodat, SYS_fchownat,
	SYS_utimensat, SYS_truncate, SYS_ftruncate, SYS_setxattr, SYS_lsetxattr, SYS_removexattr, SYS_lremovexattr,
#if defined SYS_renameat
	SYS_renameat,
#endif
#if defined __x86_64__
	SYS_mkdir, SYS_rmdir, SYS_unlink, SYS_rename, SYS_link, SYS_symlink, SYS_mknod, SYS_chmod, SYS_chown, SYS_lchown,
	SYS_utime, SYS_utimes, SYS_futimesat,
#endif
};

/* Asked where there is no network. Settings of a protocol (setsockopt) are taken there and mean nothing. */
static const int ASKED_WITHOUT_NETWORK[] = {
	SYS_socket, SYS_socketpair, SYS_connect, SYS_bind, SYS_listen, SYS_getsockname, SYS_sendto, SYS_sendmsg, SYS_sendmmsg,
	SYS_recvfrom, SYS_recvmsg, SYS_recvmmsg,
};

/* Calls that go around those that are asked for; Docker's own filter allows none of them either. */
static const int NOT_THERE[] = { 425, 426, 427 }; /* io_uring_setup, _enter, _register */

static struct instruction program[256];
static unsigned short length;

static void add(uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
	program[length++] = (struct instruction){ code, yes, no, k };
}

static void add_calls(const int *calls, size_t count, uint32_t result)
{
	for (size_t i = 0; i < count; i++) {
		add(JUMP_EQUAL, (uint32_t)calls[i], 0, 1);
		add(RETURN, result, 0, 0);
	}
}

/* What an argument says decides: `call`'s argument `number` compared as `test` with k. Nothing follows it but the next call. */
static void add_tested(int call, int number, uint16_t test, uint32_t k, uint32_t then)
{
	add(JUMP_EQUAL, (uint32_t)call, 0, 4);
	add(LOAD, (uint32_t)(offsetof(struct call_data, args) + 8 * (size_t)number), 0, 0);
	add(test, k, 0, 1);
	add(RETURN, then, 0, 0);
	add(LOAD, offsetof(struct call_data, nr), 0, 0);
}

static void add_without_network(void)
{
	add_tested(SYS_sendmsg, 2, JUMP_EQUAL, HANDING_OVER, ALLOWED);
	add_calls(ASKED_WITHOUT_NETWORK, sizeof ASKED_WITHOUT_NETWORK / sizeof *ASKED_WITHOUT_NETWORK, ASKED);
	add(JUMP_EQUAL, SYS_ioctl, 0, 5);
	add(LOAD, offsetof(struct call_data, args) + 8, 0, 0);
	add(AND, 0xff00, 0, 0);
	add(JUMP_EQUAL, 0x8900, 0, 1); /* SIOC…: of a socket */
	add(RETURN, ASKED, 0, 0);
	add(RETURN, ALLOWED, 0, 0);
	add(JUMP_EQUAL, SYS_setsockopt, 0, 4);
	add(LOAD, offsetof(struct call_data, args) + 8, 0, 0);
	add(JUMP_EQUAL, SOL_SOCKET, 0, 1);
	add(RETURN, ALLOWED, 0, 0);
	add(RETURN, FAILED, 0, 0);
}

/* Takes no_new_privs, loads the filter, gives the descriptor where its supervisor is asked; -1 with errno. */
int install_filter(const struct watch *w)
{
	length = 0;
	add(LOAD, offsetof(struct call_data, arch), 0, 0);
	add(JUMP_EQUAL, OWN_ARCH, 1, 0);
	/* Programs of 32 bits go on unasked: they find what lies in the root. Where the network is none that would be a way around. */
	add(RETURN, (w->flags & WATCH_NO_NETWORK) ? KILLED : ALLOWED, 0, 0);
	add(LOAD, offsetof(struct call_data, nr), 0, 0);
#if defined __x86_64__
	add(JUMP_NOT_LESS, 0x40000000, 0, 1);
	add(RETURN, FAILED | ENOSYS, 0, 0);
	add_tested(SYS_newfstatat, 3, JUMP_ANY_BIT, EMPTY_PATH, ALLOWED);
	add_calls((const int[]){ SYS_newfstatat }, 1, ASKED);
#else
	add_tested(SYS_fstatat, 3, JUMP_ANY_BIT, EMPTY_PATH, ALLOWED);
	add_calls((const int[]){ SYS_fstatat }, 1, ASKED);
#endif
	add_tested(SYS_prctl, 0, JUMP_EQUAL, READ_NO_NEW_PRIVS, FAILED); /* is 0: the step may take no notice of the filter */
	add_tested(SYS_prctl, 0, JUMP_EQUAL, READ_BOUNDING_SET, ASKED);
	add_calls(NOT_THERE, sizeof NOT_THERE / sizeof *NOT_THERE, FAILED | EPERM);
	add_calls(ASKED_ALWAYS, sizeof ASKED_ALWAYS / sizeof *ASKED_ALWAYS, ASKED);
	if (w->count > 0) add_calls(ASKED_FOR_PLACES, sizeof ASKED_FOR_PLACES / sizeof *ASKED_FOR_PLACES, ASKED);
	if (w->flags & WATCH_NO_NETWORK) add_without_network();
	add(RETURN, ALLOWED, 0, 0);
	struct filter_program loaded = { length, program };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -1;
	int listener = (int)syscall(SYS_seccomp, SECCOMP_MODE_FILTER_SET, NEW_LISTENER | WAIT_KILLABLE, &loaded);
	if (listener < 0 && errno == EINVAL) listener = (int)syscall(SYS_seccomp, SECCOMP_MODE_FILTER_SET, NEW_LISTENER, &loaded);
	return listener;
}

/* One byte and a descriptor over a socket. */
void send_listener(int channel, int listener)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof listener);
	memcpy(CMSG_DATA(head), &listener, sizeof listener);
	if (sendmsg(channel, &message, HANDING_OVER) != 1) die("hand over the filter");
}

/* What send_listener sent; -1 when the other side ended without. */
int receive_listener(int channel)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	int listener = -1;
	if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	if (head && head->cmsg_type == SCM_RIGHTS) memcpy(&listener, CMSG_DATA(head), sizeof listener);
	uint64_t flags = SYNC_WAKE_UP;
	if (listener >= 0) ioctl(listener, NOTICE_SET_FLAGS, flags); /* faster where the kernel has it (6.6) */
	return listener;
}
