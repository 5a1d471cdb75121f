// The signals a daemon is steered by, as values. A thread of its own waits for them; no code runs in a handler.
//
// `block` must be called on the main thread before any other thread exists: threads inherit the mask, and a signal that some
// thread does not block may be delivered there and end the process. SPDX-License-Identifier: Apache-2.0

import Glibc

package enum DaemonSignal: Int32, Sendable, CaseIterable {
    case hangUp = 1
    case interrupt = 2
    case terminate = 15
}

package enum SignalWaiter {
    /// Blocks the signals of DaemonSignal for this thread and all it starts, and ignores SIGPIPE.
    package static func block() {
        signal(SIGPIPE, SIG_IGN)
        var set = set()
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Hands over every signal that arrives from now on, on the waiting thread. Once in a process; false when there is no thread
    /// to be had.
    package static func start(_ deliver: @escaping @Sendable (DaemonSignal) -> Void) -> Bool {
        let context = Unmanaged.passRetained(Receiver(deliver))
        var thread = pthread_t()
        let isStarted = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                SignalWaiter.run(Unmanaged<Receiver>.fromOpaque(context).takeRetainedValue())
            }, context.toOpaque())
        guard isStarted == 0 else {
            context.release()
            return false
        }
        pthread_detach(thread)
        return true
    }

    private final class Receiver: Sendable {
        let deliver: @Sendable (DaemonSignal) -> Void
        init(_ deliver: @escaping @Sendable (DaemonSignal) -> Void) { self.deliver = deliver }
    }

    private static func run(_ receiver: Receiver) -> Never {
        var set = set()
        while true {
            var number: Int32 = 0
            if sigwait(&set, &number) == 0, let signal = DaemonSignal(rawValue: number) { receiver.deliver(signal) }
        }
    }

    private static func set() -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in DaemonSignal.allCases { sigaddset(&set, signal.rawValue) }
        return set
    }
}
