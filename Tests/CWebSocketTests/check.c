/* Runs the registered tests and counts; see check.h. An argument runs only the tests whose name contains it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PRINTED_MAX 100u

static check_case *first_case;
static const char *current_name = "";
static unsigned long passed_count, failed_count;

void check_register(check_case *c)
{
    check_case **at = &first_case;
    while (*at != NULL && strcmp((*at)->name, c->name) < 0)
        at = &(*at)->next;
    c->next = *at;
    *at = c;
}

bool check_claim(bool holds, const char *file, int line, const char *claim, const char *row)
{
    if (holds) {
        passed_count++;
        return true;
    }
    failed_count++;
    if (failed_count <= PRINTED_MAX)
        printf("FAILED %s (%s:%d)%s%s: %s\n", current_name, file, line, row != NULL ? " row " : "", row != NULL ? row : "",
               claim);
    return false;
}

static uint8_t *guarded(uint8_t **map, const uint8_t *p, size_t n)
{
    if (*map == NULL) {
        void *m = mmap(NULL, CHECK_GUARDED_MAX + (size_t)getpagesize(), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (m == MAP_FAILED || mprotect((uint8_t *)m + CHECK_GUARDED_MAX, (size_t)getpagesize(), PROT_NONE) != 0) {
            perror("guard page");
            exit(2);
        }
        *map = m;
    }
    if (n > CHECK_GUARDED_MAX) {
        fprintf(stderr, "a guarded copy of %zu bytes is too long\n", n);
        exit(2);
    }
    uint8_t *at = *map + CHECK_GUARDED_MAX - n;
    if (n > 0)
        memcpy(at, p, n);
    return at;
}

uint8_t *check_guarded(const uint8_t *p, size_t n)
{
    static uint8_t *map;
    return guarded(&map, p, n);
}

uint8_t *check_guarded_twin(const uint8_t *p, size_t n)
{
    static uint8_t *map;
    return guarded(&map, p, n);
}

uint64_t check_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

int main(int argc, char **argv)
{
    for (check_case *c = first_case; c != NULL; c = c->next) {
        if (argc > 1 && strstr(c->name, argv[1]) == NULL)
            continue;
        const unsigned long failed_before = failed_count, passed_before = passed_count;
        current_name = c->name;
        c->run();
        printf("%-6s %s (%lu)\n", failed_count == failed_before ? "ok" : "FAILED", c->name,
               passed_count + failed_count - passed_before - failed_before);
        fflush(stdout);
    }
    printf("%lu passed, %lu failed\n", passed_count, failed_count);
    return failed_count == 0 && passed_count > 0 ? 0 : 1;
}
