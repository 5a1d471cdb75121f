// The signals a daemon is steered by, as values. The main thread does nothing else than wait for them; no code runs in a
// signal handler.
//
// `block` must come before any other thread exists: threads inherit the mask, and a signal that some thread does not block may
// be delivered there and end the process. For the same reason the main thread must never run an asynchronous `main`: the
// runtime parks it with every signal unblocked. SPDX-License-Identifier: Apache-2.0

import Glibc

package enum DaemonSignal: Int32, Sendable, CaseIterable {
    case hangUp = 1
    case interrupt = 2
    case terminate = 15
}

package enum SignalWaiter {
    private static let receiver = Locked<(@Sendable (DaemonSignal) -> Void)?>(nil)

    /// Blocks the signals of DaemonSignal for this thread and all that it starts, and ignores two: of a peer that
    /// is gone (SIGPIPE) and of a file that may not grow (SIGXFSZ) the failing call itself tells.
    package static func block() {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
        var set = set()
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// From now on `deliver` gets the signals, on the main thread. Before, and for a command that never asks, they end the
    /// process as they do by default.
    package static func receive(_ deliver: @escaping @Sendable (DaemonSignal) -> Void) {
        receiver.withLock { $0 = deliver }
    }

    /// Waits on the calling thread for ever.
    package static func wait() -> Never {
        var set = set()
        while true {
            var number: Int32 = 0
            guard sigwait(&set, &number) == 0, let signal = DaemonSignal(rawValue: number) else { continue }
            guard let deliver = receiver.withLock({ $0 }) else { exit(128 + number) }
            deliver(signal)
        }
    }

    private static func set() -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in DaemonSignal.allCases { sigaddset(&set, signal.rawValue) }
        return set
    }
}
