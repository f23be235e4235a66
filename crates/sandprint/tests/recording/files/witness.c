/*
 * One way to have to do with files, or with sockets, for each word that it is called with, in an empty folder. What is
 * recorded of each is written in witness.rs. A call that must succeed and does not ends it with status 1;
 * what this machine may not let it do, with status 77.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CANNOT 77

static int must(int result, const char *what)
{
	if (result >= 0)
		return result;
	perror(what);
	exit(1);
}
#define MUST(call) must(call, #call)

static void can(int result, const char *what)
{
	if (!result)
		return;
	perror(what);
	exit(CANNOT);
}
#define CAN(call) can(call, #call)

static void make(const char *path)
{
	close(MUST(open(path, O_CREAT | O_EXCL | O_WRONLY, 0700)));
}

/* Makes a script. */
static void script(const char *path, const char *text)
{
	int file = MUST(open(path, O_CREAT | O_EXCL | O_WRONLY, 0700));

	if (write(file, text, strlen(text)) < 0)
		exit(1);
	close(file);
}

static void wait_for(pid_t child)
{
	int status;

	MUST(waitpid(MUST(child), &status, 0));
	if (status)
		exit(1);
}

/* ---- where a path begins ------------------------------------------------------------------------ */

static void begins(void)
{
	char path[4096];
	int folder, file;

	MUST(mkdir("d", 0700));
	make("d/relative");
	folder = MUST(open("d", O_RDONLY | O_DIRECTORY));
	close(MUST(openat(folder, "of-descriptor", O_CREAT | O_EXCL | O_RDWR, 0600)));
	if (!getcwd(path, 4000))
		exit(1);
	strcat(path, "/d/absolute");
	make(path);
	/* The descriptor does not matter. */
	close(MUST(openat(folder, path, O_RDONLY)));
	file = MUST(openat(999, path, O_RDONLY));
	MUST(access("d//.///../d/dots", F_OK) == -1 ? 0 : -1);
	MUST(fstatat(folder, "", &(struct stat){}, AT_EMPTY_PATH));
	MUST(fchownat(file, "", -1, -1, AT_EMPTY_PATH));
	MUST(futimens(folder, NULL));
	if (open("", O_RDONLY) != -1 || mkdirat(folder, "", 0) != -1 || fchownat(folder, "", 0, 0, 0) != -1)
		exit(1);
	if (openat(999, "of-no-descriptor", O_RDONLY) != -1 || openat(file, "of-a-file", O_RDONLY) != -1)
		exit(1);
	MUST(linkat(file, "", AT_FDCWD, "linked", AT_EMPTY_PATH));
	MUST(fchdir(folder));
	close(MUST(open("../d/relative", O_WRONLY)));
	MUST(chdir(".."));
	close(MUST(open("./d/relative", O_WRONLY | O_APPEND)));
}

/* The same path of two processes, in different folders. */
static void two_folders(void)
{
	pid_t child;

	for (int i = 0; i < 2; i++) {
		MUST(mkdir(i ? "one" : "two", 0700));
		child = fork();
		if (!child) {
			MUST(chdir(i ? "one" : "two"));
			make("same");
			if (access("nothing", F_OK) != -1)
				exit(1);
			exit(0);
		}
		wait_for(child);
	}
}

/* ---- what open is asked for --------------------------------------------------------------------- */

static void opened(void)
{
	static const struct {
		const char *path;
		int flags;
	} opens[] = {
		{"made", O_CREAT | O_RDWR},
		{"made", O_CREAT | O_RDONLY},
		{"emptied", O_CREAT | O_WRONLY | O_EXCL},
		{"emptied", O_WRONLY | O_TRUNC},
		{"appended", O_CREAT | O_EXCL | O_WRONLY | O_APPEND},
		{"d", O_RDONLY},
		{"d/.", O_RDONLY | O_DIRECTORY},
		{"/dev/null", O_WRONLY | O_TRUNC | O_CREAT},
	};

	MUST(mkdir("d", 0700));
	for (unsigned i = 0; i < sizeof(opens) / sizeof(*opens); i++)
		close(MUST(open(opens[i].path, opens[i].flags, 0600)));
	make("known");
	close(MUST(open("known", O_PATH)));
	make("neither");
	close(MUST(open("neither", 3)));
	close(MUST(creat("created", 0600)));
	if (open("made", O_CREAT | O_EXCL | O_WRONLY) != -1 || open("none", O_RDWR | O_TRUNC) != -1 ||
	    open("made", O_RDONLY | O_DIRECTORY) != -1 || open("none/made", O_CREAT | O_RDONLY) != -1)
		exit(1);
}

/* openat2 has its flags in memory. */
static void in_memory(void)
{
	struct open_how how = {.flags = O_CREAT | O_EXCL | O_WRONLY, .mode = 0600};
	int folder;

	MUST(mkdir("d", 0700));
	folder = MUST(open("d", O_PATH));
	CAN(syscall(SYS_openat2, folder, "made", &how, sizeof(how)) < 0);
	how = (struct open_how){.flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT};
	MUST(syscall(SYS_openat2, folder, "/made", &how, sizeof(how)));
	how = (struct open_how){.flags = O_RDONLY, .resolve = RESOLVE_BENEATH};
	if (syscall(SYS_openat2, folder, "../d/made", &how, sizeof(how)) != -1 || errno != EXDEV)
		exit(1);
}

/* What is done by descriptors. */
static void by_descriptor(void)
{
	int file = MUST(open("file", O_CREAT | O_EXCL | O_RDWR, 0700)), null = MUST(open("/dev/null", O_RDONLY));

	MUST(ftruncate(file, 4096));
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) == MAP_FAILED)
		exit(1);
	make("read");
	if (mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, MUST(open("read", O_RDONLY)), 0) == MAP_FAILED)
		exit(1);
	if (ioctl(null, TIOCGWINSZ, &(struct winsize){}) != -1 || ioctl(file, TIOCGWINSZ, &(struct winsize){}) != -1)
		exit(1);
}

/* ---- names, and links --------------------------------------------------------------------------- */

static void named(void)
{
	make("old");
	MUST(rename("old", "new"));
	MUST(link("new", "second"));
	MUST(symlink("anything", "link"));
	MUST(mkfifo("fifo", 0600));
	MUST(mknod("node", S_IFSOCK | 0600, 0));
	MUST(truncate("new", 3));
	MUST(chmod("new", 0600));
	MUST(unlink("second"));
	MUST(mkdir("d", 0700));
	MUST(rmdir("d"));
	if (rename("none", "nowhere") != -1 || rmdir("new") != -1 || unlink("none") != -1)
		exit(1);
}

/* What links lead to is known where something is opened. */
static void links(void)
{
	char end[16];

	make("file");
	MUST(symlink("file", "c"));
	MUST(symlink("c", "b"));
	MUST(symlink("b", "a"));
	close(MUST(open("a", O_RDONLY)));
	MUST(chmod("b", 0600));
	MUST(readlink("c", end, sizeof(end)));
	if (open("a", O_RDONLY | O_NOFOLLOW) != -1 || errno != ELOOP)
		exit(1);
	MUST(mkdir("d", 0700));
	MUST(symlink("d", "to-d"));
	make("to-d/inside");
	MUST(symlink("loop", "loop"));
	if (access("loop", F_OK) != -1)
		exit(1);
}

/* A folder above is renamed between two uses. */
static void renamed_above(void)
{
	int folder;

	MUST(mkdir("A", 0700));
	make("A/f");
	folder = MUST(open("A", O_PATH));
	close(MUST(openat(folder, "f", O_RDONLY)));
	if (faccessat(folder, "none", F_OK, 0) != -1)
		exit(1);
	MUST(rename("A", "B"));
	close(MUST(openat(folder, "f", O_RDONLY)));
	if (faccessat(folder, "none", F_OK, 0) != -1)
		exit(1);
	close(MUST(open("B/f", O_WRONLY)));
}

static void hostile_names(void)
{
	make("new\nline");
	make("tab\there");
	make("back\\slash");
	make("no\xff\xc3text");
	make("\033[31mred");
	make("\xc3\xa4");
	make(" space ");
}

/* A path as long as one may be, of few names and of very many. */
static void long_paths(void)
{
	static char path[4096], step[256];
	size_t length = 0;

	/* Found by its whole path. */
	memset(step, 'n', 255);
	if (!getcwd(path, sizeof(path)))
		exit(1);
	length = strlen(path);
	while (length + 257 < 4090) {
		path[length++] = '/';
		memset(path + length, 'n', 255);
		length += 255;
		path[length] = 0;
		MUST(mkdir(path, 0700));
	}
	path[length++] = '/';
	memset(path + length, 'e', 4095 - length);
	path[4095] = 0;
	make(path);
	path[4094] = 'x';
	if (access(path, F_OK) != -1 || errno != ENOENT)
		exit(1);
	/* One that is too long is no path. */
	path[4094] = 'e';
	{
		static char longer[5000];

		memset(longer, 'l', 4999);
		if (open(longer, O_RDONLY) != -1 || errno != ENAMETOOLONG)
			exit(1);
	}
}

static void deep_paths(void)
{
	static char path[4096];
	size_t length = 0;

	for (int i = 0; i < 200; i++) {
		length += sprintf(path + length, "%d/", i);
		MUST(mkdir(path, 0700));
	}
	strcpy(path + length, "file");
	make(path);
	path[length] = 0;
	MUST(chdir(path));
	make("relative");
	if (access("none", F_OK) != -1)
		exit(1);
}

/* ---- what is not where it was ------------------------------------------------------------------- */

static void deleted(void)
{
	char name[64];
	int file, folder;

	file = MUST(open("file", O_CREAT | O_EXCL | O_RDWR, 0600));
	MUST(unlink("file"));
	sprintf(name, "/proc/self/fd/%d", file);
	close(MUST(open(name, O_WRONLY)));
	MUST(mkdir("d", 0700));
	MUST(chdir("d"));
	folder = MUST(open(".", O_PATH));
	MUST(rmdir("../d"));
	if (open("lost", O_CREAT | O_WRONLY, 0600) != -1 || faccessat(folder, "lost", F_OK, 0) != -1)
		exit(1);
	MUST(access(".", F_OK));
}

static void nowhere(void)
{
	char name[64];
	int ends[2], memory = MUST(memfd_create("nowhere", 0));

	MUST(ftruncate(memory, 4096));
	sprintf(name, "/proc/self/fd/%d", memory);
	close(MUST(open(name, O_RDONLY)));
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, memory, 0) == MAP_FAILED)
		exit(1);
	MUST(pipe(ends));
	sprintf(name, "/proc/self/fd/%d", ends[1]);
	close(MUST(open(name, O_WRONLY)));
	close(MUST(open(".", O_TMPFILE | O_RDWR, 0600)));
}

static void reopened(void)
{
	char name[64];
	int file;

	make("file");
	file = MUST(open("file", O_PATH));
	sprintf(name, "/proc/self/fd/%d", file);
	close(MUST(open(name, O_RDWR)));
	sprintf(name, "/dev/fd/%d", file);
	MUST(chmod(name, 0600));
}

/* ---- mounts and roots --------------------------------------------------------------------------- */

static void own_mounts(void)
{
	CAN(unshare(CLONE_NEWNS));
	MUST(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

static void bound(void)
{
	int folder;

	MUST(mkdir("d", 0700));
	MUST(mkdir("mounted", 0700));
	make("d/file");
	own_mounts();
	MUST(mount("d", "mounted", NULL, MS_BIND, NULL));
	folder = MUST(open("mounted", O_RDONLY | O_DIRECTORY));
	close(MUST(open("mounted/file", O_RDONLY)));
	close(MUST(openat(folder, "made", O_CREAT | O_EXCL | O_WRONLY, 0600)));
	if (access("mounted/none", F_OK) != -1 || faccessat(folder, "../none", F_OK, 0) != -1)
		exit(1);
	close(MUST(open("d/file", O_WRONLY)));
	MUST(umount2("mounted", MNT_DETACH));
	close(MUST(openat(folder, "file", O_WRONLY | O_APPEND)));
}

static void overlaid(void)
{
	MUST(mkdir("low", 0700));
	MUST(mkdir("up", 0700));
	MUST(mkdir("work", 0700));
	MUST(mkdir("all", 0700));
	make("low/file");
	own_mounts();
	CAN(mount("overlay", "all", "overlay", 0, "lowerdir=low,upperdir=up,workdir=work"));
	close(MUST(open("all/file", O_WRONLY)));
	make("all/made");
	MUST(unlink("all/file"));
}

static void rooted(void)
{
	int outside;

	MUST(mkdir("root", 0700));
	MUST(mkdir("root/inner-folder", 0700));
	make("root/inner-folder/inner-file");
	outside = MUST(open(".", O_PATH));
	CAN(chroot("root"));
	close(MUST(open("/inner-folder/inner-file", O_RDONLY)));
	/* The working directory is outside still. */
	make("outer-file");
	MUST(chdir("/"));
	close(MUST(open("inner-folder/inner-file", O_WRONLY)));
	MUST(chdir("inner-folder"));
	if (access("../../../inner-none", F_OK) != -1)
		exit(1);
	make("inner-made");
	close(MUST(openat(outside, "outer-file", O_WRONLY)));
	close(MUST(openat(outside, "root/inner-folder/inner-file", O_WRONLY | O_APPEND)));
}

/* ---- execution ---------------------------------------------------------------------------------- */

static void run(const char *path)
{
	pid_t child = vfork();

	if (!child) {
		execl(path, path, (char *)NULL);
		_exit(0);
	}
	wait_for(child);
}

static void executed(void)
{
	char text[5000];

	MUST(symlink("/bin/true", "program"));
	run("./program");
	script("script", "#!/bin/true\n");
	run("./script");
	if (!getcwd(text + 2, 4000))
		exit(1);
	memcpy(text, "#!", 2);
	strcat(text, "/script\n");
	script("script-of-script", text);
	MUST(symlink("script-of-script", "to-script"));
	run("./to-script");
	/* These fail. */
	run("./none");
	script("no-interpreter", "#!/none/at/all\n");
	run("./no-interpreter");
	script("no-program", "nothing\n");
	run("./no-program");
	script("not-allowed", "#!/bin/true\n");
	MUST(chmod("not-allowed", 0));
	run("./not-allowed");
	run(".");
}

static void executed_by_descriptor(void)
{
	static char *const words[] = {"x", NULL}, *const none[] = {NULL};
	static const char *const names[] = {"script", "program", "program", "", "", "none", ""};
	int folder, file;

	MUST(mkdir("d", 0700));
	script("d/script", "#!/bin/true\n");
	script("d/nameless", "#!/bin/true\n");
	script("d/no-program", "nothing\n");
	MUST(symlink("/bin/true", "d/program"));
	folder = MUST(open("d", O_RDONLY | O_DIRECTORY));
	for (int i = 0; i < 7; i++) {
		pid_t child = fork();

		if (!child) {
			file = folder;
			/* Not what it was when the call began, once it is executed: then it is closed. */
			if (i == 2)
				file = fcntl(folder, F_DUPFD_CLOEXEC, 50);
			if (i == 3)
				file = open("d/nameless", O_RDONLY);
			if (i == 4)
				file = open("d/program", O_PATH | O_CLOEXEC);
			if (i == 6)
				file = open("d/no-program", O_PATH | O_CLOEXEC);
			syscall(SYS_execveat, file, names[i], words, none, *names[i] ? 0 : AT_EMPTY_PATH);
			_exit(i < 5);
		}
		wait_for(child);
	}
}

/* ---- sockets ------------------------------------------------------------------------------------ */

static socklen_t unix_address(struct sockaddr_un *address, const char *name, size_t length)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, name, length);
	return offsetof(struct sockaddr_un, sun_path) + length;
}

static int unix_socket(int type)
{
	return MUST(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
}

static void unix_sockets(void)
{
	struct sockaddr_un address;
	socklen_t length;
	char path[4096];
	int pair[2], listening;

	/* By a path, relative and absolute. The NUL need not be there, and what is behind it means nothing. */
	length = unix_address(&address, "relative", 8);
	listening = unix_socket(SOCK_STREAM);
	MUST(bind(listening, (void *)&address, length));
	MUST(listen(listening, 1));
	length = unix_address(&address, "relative\0behind", 15);
	MUST(connect(unix_socket(SOCK_STREAM), (void *)&address, length));
	if (!getcwd(path, 4000))
		exit(1);
	strcat(path, "/absolute");
	if (strlen(path) > 107)
		exit(CANNOT);
	length = unix_address(&address, path, strlen(path) + 1);
	MUST(bind(unix_socket(SOCK_DGRAM), (void *)&address, length));
	MUST(sendto(unix_socket(SOCK_DGRAM), "x", 1, 0, (void *)&address, length));
	length = unix_address(&address, "none", 5);
	if (connect(unix_socket(SOCK_STREAM), (void *)&address, length) != -1 || errno != ENOENT)
		exit(1);
	/* A name beside the file system, which has a NUL inside. */
	length = unix_address(&address, "\0sandprint\0test", 15);
	MUST(bind(unix_socket(SOCK_SEQPACKET), (void *)&address, length));
	/* The kernel chooses one. */
	MUST(bind(unix_socket(SOCK_DGRAM), (void *)&address, 2));
	/* Nobody is reached. */
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	MUST(send(pair[0], "x", 1, 0));
	if (listen(0, 1) != -1 || listen(999, 1) != -1)
		exit(1);
}

static struct sockaddr_in inet(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static void inet_sockets(void)
{
	struct sockaddr_in address = inet(0), closed = inet(9);
	struct sockaddr_in6 of6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
	struct iovec byte = {.iov_base = "x", .iov_len = 1};
	struct msghdr message = {.msg_iov = &byte, .msg_iovlen = 1};
	struct mmsghdr many[70] = {};
	struct sockaddr_in each[70];
	int server, client;

	server = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	MUST(bind(server, (void *)&address, sizeof(address)));
	MUST(listen(server, 1));
	/* Nobody listens there. */
	client = MUST(socket(AF_INET, SOCK_STREAM, IPPROTO_TCP));
	if (connect(client, (void *)&closed, sizeof(closed)) != -1)
		exit(1);
	client = MUST(socket(AF_INET, SOCK_DGRAM, 0));
	closed = inet(50001);
	MUST(sendto(client, "x", 1, 0, (void *)&closed, sizeof(closed)));
	closed = inet(50002);
	message.msg_name = &closed;
	message.msg_namelen = sizeof(closed);
	MUST(sendmsg(client, &message, 0));
	for (int i = 0; i < 70; i++) {
		each[i] = inet(50100 + i);
		many[i].msg_hdr = message;
		many[i].msg_hdr.msg_name = &each[i];
	}
	if (MUST(sendmmsg(client, many, 3, 0)) != 3)
		exit(1);
	closed = inet(50003);
	MUST(connect(client, (void *)&closed, sizeof(closed)));
	closed.sin_family = AF_UNSPEC;
	MUST(connect(client, (void *)&closed, sizeof(closed)));
	/* To a peer that it has, no address is given. */
	of6.sin6_addr = in6addr_loopback;
	client = socket(AF_INET6, SOCK_DGRAM, 0);
	if (client < 0)
		exit(CANNOT);
	CAN(connect(client, (void *)&of6, sizeof(of6)));
	send(client, "x", 1, 0);
	/* Of version 4 inside version 6. */
	memcpy(&of6.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
	client = MUST(socket(AF_INET6, SOCK_DGRAM, 0));
	MUST(connect(client, (void *)&of6, sizeof(of6)));
	if (socket(AF_INET, SOCK_STREAM, 250) != -1 || socket(77, SOCK_STREAM, 0) != -1)
		exit(1);
}

/* More messages in one call than most programs send. */
static void many_messages(void)
{
	struct iovec byte = {.iov_base = "x", .iov_len = 1};
	struct mmsghdr many[100] = {};
	struct sockaddr_in each[100];
	int client = MUST(socket(AF_INET, SOCK_DGRAM, 0));

	for (int i = 0; i < 100; i++) {
		each[i] = inet(50100 + i % 50);
		many[i].msg_hdr.msg_iov = &byte;
		many[i].msg_hdr.msg_iovlen = 1;
		many[i].msg_hdr.msg_name = &each[i];
		many[i].msg_hdr.msg_namelen = sizeof(each[i]);
	}
	if (MUST(sendmmsg(client, many, 100, 0)) != 100)
		exit(1);
}

static void netlink(void)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK};
	struct {
		struct nlmsghdr head;
		char body[16];
	} request = {.head = {.nlmsg_len = sizeof(request), .nlmsg_type = NLMSG_NOOP}};
	int talk = MUST(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));

	address.nl_groups = 1;
	MUST(bind(talk, (void *)&address, sizeof(address)));
	address.nl_groups = 0;
	MUST(sendto(talk, &request, sizeof(request), 0, (void *)&address, sizeof(address)));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *word;
		void (*does)(void);
	} modes[] = {
		{"begins", begins},
		{"two-folders", two_folders},
		{"opened", opened},
		{"in-memory", in_memory},
		{"by-descriptor", by_descriptor},
		{"named", named},
		{"links", links},
		{"renamed-above", renamed_above},
		{"hostile-names", hostile_names},
		{"long-paths", long_paths},
		{"deep-paths", deep_paths},
		{"deleted", deleted},
		{"nowhere", nowhere},
		{"reopened", reopened},
		{"bound", bound},
		{"overlaid", overlaid},
		{"rooted", rooted},
		{"executed", executed},
		{"executed-by-descriptor", executed_by_descriptor},
		{"unix-sockets", unix_sockets},
		{"inet-sockets", inet_sockets},
		{"many-messages", many_messages},
		{"netlink", netlink},
	};

	for (unsigned i = 0; argc == 2 && i < sizeof(modes) / sizeof(*modes); i++) {
		if (!strcmp(argv[1], modes[i].word)) {
			modes[i].does();
			return 0;
		}
	}
	return 1;
}
