/* The spec as spec.ts writes it, and the reports back: one byte of kind, u32 value, u32 length, text. */
#include "launcher.h"

int report_fd = 3;

/* Kinds: 'E' set-up failed (errno, what was tried), 'N' program cannot be started (errno, message), 'R' it may not go on (1 where it may without a supervisor, why), 'X' ended (wait status). */
void report(char kind, uint32_t value, const char *text)
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
void die(const char *format, ...)
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

static const void *take(struct reader *r, size_t size)
{
	const void *p = r->at;
	if ((size_t)(r->end - r->at) < size) { errno = EPROTO; die("read the spec"); }
	r->at += size;
	return p;
}

uint32_t take_u32(struct reader *r) { uint32_t v; memcpy(&v, take(r, sizeof v), sizeof v); return v; }
uint64_t take_u64(struct reader *r) { uint64_t v; memcpy(&v, take(r, sizeof v), sizeof v); return v; }

/* A string with its length before and a NUL behind; stays where it is. */
static const char *take_bytes(struct reader *r, uint32_t *length)
{
	*length = take_u32(r);
	const char *s = take(r, (size_t)*length + 1);
	return s;
}

const char *take_str(struct reader *r) { uint32_t ignored; return take_bytes(r, &ignored); }

static char **take_list(struct reader *r)
{
	uint32_t n = take_u32(r);
	if (n > 1u << 20) { errno = EPROTO; die("read the spec"); }
	char **list = calloc((size_t)n + 1, sizeof *list);
	if (!list) die("read the spec");
	for (uint32_t i = 0; i < n; i++) list[i] = (char *)(uintptr_t)take_str(r);
	return list;
}

struct stack take_stack(struct reader *r)
{
	struct stack s = { .options = take_str(r) };
	s.lowers = take_list(r);
	s.upper = take_str(r);
	s.work = take_str(r);
	return s;
}

static struct watch *take_watch(struct reader *r)
{
	struct watch *w = calloc(1, sizeof *w);
	if (!w) die("read the spec");
	w->hostname = take_str(r);
	w->mounts = take_str(r);
	w->flags = take_u32(r);
	w->count = take_u32(r);
	if (w->count > 65536 || !(w->places = calloc(w->count + 1, sizeof *w->places))) { errno = EPROTO; die("read the spec"); }
	for (uint32_t i = 0; i < w->count; i++) {
		w->places[i].path = take_str(r);
		w->places[i].readonly = take_u32(r);
		w->places[i].size = take_u64(r);
	}
	return w;
}

/* The parts of the spec that both processes need. */
struct process read_process(struct reader r)
{
	struct process p = { .cwd = "/", .clean_base = "" };
	while (r.at < r.end) {
		uint32_t op = take_u32(&r), length;
		switch (op) {
		case OP_FLAGS: p.namespaces = take_u32(&r); p.flags = take_u32(&r); break;
		case OP_HOSTNAME: p.hostname = take_str(&r); break;
		case OP_STUB: take_str(&r); take_str(&r); take_u32(&r); break;
		case OP_ROOT_DIRECTORY: p.root_directory = take_str(&r); break;
		case OP_WATCH: p.watch = take_watch(&r); break;
		case OP_MERGED: p.merged = take_list(&r); break;
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
		case OP_CGROUP:
			if (p.cgroup_count == sizeof p.cgroups / sizeof *p.cgroups) { errno = EPROTO; die("read the spec: cgroups"); }
			p.cgroups[p.cgroup_count++] = take_str(&r);
			break;
		default: errno = EPROTO; die("read the spec: opcode %u", op);
		}
	}
	if (!p.args || !p.args[0] || !p.env) { errno = EPROTO; die("read the spec: no program"); }
	return p;
}

/* The spec's length (u32) and bytes. */
struct reader read_spec(int fd)
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
