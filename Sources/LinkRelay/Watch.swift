// Looks after those who wait, again and again, and only while somebody does.
//
// `begin` from any thread; the looking in a task of its own. One sleep serves all who wait: a sleep for each would keep its memory until its
// time is up, even when cancelled. Must never run while nobody waits. SPDX-License-Identifier: Apache-2.0

import Synchronization

final class Watch: Sendable {
    private let isRunning = Atomic<Bool>(false)

    /// To be called after something began to wait. `look` deals with what has waited too long; true: something still waits. It is called every
    /// quarter of a second, must not block, and has to be the same each time.
    func begin(_ look: @escaping @Sendable () -> Bool) {
        if isRunning.exchange(true, ordering: .sequentiallyConsistent) { return }
        Task {
            repeat {
                try? await Task.sleep(for: .milliseconds(250))
                // Before the look: whoever comes too late for it finds nobody watching, and begins anew.
                isRunning.store(false, ordering: .sequentiallyConsistent)
            } while look() && !isRunning.exchange(true, ordering: .sequentiallyConsistent)
        }
    }
}
