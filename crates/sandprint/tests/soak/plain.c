/* Does what most programs do: reads a file, prints in its user's language and time zone, and asks for memory. */

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int main(void) {
    char line[128];
    time_t day = 86400;
    FILE *file = fopen("data/text", "r");
    char *memory = malloc(1 << 20);

    setlocale(LC_ALL, "");
    if (!file || !memory)
        return 1;
    while (fgets(line, sizeof line, file))
        fputs(line, stdout);
    fclose(file);
    strftime(line, sizeof line, "%A %x %X", localtime(&day));
    puts(line);
    memset(memory, 1, 1 << 20);
    free(memory);
    return 0;
}
