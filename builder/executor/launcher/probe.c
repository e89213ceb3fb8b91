/* The mode "probe": what may be done here, one "name errno" a line. */
#include "launcher.h"

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

int probe(void)
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
