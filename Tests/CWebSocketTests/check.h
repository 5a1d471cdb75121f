/* The C tests' frame: TEST registers a case, CHECK counts a claim, main (check.c) runs all and prints "N passed, M failed".
 *
 * A failed CHECK prints where and goes on. Tests run one after another on the main thread; CHECK is not for other threads.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct check_case {
    const char *name;
    void (*run)(void);
    struct check_case *next;
} check_case;

void check_register(check_case *c);
bool check_claim(bool holds, const char *file, int line, const char *claim, const char *row);

/* Registers itself before main, so a new test_*.c needs no list to be edited. */
#define TEST(id)                                                                                                       \
    static void test_##id(void);                                                                                       \
    static check_case case_##id = {#id, test_##id, NULL};                                                              \
    __attribute__((constructor)) static void register_##id(void) { check_register(&case_##id); }                       \
    static void test_##id(void)

#define CHECK(claim) check_claim((claim), __FILE__, __LINE__, #claim, NULL)
/* With the name of a table's row. */
#define CHECK_ROW(claim, row) check_claim((claim), __FILE__, __LINE__, #claim, (row))

/* A table's row written as a string literal that may hold NUL: its bytes and their number. */
#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

/* A copy of p[0..n) whose last byte lies before a page that may not be touched. One at a time: the next call takes it back.
 * n at most CHECK_GUARDED_MAX. */
#define CHECK_GUARDED_MAX (4u << 20)
uint8_t *check_guarded(const uint8_t *p, size_t n);
/* A second one, to compare with. */
uint8_t *check_guarded_twin(const uint8_t *p, size_t n);

/* splitmix64: the same numbers on every machine. */
uint64_t check_random(uint64_t *state);

#endif
