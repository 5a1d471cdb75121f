// Carries finished lines to a descriptor on a thread of its own, so that a full pipe never holds up a loop.
//
// `add` is called on any thread and only ever takes a lock; the writer's thread is the only one that may block. The queue is
// bounded: past it lines are dropped, counted, and the count is written once there is room again.
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Sendable: `state` is touched with `mutex` held, `descriptor` and `droppedLine` never change.
package final class LogWriter: @unchecked Sendable {
    private struct State {
        var lines: [[UInt8]] = []
        var queuedBytes = 0
        /// Taken by the thread and not yet on the descriptor.
        var isWriting = false
        var unreportedCount = 0
        var droppedCount = 0
        var isClosed = false
    }

    private let descriptor: Int32
    private let ceilingBytes: Int
    /// Makes the line that reports how many were dropped.
    private let droppedLine: @Sendable (Int) -> [UInt8]
    private var state = State()
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    /// `descriptor` is borrowed for the life of the process. Lives until `close`, since its thread holds it.
    package init(
        descriptor: Int32, ceilingBytes: Int = 1 << 20, droppedLine: @escaping @Sendable (_ count: Int) -> [UInt8]
    ) {
        self.descriptor = descriptor
        self.ceilingBytes = ceilingBytes
        self.droppedLine = droppedLine
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
        changed.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(changed, &attributes)
        pthread_condattr_destroy(&attributes)
        startThread()
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    /// Queues one whole line; false when it was dropped.
    @discardableResult
    package func add(_ line: [UInt8]) -> Bool {
        locked {
            guard !state.isClosed, state.queuedBytes + line.count <= ceilingBytes else {
                state.droppedCount += 1
                state.unreportedCount += 1
                return false
            }
            state.lines.append(line)
            state.queuedBytes += line.count
            pthread_cond_broadcast(changed)
            return true
        }
    }

    /// Lines lost since the start.
    package var droppedCount: Int { locked { state.droppedCount } }

    /// Waits until everything queued is written, at most `milliseconds`; false when that was not enough.
    @discardableResult
    package func flush(milliseconds: Int) -> Bool {
        var deadline = timespec()
        clock_gettime(CLOCK_MONOTONIC, &deadline)
        let nanoseconds = deadline.tv_nsec + (milliseconds % 1000) * 1_000_000
        deadline.tv_sec += milliseconds / 1000 + nanoseconds / 1_000_000_000
        deadline.tv_nsec = nanoseconds % 1_000_000_000
        return locked {
            while !state.lines.isEmpty || state.isWriting || state.unreportedCount > 0 {
                if pthread_cond_timedwait(changed, mutex, &deadline) != 0 { return false }
            }
            return true
        }
    }

    /// Flushes for at most a second, then ends the thread. Later lines are dropped.
    package func close() {
        flush(milliseconds: 1000)
        locked {
            state.isClosed = true
            pthread_cond_broadcast(changed)
        }
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    private func startThread() {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let isStarted = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                ThreadName.set("log")
                Unmanaged<LogWriter>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        guard isStarted == 0 else {
            // Without a thread there is no log; everything else still works, and `droppedCount` says so.
            context.release()
            state.isClosed = true
            return
        }
        pthread_detach(thread)
    }

    private func run() {
        while let lines = next() {
            for line in lines where !write(line) { locked { state.droppedCount += 1 } }
            locked {
                state.isWriting = false
                pthread_cond_broadcast(changed)
            }
        }
    }

    /// What is to be written now, waiting for it; nil at the end.
    private func next() -> [[UInt8]]? {
        locked {
            while state.lines.isEmpty && state.unreportedCount == 0 {
                if state.isClosed { return nil }
                pthread_cond_wait(changed, mutex)
            }
            if state.isClosed { return nil }
            var lines = state.lines
            if state.unreportedCount > 0 { lines.append(droppedLine(state.unreportedCount)) }
            state.lines = []
            state.queuedBytes = 0
            state.unreportedCount = 0
            state.isWriting = true
            return lines
        }
    }

    /// All of `line`, however long that takes; false when the descriptor takes nothing any more.
    private func write(_ line: [UInt8]) -> Bool {
        line.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.write(descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done)
                if count > 0 {
                    done += count
                } else if errno == EAGAIN {
                    // Somebody else made the shared description non-blocking.
                    var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    _ = poll(&wait, 1, -1)
                } else if errno != EINTR {
                    return false
                }
            }
            return true
        }
    }
}
