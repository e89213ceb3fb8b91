/* The mode "step": pid 1 of the step, and the supervisor beside it. */
#include "launcher.h"

/*
 * Pipes, and a terminal of the step's own, become its user's, as with runc: else a user that is not root could not open
 * /dev/stdout. Files and sockets that were handed over stay whose they are.
 */
static void give_streams(const struct process *p)
{
	struct stat st;
	for (int fd = 0; fd < 3 && p->uid != 0; fd++) {
		if (fstat(fd, &st) < 0 || !(S_ISFIFO(st.st_mode) || (p->flags & STEP_TERMINAL && S_ISCHR(st.st_mode)))) continue;
		if (fchown(fd, p->uid, (gid_t)-1) < 0) continue; /* it works as it is */
	}
}

/* Pid 1 of the step: mounts, enters, drops, becomes the program. Never returns. */
static void run_child(struct process *p, struct reader records, int parent_gone, int channel)
{
	int failed = 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	struct pollfd gone = { .fd = parent_gone, .events = POLLIN };
	if (poll(&gone, 1, 0) > 0) _exit(125);
	umask(0);
	if (chdir("/") < 0) die("enter /");
	if (p->namespaces & CLONE_NEWNS && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) die("make the mounts private");
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
		case OP_ROOT_DIRECTORY: {
			const char *directory = take_str(&records);
			if ((root_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) die("open the root \"%s\"", directory);
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
		case OP_WATCH:
			take_str(&records); take_str(&records); take_u32(&records);
			for (uint32_t n = take_u32(&records); n > 0; n--) { take_str(&records); take_u32(&records); take_u64(&records); }
			break;
		case OP_USER: take_u32(&records); take_u32(&records); for (uint32_t n = take_u32(&records); n > 0; n--) take_u32(&records); break;
		case OP_CAPS: take_u64(&records); take_u32(&records); break;
		case OP_SECCOMP: case OP_CGROUP: take_str(&records); break;
		case OP_ENV: case OP_ARGS: case OP_MERGED: for (uint32_t n = take_u32(&records); n > 0; n--) take_str(&records); break;
		default: errno = EPROTO; die("read the spec: opcode %u", op);
		}
	}
	if (p->flags & STEP_LOOPBACK) loopback_up();
	syscall(SYS_keyctl, JOIN_SESSION_KEYRING, NULL, 0, 0, 0); /* the builder's keys are not the step's; no keyrings, no need */
	if (p->flags & STEP_TERMINAL) {
		/* By name: the descriptor's mount belongs to the namespace outside. */
		char name[PATH_MAX];
		ssize_t size = readlink("/proc/self/fd/0", name, sizeof name - 1);
		name[size < 0 ? 0 : size] = 0;
		if (bind_host(name, "dev/console", 0, MOUNT_KEEP) < 0) die("bind the terminal \"%s\" on /dev/console", name);
	}
	enter_root(p);
	/* From here on no descriptor leads out of the root but the report's, which is no file. */
	close(root_fd);
	if (report_fd != 3) { if (dup3(report_fd, 3, O_CLOEXEC) < 0) die("keep the report"); report_fd = 3; }
	if (p->watch) { if (dup3(channel, 4, O_CLOEXEC) < 0 && channel != 4) die("keep the channel"); channel = 4; }
	syscall(SYS_close_range, p->watch ? 5 : 4, ~0U, 0);
	if (fcntl(report_fd, F_SETFD, FD_CLOEXEC) < 0) die("keep the report");
	setsid();
	if (p->flags & STEP_TERMINAL && ioctl(0, TIOCSCTTY, 0) < 0) die("take the terminal");
	int cwd = open_in(AT_FDCWD, p->cwd, O_PATH | O_DIRECTORY, 0);
	if (cwd < 0 || fchdir(cwd) < 0) die("enter the working directory \"%s\"", p->cwd);
	close(cwd);
	give_streams(p);
	drop_privileges(p, channel);
	umask(0022);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* the change of user cleared it */
	execute(p);
}

static void join_cgroup(const char *directory)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/cgroup.procs", directory);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1) die("join the cgroup \"%s\"", directory);
	close(fd);
}

/* Where there is no pid namespace to end them: kills every process of the step, which all come to this one when their parents end. */
static void kill_descendants(void)
{
	char path[64], pids[4096];
	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	for (;;) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t size = fd < 0 ? -1 : read(fd, pids, sizeof pids - 1);
		if (fd >= 0) close(fd);
		pids[size < 0 ? 0 : size] = 0;
		char *at = pids, *end;
		for (long pid; pid = strtol(at, &end, 10), end != at; at = end) if (pid > 0) kill((pid_t)pid, SIGKILL);
		if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD) return;
	}
}

/* What came over the channel, the listener first; ends the step when it may not go on. */
static int watch_on(int *channel, int listener, pid_t child)
{
	if (listener >= 0) {
		if (watch_answer(listener) < 0) kill(child, SIGKILL);
		return listener;
	}
	listener = receive_listener(channel[0]);
	close(channel[0]);
	channel[0] = -1;
	return listener;
}

/* Starts the step and stays beside it: kills it when the parent goes or says so, tidies up, and reports how it ended. */
int run_step(const char *spec_path, const char *report_path)
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
	for (uint32_t i = 0; i < p.cgroup_count; i++) join_cgroup(p.cgroups[i]);
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
	if (p.flags & STEP_PIPES) for (int i = 0; i < 2; i++) open_stream(&streams[i], i + 1);
	int alone = !(p.namespaces & CLONE_NEWPID), channel[2] = { -1, -1 }, listener = -1;
	if (p.watch && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) < 0) die("make a channel");
	if (alone && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) die("look after the processes of the step");
	pid_t child = (pid_t)syscall(SYS_clone, (unsigned long)p.namespaces | SIGCHLD, 0, 0, 0, 0);
	if (child < 0) die("create the namespaces");
	if (child == 0) {
		const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE };
		for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_DFL);
		sigprocmask(SIG_SETMASK, &old, NULL);
		close(lifeline[1]);
		if (p.flags & STEP_PIPES) for (int i = 0; i < 2; i++) if (dup2(streams[i].pipe[1], i + 1) < 0) die("hand over the output");
		run_child(&p, records, lifeline[0], channel[1]);
	}
	close(lifeline[0]);
	if (p.watch) {
		close(channel[1]);
		watch_begin(&p, child);
	}
	if (p.flags & STEP_PIPES) for (int i = 0; i < 2; i++) close(streams[i].pipe[1]);
	for (int running = 1; running || streams[0].pipe[0] >= 0 || streams[1].pipe[0] >= 0;) {
		struct pollfd fds[5] = { { .fd = signal_fd, .events = POLLIN }, { .fd = spec_path || stopped ? -1 : spec_fd, .events = POLLIN } };
		for (int i = 0; i < 2; i++) {
			int blocked = streams[i].pipe[0] >= 0 && streams[i].blocked;
			fds[2 + i] = (struct pollfd){ .fd = blocked ? streams[i].to : streams[i].pipe[0], .events = blocked ? POLLOUT : POLLIN };
		}
		fds[4] = (struct pollfd){ .fd = running && !*refusal.text ? listener < 0 ? channel[0] : listener : -1, .events = POLLIN };
		if (poll(fds, 5, -1) < 0 && errno != EINTR) break;
		if (fds[4].revents) listener = watch_on(channel, listener, child);
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
		if (running && waitpid(child, &status, WNOHANG) == child) {
			running = 0;
			if (alone) kill_descendants();
		}
	}
	if (p.watch && !*refusal.text) watch_end();
	if (*refusal.text) report('R', (uint32_t)refusal.again, refusal.text);
	if (*p.clean_base) remove_made(p.clean_base);
	report('X', (uint32_t)status, "");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
