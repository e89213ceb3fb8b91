/*
 * A step without network where no network namespace can be made: what it would find in one that has a loopback only. Its
 * sockets are of the kind that knows no network (AF_UNIX), so whatever a program does with them, none of it leaves the step;
 * what is asked about them is answered here. Nothing is there to be reached over the loopback, and a step that would be
 * reached there itself is ended.
 */
#include "watch.h"
#include <arpa/inet.h>
#include <netinet/in.h>

static struct stand_in stand_ins[64];
static unsigned next_stand_in;
static _Alignas(8) unsigned char sent[4096];

int refuse_network(const char *what)
{
	return refuse("a step without network %s, which is not possible where nothing may be mounted", what);
}

static void forget(struct stand_in *s)
{
	if (!s->family) return;
	close(s->end);
	if (s->far >= 0) close(s->far);
	s->family = 0;
}

int answer_socket(const uint64_t *args)
{
	int family = (int)args[0], kind = (int)args[1], type = kind & 0xf, ends[2] = { -1, -1 };
	int is_route = family == AF_NETLINK && args[2] == 0, is_internet = family == AF_INET || family == AF_INET6;
	if (!is_route && !(is_internet && (type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_RAW))) return refuse_network("asked for a socket of another kind than those of the internet");
	int own = (is_internet && type == SOCK_STREAM ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC;
	if (is_route ? socketpair(AF_UNIX, own, 0, ends) < 0 : (ends[0] = socket(AF_UNIX, own, 0)) < 0) return fail(errno);
	if (kind & SOCK_NONBLOCK) fcntl(ends[0], F_SETFL, O_RDWR | O_NONBLOCK);
	struct stat st = { .st_ino = 0 };
	fstat(ends[0], &st);
	struct stand_in *s = &stand_ins[next_stand_in++ % (sizeof stand_ins / sizeof *stand_ins)];
	forget(s); /* of so many the oldest is closed */
	*s = (struct stand_in){ st.st_ino, family, type, fcntl(ends[0], F_DUPFD_CLOEXEC, 0), ends[1], 0 };
	return give_fd(ends[0], kind & SOCK_CLOEXEC ? O_CLOEXEC : 0);
}

/* Which a caller's descriptor is; NULL when it is a socket or file as any other. */
static struct stand_in *stand_in_of(const struct caller *c, uint64_t fd)
{
	char link[48], name[64];
	unsigned long long inode;
	snprintf(link, sizeof link, "%d/fd/%d", (int)c->tid, (int)fd);
	ssize_t size = readlinkat(proc_fd, link, name, sizeof name - 1);
	name[size < 0 ? 0 : size] = 0;
	if (sscanf(name, "socket:[%llu]", &inode) != 1) return NULL;
	for (size_t i = 0; i < sizeof stand_ins / sizeof *stand_ins; i++)
		if (stand_ins[i].family && stand_ins[i].inode == (ino_t)inode) return &stand_ins[i];
	return NULL;
}

/* Where an address of the internet would lead: 0 to the loopback, else why it cannot be reached. */
static int unreachable(const struct stand_in *s, const struct caller *c, uint64_t at, uint64_t size)
{
	struct sockaddr_in6 to = { .sin6_family = 0 };
	if (size < sizeof(struct sockaddr_in)) return EINVAL;
	if (read_memory(c, at, &to, size < sizeof to ? size : sizeof to) < 0) return EFAULT;
	if (to.sin6_family == AF_INET) {
		uint32_t address = ntohl(((const struct sockaddr_in *)&to)->sin_addr.s_addr);
		return address >> 24 == 127 || address == 0 ? 0 : ENETUNREACH;
	}
	if (to.sin6_family != AF_INET6 || s->family != AF_INET6) return EAFNOSUPPORT;
	const struct in6_addr *a = &to.sin6_addr;
	int is_own = IN6_IS_ADDR_V4MAPPED(a) ? a->s6_addr[12] == 127 : IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_UNSPECIFIED(a);
	return is_own ? 0 : ENETUNREACH;
}

static int answer_connect(const struct stand_in *s, const struct caller *c, const uint64_t *args)
{
	if (s->family == AF_NETLINK) return 0;
	int error = unreachable(s, c, args[1], args[2]);
	if (error) return fail(error);
	return s->type == SOCK_STREAM ? fail(ECONNREFUSED) : refuse_network("would send to itself");
}

static int answer_bind(struct stand_in *s, const struct caller *c, const uint64_t *args)
{
	struct netlink_address own;
	if (s->family != AF_NETLINK) {
		/* A name of its own, which nothing can reach before it listens. */
		int error = unreachable(s, c, args[1], args[2]);
		return error ? fail(error == ENETUNREACH ? EADDRNOTAVAIL : error) : 0;
	}
	if (args[2] < sizeof own || read_memory(c, args[1], &own, sizeof own) < 0) return fail(EINVAL);
	s->port = own.port;
	return 0;
}

/* Writes an address and its size to where the caller wants them, which may be nowhere. */
static int write_address(const struct caller *c, uint64_t at, uint64_t size_at, const void *address, uint32_t size)
{
	uint32_t room;
	if (!at || !size_at) return 0;
	if (read_memory(c, size_at, &room, sizeof room) < 0) return -1;
	return write_memory(c, at, address, room < size ? room : size) < 0 ? -1 : write_memory(c, size_at, &size, sizeof size);
}

static int answer_name(const struct stand_in *s, const struct caller *c, const uint64_t *args)
{
	struct netlink_address own = { AF_NETLINK, 0, port_of(s, c), 0 };
	struct sockaddr_in6 none = { .sin6_family = (sa_family_t)s->family };
	int failed = s->family == AF_NETLINK ? write_address(c, args[1], args[2], &own, sizeof own)
		: write_address(c, args[1], args[2], &none, s->family == AF_INET ? sizeof(struct sockaddr_in) : sizeof none);
	return failed ? fail(EFAULT) : 0;
}

/* Copies between the caller's parts of a message and one of ours; the bytes that were. */
static size_t each_part(const struct caller *c, const struct vector_message *v, unsigned char *bytes, size_t size, int is_sent)
{
	size_t done = 0;
	for (uint64_t i = 0; i < v->count && i < 64 && done < size; i++) {
		uint64_t part[2];
		if (read_memory(c, v->parts + 16 * i, part, sizeof part) < 0) break;
		size_t length = part[1] < size - done ? (size_t)part[1] : size - done;
		if (length > 0 && (is_sent ? read_memory(c, part[0], bytes + done, length) : write_memory(c, part[0], bytes + done, length)) < 0) break;
		done += length;
	}
	return done;
}

static int answer_send(struct stand_in *s, const struct caller *c, const unsigned char *bytes, size_t size, uint64_t to, uint64_t to_size)
{
	if (s->family == AF_NETLINK) return ask_kernel(s, c, bytes, size);
	if (s->type == SOCK_STREAM) return fail(EPIPE);
	if (!to) return fail(EDESTADDRREQ);
	int error = unreachable(s, c, to, to_size);
	return error ? fail(error) : refuse_network("would send to itself");
}

/* What the kernel says to a question of the step's. Only such sockets have anything to receive. */
static int answer_receive(const struct stand_in *s, const struct caller *c, const struct call_data *call)
{
	static unsigned char reply[1 << 16];
	static const struct netlink_address kernel = { AF_NETLINK, 0, 0, 0 };
	/* A question that was written as to a file was not seen before. */
	for (ssize_t size; (size = recv(s->far, sent, sizeof sent, MSG_DONTWAIT)) > 0;) if (ask_kernel(s, c, sent, (size_t)size) < 0) return -1;
	const uint64_t *args = call->args;
	int is_vector = call->nr == SYS_recvmsg, flags = (int)args[is_vector ? 2 : 3];
	struct vector_message v = { .flags = 0 };
	if (is_vector && read_memory(c, args[1], &v, sizeof v) < 0) return fail(EFAULT);
	ssize_t got = recv(s->end, reply, sizeof reply, (flags & MSG_PEEK) | MSG_DONTWAIT);
	if (got < 0) return fail(errno);
	size_t copied = (size_t)got;
	if (is_vector) {
		copied = each_part(c, &v, reply, (size_t)got, 0);
		if (v.name) write_memory(c, v.name, &kernel, v.name_size < sizeof kernel ? v.name_size : sizeof kernel);
		v.name_size = v.name ? sizeof kernel : 0;
		v.control_size = 0;
		v.flags = copied < (size_t)got ? MSG_TRUNC : 0;
		if (write_memory(c, args[1], &v, sizeof v) < 0) return fail(EFAULT);
	} else {
		if (args[2] < copied) copied = (size_t)args[2];
		if (write_memory(c, args[1], reply, copied) < 0 || write_address(c, args[4], args[5], &kernel, sizeof kernel) < 0) return fail(EFAULT);
	}
	return give(flags & MSG_TRUNC ? got : (int64_t)copied);
}

/* Settings of the machine's links, which every socket gives; the loopback's are the same in every namespace. */
int answer_settings(const struct caller *c, const uint64_t *args)
{
	enum { FIRST_SETTING = 0x8910, LINK_NAME = 0x8910, LINK_LIST = 0x8912, LINK_INDEX = 0x8933, QUEUE_LENGTH = 0x8942 };
	unsigned request = (unsigned)args[1];
	if (request < FIRST_SETTING) return go_on();
	static const unsigned reads[] = { LINK_NAME, LINK_LIST, 0x8913, 0x8915, 0x8917, 0x8919, 0x891b, 0x891d, 0x891f, 0x8921, 0x8927, 0x8929, LINK_INDEX, QUEUE_LENGTH, 0x8970 };
	size_t known = 0;
	while (known < sizeof reads / sizeof *reads && reads[known] != request) known++;
	if (known == sizeof reads / sizeof *reads) return refuse_network("asked for or changed settings of it");
	int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), failed;
	if (any < 0) return fail(errno);
	struct ifreq one = { .ifr_name = "lo" };
	if (request == LINK_LIST) {
		struct { int32_t size, pad; uint64_t list; } all;
		if (read_memory(c, args[2], &all, sizeof all) < 0) return close(any), fail(EFAULT);
		struct sockaddr_in *address = (struct sockaddr_in *)&one.ifr_addr;
		*address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
		failed = all.list && all.size >= (int)sizeof one && write_memory(c, all.list, &one, sizeof one) < 0;
		all.size = !all.list || all.size >= (int)sizeof one ? (int)sizeof one : 0;
		failed = failed || write_memory(c, args[2], &all, sizeof all) < 0;
		close(any);
		return failed ? fail(EFAULT) : 0;
	}
	struct ifreq asked;
	if (read_memory(c, args[2], &asked, sizeof asked) < 0) return close(any), fail(EFAULT);
	int is_own = request == LINK_NAME ? asked.ifr_ifindex == 1 : !strcmp(asked.ifr_name, one.ifr_name);
	failed = is_own ? ioctl(any, request, &asked) < 0 ? errno : 0 : ENODEV;
	close(any);
	return failed ? fail(failed) : write_memory(c, args[2], &asked, sizeof asked) < 0 ? fail(EFAULT) : 0;
}

/* Calls about sockets of a step without network. */
int answer_network(const struct caller *c, const struct call_data *call)
{
	const uint64_t *args = call->args;
	struct stand_in *s = stand_in_of(c, args[0]);
	if (!s) return go_on();
	struct vector_message v;
	switch (call->nr) {
	case SYS_connect: return answer_connect(s, c, args);
	case SYS_bind: return answer_bind(s, c, args);
	case SYS_listen: return refuse_network("would listen");
	case SYS_getsockname: return answer_name(s, c, args);
	case SYS_sendto: {
		size_t size = args[2] < sizeof sent ? (size_t)args[2] : sizeof sent;
		return read_memory(c, args[1], sent, size) < 0 ? fail(EFAULT) : answer_send(s, c, sent, size, args[4], args[5]);
	}
	case SYS_sendmsg:
		if (read_memory(c, args[1], &v, sizeof v) < 0) return fail(EFAULT);
		return answer_send(s, c, sent, each_part(c, &v, sent, sizeof sent, 1), v.name, v.name_size);
	case SYS_sendmmsg: case SYS_recvmmsg: return refuse_network("would send or receive several messages at once");
	default: return s->family == AF_NETLINK ? answer_receive(s, c, call) : go_on();
	}
}
