/*
 * Links, addresses and routes as a step without network asks for them: what the kernel says of the loopback, which is the same
 * in every network namespace.
 */
#include "watch.h"

/* linux/netlink.h and linux/rtnetlink.h, which a C library for static programs may lack. */
struct message { uint32_t size; uint16_t type, flags; uint32_t number, port; };
struct attribute { uint16_t size, type; };
struct link_data { uint8_t family, pad; uint16_t type; int32_t index; uint32_t flags, change; };
struct address_data { uint8_t family, prefix, flags, scope; uint32_t index; };
struct route_data { uint8_t family, to_size, from_size, tos, table, protocol, scope, type; uint32_t flags; };
enum {
	ERROR_MESSAGE = 2, OF_SEVERAL = 2,
	NEW_LINK = 16, GET_LINK = 18, NEW_ADDRESS = 20, GET_ADDRESS = 22, NEW_ROUTE = 24, GET_ROUTE = 26,
	LINK_COUNTS = 7, LINK_COUNTS_64 = 23, ROUTE_OUT = 4, SCOPE_HOST = 254, LOOPBACK = 1,
};

static const char NOTHING_COUNTED[] = "    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n";

static size_t aligned(size_t size) { return (size + 3) & ~(size_t)3; }

uint32_t port_of(const struct stand_in *s, const struct caller *c)
{
	return s->port ? s->port : (uint32_t)shown_pid(group_of(c->tid));
}

/* Whether an answer is about the loopback. What went over it was others', so nothing has. */
static int is_shown(struct message *m)
{
	unsigned char *data = (unsigned char *)(m + 1), *end = (unsigned char *)m + m->size;
	const struct link_data *link = (const struct link_data *)data;
	const struct address_data *address = (const struct address_data *)data;
	size_t fixed = m->type == NEW_LINK ? sizeof *link : m->type == NEW_ADDRESS ? sizeof *address : sizeof(struct route_data);
	if (end < data + fixed) return 0;
	if (m->type == NEW_LINK && link->index != LOOPBACK) return 0;
	if (m->type == NEW_ADDRESS && (address->index != LOOPBACK || address->scope != SCOPE_HOST)) return 0;
	int is_out = 0;
	for (unsigned char *at = data + fixed; at + sizeof(struct attribute) <= end;) {
		struct attribute *a = (struct attribute *)at;
		if (a->size < sizeof *a || at + a->size > end) break;
		if (m->type == NEW_LINK && (a->type == LINK_COUNTS || a->type == LINK_COUNTS_64)) memset(a + 1, 0, a->size - sizeof *a);
		if (m->type == NEW_ROUTE && a->type == ROUTE_OUT && a->size >= sizeof *a + 4) is_out = *(uint32_t *)(a + 1) == LOOPBACK;
		at += aligned(a->size);
	}
	return m->type != NEW_ROUTE || is_out;
}

/* One datagram of the kernel's for the step, without what is not the loopback's. */
static void hand_over(const struct stand_in *s, const struct caller *c, unsigned char *from, size_t size, uint16_t asked)
{
	size_t kept = 0;
	for (size_t at = 0; at + sizeof(struct message) <= size;) {
		struct message *m = (struct message *)(from + at);
		if (m->size < sizeof *m || at + m->size > size) break;
		size_t whole = aligned(m->size) < size - at ? aligned(m->size) : size - at;
		at += whole;
		m->port = port_of(s, c);
		if (m->type < NEW_LINK || is_shown(m)) {
			memmove(from + kept, m, whole);
			kept += whole;
		} else if (!(m->flags & OF_SEVERAL)) {
			/* It was asked for by name: there is none. */
			struct { struct message head; int32_t error; struct message of; } none = { .error = asked == GET_ROUTE ? -ENETUNREACH : -ENODEV };
			none.head = (struct message){ sizeof none, ERROR_MESSAGE, 0, m->number, m->port };
			none.of = (struct message){ sizeof none.of, asked, 1, m->number, m->port };
			memcpy(from, &none, kept = sizeof none);
			break;
		}
	}
	if (kept > 0) send(s->far, from, kept, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Asks the kernel what the step asks, and puts the answers where the step reads them. */
int ask_kernel(const struct stand_in *s, const struct caller *c, const unsigned char *question, size_t size)
{
	static _Alignas(8) unsigned char answers[1 << 16];
	const struct message *m = (const struct message *)question;
	int asked = size >= sizeof *m && m->size >= sizeof *m && m->size <= size ? m->type : 0;
	if (asked != GET_LINK && asked != GET_ADDRESS && asked != GET_ROUTE) return refuse_network("asked for more of it than links, addresses and routes");
	int kernel = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0), error = 0;
	if (kernel < 0 || send(kernel, question, m->size, 0) < 0) error = errno;
	for (ssize_t got; !error && (got = recv(kernel, answers, sizeof answers, MSG_DONTWAIT)) > 0;) hand_over(s, c, answers, (size_t)got, (uint16_t)asked);
	if (kernel >= 0) close(kernel);
	return error ? fail(error) : give((int64_t)size);
}

/* The part of /proc/PID/net/NAME that is about the loopback, where it tells of links or connections; GO_ON_UNASKED for others. */
int network_file(int process, const char *name)
{
	static const struct { const char *name; int heading, of_links; } files[] = {
		{ "dev", 2, 1 }, { "if_inet6", 0, 1 }, { "ipv6_route", 0, 1 }, { "tcp", 1, 0 }, { "tcp6", 1, 0 }, { "udp", 1, 0 }, { "udp6", 1, 0 },
		{ "udplite", 1, 0 }, { "udplite6", 1, 0 }, { "raw", 1, 0 }, { "raw6", 1, 0 }, { "route", 1, 0 }, { "arp", 1, 0 }, { "packet", 1, 0 },
	};
	static char text[1 << 18];
	char path[64], *to = text;
	size_t i = 0;
	while (i < sizeof files / sizeof *files && strcmp(name, files[i].name)) i++;
	if (i == sizeof files / sizeof *files) return GO_ON_UNASKED;
	snprintf(path, sizeof path, "net/%s", name);
	if (read_text(process, path, text, sizeof text) < 0) return -1;
	int number = 0, is_counted = !strcmp(name, "dev");
	for (char *line = text, *next; *line; line = next, number++) {
		char *end = strchr(line, '\n');
		next = end ? end + 1 : line + strlen(line);
		size_t length = (size_t)(next - line);
		int is_own = is_counted ? !strncmp(line + strspn(line, " "), "lo:", 3) : files[i].of_links && length > 4 && !strncmp(next - 4, " lo\n", 4);
		if (number >= files[i].heading && !is_own) continue;
		int is_count = is_counted && number >= files[i].heading; /* of what went over it, which was others' */
		if (is_count && length >= sizeof NOTHING_COUNTED - 1) length = sizeof NOTHING_COUNTED - 1;
		memmove(to, is_count ? NOTHING_COUNTED : line, length);
		to += length;
	}
	*to = 0;
	return text_file(text);
}
