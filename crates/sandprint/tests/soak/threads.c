/* Threads that contend for a lock, and threads that may have ended before anybody waits for them. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long sum;

static void *add(void *number) {
    for (long n = 0; n < 2000; n++) {
        char *memory = malloc(1000);

        pthread_mutex_lock(&lock);
        sum += (long)number + (memory ? 0 : 1);
        pthread_mutex_unlock(&lock);
        free(memory);
    }
    return NULL;
}

static void *nothing(void *unused) {
    return unused;
}

int main(void) {
    pthread_t thread[4];

    for (long n = 0; n < 4; n++)
        if (pthread_create(&thread[n], NULL, add, (void *)n))
            return 1;
    for (long n = 0; n < 4; n++)
        pthread_join(thread[n], NULL);
    for (int n = 0; n < 10; n++) {
        if (pthread_create(&thread[0], NULL, nothing, NULL))
            return 1;
        pthread_join(thread[0], NULL);
    }
    printf("%ld\n", sum);
    return 0;
}
