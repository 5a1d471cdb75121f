// One thread, one epoll: the executor on which a shard and everything it owns lives.
//
// Jobs may be enqueued from any thread; they run on the loop's thread between readiness batches. This file and its
// neighbours in Loop/ are the only ones that import CWebSocket, and the only ones that claim `@unchecked Sendable`.
// SPDX-License-Identifier: Apache-2.0

import CWebSocket
import Glibc

package final class EventLoop: SerialExecutor, @unchecked Sendable {
    // Proof for @unchecked: `raw` is set once in init; every C function called through it here is documented
    // "any thread", except in methods marked "loop thread".
    let raw: OpaquePointer
    let index: Int
    /// Where the callbacks find the shard; written once before the thread starts, read on it.
    let box = ShardBox()

    /// Nil when memory or descriptors ran out.
    init?(index: Int, limits: cws_limits) {
        var limits = limits
        var handlers = Callbacks.make()
        let context = Unmanaged.passUnretained(box).toOpaque()
        guard let raw = cws_loop_new(&limits, &handlers, context, UInt16(truncatingIfNeeded: index)) else { return nil }
        self.raw = raw
        self.index = index
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let box = Unmanaged.passRetained(JobBox(UnownedJob(job), self))
        let status = cws_loop_post(
            raw,
            { argument in
                guard let argument else { return }
                let box = Unmanaged<JobBox>.fromOpaque(argument).takeRetainedValue()
                box.job.runSynchronously(on: box.loop.asUnownedSerialExecutor())
            }, box.toOpaque())
        switch status {
        case CWS_OK: return
        // The loop has ended, and the process ends: who still comes with an answer waits in vain.
        case CWS_WRONG_STATE: box.release()
        // A lost job would hang whoever awaits it; running out of memory for 32 bytes ends the process instead.
        default: abort()
        }
    }

    package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
    package func checkIsolated() { precondition(isCurrent, "not on the loop's thread") }
    package var isCurrent: Bool { cws_loop_is_current(raw) }

    /// Starts the thread; it ends after `stop()`. `onExit` runs on that thread, last.
    func start(onExit: @escaping @Sendable () -> Void) -> Bool {
        let box = Unmanaged.passRetained(ThreadBox(self, onExit))
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let box = Unmanaged<ThreadBox>.fromOpaque(argument).takeRetainedValue()
                ThreadName.set("loop \(box.loop.index)")
                cws_loop_run(box.loop.raw)
                box.onExit()
                return nil
            }, box.toOpaque())
        if status != 0 {
            box.release()
            return false
        }
        pthread_detach(thread)
        return true
    }

    /// Any thread. Pending jobs run first.
    func stop() { cws_loop_stop(raw) }

    /// Loop thread: milliseconds on the monotonic clock, read once a turn.
    var nowMs: UInt64 { cws_loop_now_ms(raw) }
    /// Loop thread: memory of all messages that wait anywhere and of unfinished input.
    var heldBytes: Int { Int(clamping: cws_loop_held_bytes(raw)) }
    /// Loop thread.
    func setAlarm(atMs: UInt64) { cws_loop_set_alarm(raw, atMs) }

    deinit { cws_loop_free(raw) }
}

private final class JobBox {
    let job: UnownedJob
    let loop: EventLoop
    init(_ job: UnownedJob, _ loop: EventLoop) {
        self.job = job
        self.loop = loop
    }
}

private final class ThreadBox: Sendable {
    let loop: EventLoop
    let onExit: @Sendable () -> Void
    init(_ loop: EventLoop, _ onExit: @escaping @Sendable () -> Void) {
        self.loop = loop
        self.onExit = onExit
    }
}
