/*
 * A supervisor that answers some system calls of a step instead of the kernel, where nothing can be mounted: what the step sees
 * of /proc, its process ids, its host name; what is read-only; what its sandbox does not have. Everything else goes on as it
 * was called, in the step's own root: nothing here keeps a step from anything but what is decided by numbers alone (sockets,
 * chroot, signals), and no answer gives it more than its own process may have.
 */
#include "watch.h"
#include <dirent.h>
#include <sys/utsname.h>

const struct watch *watch;
struct refusal refusal;

static struct notice notice;
static struct answer answer;
static int listener_fd;

int fail(int error) { answer.error = -error; return 0; }
int give(int64_t value) { answer.value = value; return 0; }
int go_on(void) { answer.flags = GO_ON; return 0; }

int refuse(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(refusal.text, sizeof refusal.text, format, args);
	va_end(args);
	return -1;
}

void watch_begin(const struct process *p, pid_t first)
{
	watch = p->watch;
	first_pid = first;
	proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc_fd < 0 || setgroups(0, NULL) < 0) die("look after the step");
	root_begin(p->root_directory);
	directories_begin(p->merged);
}

/* The caller gets a descriptor of its own, and that is its answer. */
int give_fd(int fd, uint64_t flags)
{
	struct added_fd added = { notice.id, ADD_FD_AND_ANSWER, (uint32_t)fd, 0, flags & O_CLOEXEC ? O_CLOEXEC : 0 };
	int number = ioctl(listener_fd, NOTICE_ADD_FD, &added);
	if (number >= 0) answer.id = 0; /* it is answered */
	else if (errno == EINVAL) {
		added.flags = 0; /* Linux before 5.14 */
		if ((number = ioctl(listener_fd, NOTICE_ADD_FD, &added)) >= 0) give(number);
	}
	if (number < 0) fail(errno);
	close(fd);
	return 0;
}

static int answer_uname(const struct caller *c, uint64_t to)
{
	struct utsname name;
	if (uname(&name) < 0) return fail(errno);
	snprintf(name.nodename, sizeof name.nodename, "%s", watch->hostname);
	return write_memory(c, to, &name, sizeof name) < 0 ? fail(EFAULT) : 0;
}

static int answer_capget(const struct caller *c, uint64_t header_at, uint64_t to)
{
	struct cap_header header;
	if (!to || read_memory(c, header_at, &header, sizeof header) < 0 || header.version != CAP_VERSION_3 || (header.pid && header.pid != c->tid)) return go_on();
	uint64_t e = capabilities_of(c->tid, "CapEff"), p = capabilities_of(c->tid, "CapPrm"), i = capabilities_of(c->tid, "CapInh");
	struct cap_data data[2] = { { (uint32_t)e, (uint32_t)p, (uint32_t)i }, { (uint32_t)(e >> 32), (uint32_t)(p >> 32), (uint32_t)(i >> 32) } };
	return write_memory(c, to, data, sizeof data) < 0 ? fail(EFAULT) : 0;
}

/* kill(-1): everybody but who asks and process 1. */
static int signal_all(int number)
{
	struct caller c;
	int is_known = open_caller(&c, (pid_t)notice.pid) == 0; /* with its rights */
	close_caller(&c);
	int folder = is_known ? openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, count = 0;
	DIR *list = folder < 0 ? NULL : fdopendir(folder);
	for (struct dirent *entry; list && (entry = readdir(list));) {
		pid_t pid = (pid_t)atoi(entry->d_name);
		if (pid <= 1 || pid == first_pid || pid == group_of((pid_t)notice.pid)) continue;
		int process = open_process(pid);
		if (process >= 0 && is_of_step(process) && kill(pid, number) == 0) count++;
		if (process >= 0) close(process);
	}
	if (list) closedir(list);
	return count ? 0 : fail(ESRCH);
}

/* A signal goes to the step's own processes alone: the builder is one of the same user. */
static int answer_signal(const struct call_data *call)
{
	pid_t target = (pid_t)call->args[0], meant = target == 1 ? first_pid : target;
	int number = (int)call->args[call->nr == SYS_tgkill ? 2 : 1];
	if (target == 0) return go_on(); /* its own group */
	if (target == -1) return signal_all(number);
	int process = open_process(meant < 0 ? -meant : meant);
	int is_own = process >= 0 && is_of_step(process);
	long uid = process < 0 ? -1 : status_value(process, "Uid");
	if (process >= 0) close(process);
	if (!is_own && meant > 0) return fail(ESRCH);
	if (meant == target && (call->nr != SYS_tgkill || call->args[1] != 1)) return go_on();
	long own = status_of((pid_t)notice.pid, "Uid");
	if (own != 0 && own != uid) return fail(EPERM);
	if (become(0, 0) < 0) return fail(EPERM);
	pid_t thread = call->nr == SYS_tgkill && call->args[1] != 1 ? (pid_t)call->args[1] : first_pid;
	long result = call->nr == SYS_kill ? kill(meant, number) : syscall(SYS_tgkill, first_pid, thread, number);
	return result < 0 ? fail(errno) : 0;
}

static int answer_group(int call, pid_t target)
{
	pid_t of = target == 0 ? (pid_t)notice.pid : target == 1 ? first_pid : target;
	pid_t group = call == SYS_getsid ? getsid(of) : getpgid(of);
	return group < 0 ? fail(errno) : give(shown_pid(group));
}

static int answer_parent(void)
{
	long parent = status_of((pid_t)notice.pid, "PPid");
	return parent < 0 ? go_on() : give(shown_parent(group_of((pid_t)notice.pid), (pid_t)parent));
}

/* Calls that are decided by numbers alone; GO_ON_UNASKED for others. */
static int answer_number(const struct call_data *call)
{
	switch (call->nr) {
	case SYS_getpid: return give(shown_pid(group_of((pid_t)notice.pid)));
	case SYS_gettid: return give(shown_pid((pid_t)notice.pid));
	case SYS_getppid: return answer_parent();
	case SYS_getpgid: case SYS_getsid: return answer_group(call->nr, (pid_t)call->args[0]);
#if defined __x86_64__
	case SYS_getpgrp: return answer_group(SYS_getpgid, 0);
#endif
	case SYS_kill: case SYS_tkill: case SYS_tgkill: return answer_signal(call);
	case SYS_prctl: return call->args[1] == CAP_CHROOT && watch->flags & WATCH_SHOW_CHROOT ? give(1) : go_on();
	case SYS_chroot: return refuse("a step changed its root (chroot), which is not possible where nothing may be mounted");
	case SYS_socket: case SYS_socketpair:
		return call->args[0] == AF_UNIX ? go_on() : call->nr == SYS_socket ? answer_socket(call->args) : fail(EOPNOTSUPP);
	default: return GO_ON_UNASKED;
	}
}

static int answer_call(const struct caller *c, const struct call_data *call)
{
	const uint64_t *args = call->args;
	int error;
	switch (call->nr) {
	case SYS_openat: return answer_open(c, (int)args[0], args[1], args[2]);
	case SYS_openat2: {
		uint64_t flags;
		return read_memory(c, args[2], &flags, sizeof flags) < 0 ? go_on() : answer_open(c, (int)args[0], args[1], flags);
	}
	case SYS_readlinkat: return answer_readlink(c, (int)args[0], args[1], args[2], args[3]);
	case SYS_statx: return answer_statx(c, args);
	case SYS_faccessat: case SYS_faccessat2: return answer_access(c, (int)args[0], args[1], args[2]);
	case SYS_execve: return answer_exec(c, AT_FDCWD, args[0]);
	case SYS_execveat: return answer_exec(c, (int)args[0], args[1]);
	case SYS_statfs: return answer_statfs(c, args[0], args[1]);
	case SYS_uname: return answer_uname(c, args[0]);
	case SYS_capget: return answer_capget(c, args[0], args[1]);
	case SYS_connect: case SYS_bind: case SYS_listen: case SYS_getsockname: case SYS_sendto: case SYS_sendmsg: case SYS_sendmmsg:
	case SYS_recvfrom: case SYS_recvmsg: case SYS_recvmmsg: return answer_network(c, call);
	case SYS_ioctl: return answer_settings(c, args);
#if defined __x86_64__
	case SYS_newfstatat: return answer_stat(c, (int)args[0], args[1], !(args[3] & AT_SYMLINK_NOFOLLOW), args[2]);
	case SYS_open: return answer_open(c, AT_FDCWD, args[0], args[1]);
	case SYS_creat: return answer_open(c, AT_FDCWD, args[0], O_CREAT | O_WRONLY | O_TRUNC);
	case SYS_readlink: return answer_readlink(c, AT_FDCWD, args[0], args[1], args[2]);
	case SYS_stat: return answer_stat(c, AT_FDCWD, args[0], 1, args[1]);
	case SYS_lstat: return answer_stat(c, AT_FDCWD, args[0], 0, args[1]);
	case SYS_access: return answer_access(c, AT_FDCWD, args[0], args[1]);
#else
	case SYS_fstatat: return answer_stat(c, (int)args[0], args[1], !(args[3] & AT_SYMLINK_NOFOLLOW), args[2]);
#endif
	default:
		if (call->nr != SYS_ftruncate && (error = change_error(c, call))) return fail(error);
		return watch_end() < 0 ? -1 : go_on(); /* what is taken away was there */
	}
}

/* Whether a place holds more than it may, where a mount would have been full. */
int watch_end(void)
{
	const struct place *full = overfull();
	return full ? refuse("a step wrote more to \"%s\" than the %llu bytes that it may hold, which cannot be enforced where nothing may be mounted", full->path, (unsigned long long)full->size) : 0;
}

/* Answers one call. */
int watch_answer(int listener)
{
	struct caller c;
	memset(&notice, 0, sizeof notice);
	listener_fd = listener;
	if (ioctl(listener, NOTICE_RECEIVE, &notice) < 0) return 0; /* its caller has ended */
	answer = (struct answer){ .id = notice.id };
	int result = answer_number(&notice.data);
	if (result == GO_ON_UNASKED) {
		if (open_caller(&c, (pid_t)notice.pid) < 0 || ioctl(listener, NOTICE_IS_VALID, &notice.id) < 0) result = go_on();
		else result = answer_call(&c, &notice.data);
		close_caller(&c);
	}
	if (result < 0) return -1;
	if (answer.id) ioctl(listener, NOTICE_ANSWER, &answer); /* nobody waits for it any more: no harm */
	return 0;
}
