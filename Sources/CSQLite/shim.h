// What Swift cannot see of sqlite3.h because it is a macro.
#pragma once
#include <sqlite3.h>
#include <stdint.h>

/// SQLITE_TRANSIENT is a cast macro, invisible to Swift: binds a private copy of the bytes.
static inline int lr_sqlite_bind_blob_copy(sqlite3_stmt *s, int i, const void *p, int n) {
    return sqlite3_bind_blob(s, i, n == 0 ? "" : p, n, SQLITE_TRANSIENT);
}
static inline int lr_sqlite_bind_text_copy(sqlite3_stmt *s, int i, const char *p, int n) {
    return sqlite3_bind_text(s, i, p, n, SQLITE_TRANSIENT);
}
