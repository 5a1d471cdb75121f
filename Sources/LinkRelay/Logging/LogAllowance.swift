// How many lines one event may write in a window of time, and the clocks that tell. Any thread.
//
// The table is bounded by the number of event names in the source, since those are constants.
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Time as the log sees it, in milliseconds.
package struct LogClock: Sendable {
    /// Since 1970.
    package var wall: @Sendable () -> Int64
    /// Never goes back.
    package var monotonic: @Sendable () -> Int64

    package init(wall: @escaping @Sendable () -> Int64, monotonic: @escaping @Sendable () -> Int64) {
        self.wall = wall
        self.monotonic = monotonic
    }

    package static let system = LogClock(wall: { read(CLOCK_REALTIME) }, monotonic: { read(CLOCK_MONOTONIC) })

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}

package final class LogAllowance: Sendable {
    private struct Window {
        var startedAt: Int64
        var usedCount = 0
        var leftOutCount = 0
    }

    private struct State {
        var windows: [String: Window] = [:]
        var suppressedCount = 0
    }

    private let lineCount: Int
    private let windowMs: Int64
    private let state = Locked(State())

    /// `lines` (> 0) of each event in each `window`.
    package init(lines: Int = 50, window: Duration = .seconds(10)) {
        lineCount = max(1, lines)
        windowMs = max(1, DurationText.milliseconds(window))
    }

    /// Nil: leave this line out. Else how many of its kind were left out before it.
    func spend(_ event: StaticString, now: Int64) -> Int? {
        let name = event.description
        return state.withLock { state in
            var window = state.windows[name] ?? Window(startedAt: now)
            if now - window.startedAt >= windowMs {
                window = Window(startedAt: now, leftOutCount: window.leftOutCount)
            }
            defer { state.windows[name] = window }
            guard window.usedCount < lineCount else {
                window.leftOutCount += 1
                state.suppressedCount += 1
                return nil
            }
            window.usedCount += 1
            defer { window.leftOutCount = 0 }
            return window.leftOutCount
        }
    }

    var suppressedCount: Int { state.withLock { $0.suppressedCount } }
}
