// A value behind a pthread mutex.
//
// Any thread. The ThreadSanitizer of this toolchain does not see Synchronization.Mutex and reports races that are none; it
// does see pthread_mutex, which costs the same uncontended. Never hold it across an `await` (the closure cannot).
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Shared mutable state with one way in.
///
/// `@unchecked Sendable` holds because `value` is touched inside `withLock` alone, between lock and unlock of `mutex`, and
/// because both what goes in and what comes out are Sendable.
package final class Locked<Value: Sendable>: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private var value: Value

    package init(_ value: Value) {
        self.value = value
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Runs `body` with exclusive access. Not reentrant.
    package func withLock<Result: Sendable, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }
}
