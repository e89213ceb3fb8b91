/* Output of a step. */
#include "launcher.h"

/*
 * Node's "pipes" are sockets, and a socket cannot be opened again as /dev/stdout; so the step gets true
 * pipes, and this program moves their bytes on.
 */
void open_stream(struct stream *s, int to)
{
	if (pipe2(s->pipe, O_CLOEXEC) < 0) die("make a pipe");
	s->to = fcntl(to, F_DUPFD_CLOEXEC, 4);
	if (s->to < 0 || fcntl(s->to, F_SETFL, O_NONBLOCK) < 0 || fcntl(s->pipe[0], F_SETFL, O_NONBLOCK) < 0) die("make a pipe");
	s->blocked = 0;
}

void close_stream(struct stream *s)
{
	close(s->pipe[0]);
	s->pipe[0] = -1;
}

/* Moves what there is; at the end of the pipe, or when nobody listens any more, closes it. */
void pump(struct stream *s)
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
