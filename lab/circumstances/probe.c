/* Does one thing for which the C library asks the kernel by what it finds: its environment, users, hosts, limits.
 *
 *   probe SUBJECT
 *
 * lab/learn-circumstances compiles it with every C library and runs it in every circumstance. */

#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <iconv.h>
#include <langinfo.h>
#include <locale.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

/* Nothing but what every program does. */
static void start(void) {
}

/* A line of output, by a stream that looks at what it writes to. */
static void print(void) {
    puts("a line");
}

/* A line of input. */
static void input(void) {
    char line[64];

    if (fgets(line, sizeof line, stdin))
        fputs(line, stdout);
}

/* The user's language: characters, order, numbers, times. */
static void language(void) {
    char text[128];
    time_t day = 86400;
    wchar_t wide[16];

    setlocale(LC_ALL, "");
    strftime(text, sizeof text, "%A %x %X", gmtime(&day));
    printf("%s %'d %.2f %d\n", text, 1234567, 0.5, strcoll("a", "B"));
    mbstowcs(wide, text, 15);
    printf("%d %s\n", (int)towupper(L'x'), nl_langinfo(CODESET));
}

/* Messages in the user's language. */
static void message(void) {
    setlocale(LC_ALL, "");
    errno = ENOENT;
    perror("probe");
}

/* Wide characters in and out: conversions of the user's character set. */
static void wide(void) {
    setlocale(LC_ALL, "");
    fputws(L"wide\n", stdout);
    wprintf(L"%ls %lc\n", L"text", (wint_t)L'x');
}

/* Conversions to and from other character sets. */
static void convert(void) {
    const char *sets[] = {"EUC-JP", "ISO-8859-1", "UTF-16", "SHIFT_JIS", "no such set", nl_langinfo(CODESET)};

    setlocale(LC_ALL, "");
    for (unsigned n = 0; n < sizeof sets / sizeof sets[0]; n++) {
        iconv_t to = iconv_open(sets[n], "UTF-8");

        if (to != (iconv_t)-1)
            iconv_close(to);
    }
}

/* The user's time zone. */
static void zone(void) {
    char text[128];
    time_t day = 86400;

    strftime(text, sizeof text, "%c %Z", localtime(&day));
    puts(text);
}

/* Names of users and groups. */
static void user(void) {
    struct passwd *user = getpwuid(getuid());
    struct group *group = getgrgid(getgid());

    printf("%s %s\n", user ? user->pw_name : "nobody knows", group ? group->gr_name : "nobody knows");
    user = getpwnam("root");
    printf("%s\n", user ? user->pw_dir : "nobody knows");
}

/* The groups of a user, as who gives up root asks for them. */
static void groups(void) {
    gid_t ids[64];
    int count = 64;

    getgrouplist("somebody", 4242, ids, &count);
    printf("%d\n", count);
}

/* Addresses of a host. */
static void host(void) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;

    printf("%d", getaddrinfo("localhost", "80", &hints, &found));
    if (found)
        freeaddrinfo(found);
    found = NULL;
    printf(" %d\n", getaddrinfo("host.example", "80", &hints, &found));
    if (found)
        freeaddrinfo(found);
}

/* The same by an older function. */
static void older_host(void) {
    printf("%d", !!gethostbyname("localhost"));
    printf(" %d\n", !!gethostbyname("host.example"));
}

/* The name of an address. */
static void address(void) {
    unsigned char loopback[4] = {127, 0, 0, 1}, other[4] = {192, 0, 2, 1};

    printf("%d", !!gethostbyaddr(loopback, 4, AF_INET));
    printf(" %d\n", !!gethostbyaddr(other, 4, AF_INET));
}

/* Ports and protocols by their names. */
static void service(void) {
    printf("%d %d\n", !!getservbyname("http", "tcp"), !!getprotobyname("tcp"));
}

/* Memory: small, large, growing, given back. */
static void memory(void) {
    static char *blocks[3000];
    char *large = malloc(1 << 20);

    for (int n = 0; n < 3000; n++)
        memset(blocks[n] = malloc(1000), 1, 1000);
    for (int n = 0; n < 3000; n++)
        free(blocks[n]);
    large = realloc(large, 8 << 20);
    if (large)
        memset(large, 1, 8 << 20);
    large = realloc(large, 1 << 20);
    free(large);
    free(malloc(64 << 20));
}

static void *work(void *unused) {
    for (int n = 0; n < 100; n++)
        free(memset(malloc(5000), 1, 5000));
    return unused;
}

/* Threads that ask for memory. */
static void threads(void) {
    pthread_t thread[8];

    for (int n = 0; n < 8; n++)
        if (pthread_create(&thread[n], NULL, work, NULL))
            exit(3);
    for (int n = 0; n < 8; n++)
        pthread_join(thread[n], NULL);
}

/* How many processors there are. */
static void processors(void) {
    printf("%ld %ld\n", sysconf(_SC_NPROCESSORS_ONLN), sysconf(_SC_NPROCESSORS_CONF));
}

/* A file for a while. */
static void temporary(void) {
    FILE *file = tmpfile();

    if (file) {
        fputs("text", file);
        fclose(file);
    }
}

static void end(void) {
    abort();
}

static void asserted(void) {
    volatile int wrong = 1;

    assert(!wrong);
}

/* A buffer that overflows where the compiler looks for that. */
static void __attribute__((noinline)) smashed(void) {
    volatile char buffer[8];
    volatile char *out = buffer;

    for (volatile int n = 0; n < 64; n++)
        out[n] = 'x';
}

/* A block that is freed twice, which an allocator notices. */
static void freed_twice(void) {
    char *volatile block = malloc(100);

    free(block);
    free(block);
}

static const struct {
    const char *name;
    void (*run)(void);
} subjects[] = {
    {"abort", end},           {"address", address},   {"assert", asserted},     {"convert", convert},
    {"free", freed_twice},    {"groups", groups},     {"host", host},           {"input", input},
    {"language", language},   {"memory", memory},     {"message", message},     {"older-host", older_host},
    {"print", print},         {"processors", processors}, {"service", service}, {"smash", smashed},
    {"start", start},         {"temporary", temporary}, {"threads", threads},   {"user", user},
    {"wide", wide},           {"zone", zone},
};

int main(int count, char **words) {
    for (unsigned n = 0; count > 1 && n < sizeof subjects / sizeof subjects[0]; n++)
        if (!strcmp(words[1], subjects[n].name)) {
            subjects[n].run();
            return 0;
        }
    return 2;
}
