// Uses files, sockets and memory in ways that a log of strace tells with arguments, paths and addresses.
// What comes of each is in details.tsv and details-y.tsv.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static void files(void)
{
	struct stat status;
	struct termios terminal;
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS };
	int directory, file, null;

	mkdir("d", 0755);
	directory = open("d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	file = openat(directory, "a, \"b\"\n>c<", O_CREAT | O_RDWR | O_TRUNC, 0640);
	ftruncate(file, 10);
	fchmod(file, 0600);
	unlinkat(directory, "a, \"b\"\n>c<", 0);
	fchmod(file, 0644);
	fcntl(file, F_SETFD, FD_CLOEXEC);
	close(fcntl(file, F_DUPFD_CLOEXEC, 100));
	null = open("/dev/null", O_RDWR);
	ioctl(null, TCGETS, &terminal);
	ioctl(null, 0x12345678, 0);
	syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof how);
	open("/nosuch/very/long/path/that/is/longer/than/thirty/two/bytes", O_RDONLY);
	open((char *)8, O_RDONLY);
	chdir("d");
	open("rel", O_RDONLY);
	fchdir(directory);
	chdir("/tmp");
	stat("y", &status);
	rename("q", "w");
	linkat(AT_FDCWD, "/nosuch1", directory, "zz", AT_SYMLINK_FOLLOW);
	symlink("target", "/nosuch/l");
	fchownat(AT_FDCWD, "nn", -1, -1, AT_SYMLINK_NOFOLLOW);
	rmdir("/tmp/details/d");
}

static void sockets(void)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = { htonl(INADDR_LOOPBACK) }
	};
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "\0sandprint, details" };
	struct sockaddr_un path = { .sun_family = AF_UNIX, .sun_path = "nosuch.sock" };
	struct sockaddr_nl netlink = { .nl_family = AF_NETLINK, .nl_groups = 0x11 };
	struct sockaddr none = { 0 };
	struct iovec text = { "hello", 5 };
	struct msghdr message = { .msg_name = &in, .msg_namelen = sizeof in, .msg_iov = &text, .msg_iovlen = 1 };
	struct mmsghdr messages[2] = { { .msg_hdr = message }, { .msg_hdr = message } };
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	int udp = socket(AF_INET, SOCK_DGRAM, 0);
	int six = socket(AF_INET6, SOCK_STREAM, 0);
	int local = socket(AF_UNIX, SOCK_STREAM, 0);
	int route = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	int pair[2];

	connect(tcp, (struct sockaddr *)&in, sizeof in);
	sendto(udp, "x", 1, 0, (struct sockaddr *)&in, sizeof in);
	sendmsg(udp, &message, 0);
	in.sin_port = htons(10);
	sendmmsg(udp, messages, 2, MSG_DONTWAIT);
	connect(udp, (struct sockaddr *)&in, sizeof in);
	sendto(udp, "y", 1, 0, NULL, 0);
	connect(udp, &none, sizeof none);
	bind(six, (struct sockaddr *)&in6, sizeof in6);
	listen(six, 5);
	bind(local, (struct sockaddr *)&name, offsetof(struct sockaddr_un, sun_path) + 19);
	connect(dup(local), (struct sockaddr *)&path, sizeof path);
	bind(route, (struct sockaddr *)&netlink, sizeof netlink);
	socket(AF_PACKET, SOCK_DGRAM, htons(3));
	socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
	listen(0, 5);
	if (fork() == 0) {
		open("inchild", O_RDONLY);
		in.sin_port = htons(11);
		connect(tcp, (struct sockaddr *)&in, sizeof in);
		execl("/nosuch/true", "true", NULL);
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	wait(NULL);
}

int main(void)
{
	int code = open("/bin/true", O_RDONLY);
	int memory = memfd_create("mm", MFD_CLOEXEC);
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(page, 4096, PROT_READ | PROT_EXEC);
	mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, code, 0);
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, memory, 0);
	prctl(PR_SET_NAME, "x");
	prctl(PR_GET_DUMPABLE);
	unshare(CLONE_FS);
	files();
	sockets();
	return 0;
}
