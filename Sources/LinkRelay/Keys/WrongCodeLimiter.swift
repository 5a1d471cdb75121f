// Makes guessing six hex digits hopeless: a budget of wrong codes for each address and one for everybody.
//
// Any thread; a lock, held for a few dictionary operations. Time is monotonic and comes in as an argument. Only what was
// wrong costs, a right code gives nothing back, and link keys never come here. A try that is under way counts as wrong until
// it is settled, so that a thousand parallel guesses see no more answers than a thousand in a row.
// Bounded: `prefixCount` addresses (the oldest gives way), `waiterCount` waiting tries. SPDX-License-Identifier: Apache-2.0

package final class WrongCodeLimiter: Sendable {
    /// Addresses remembered; the one that was seen first gives way to a new one.
    package static let prefixCount = 65_536
    /// Tries that may wait for others to be settled; more are refused.
    package static let waiterCount = 1024
    /// After this many wrong codes an address waits twice as long for each further try.
    static let failuresPerDoubling = 10
    static let longestIntervalMilliseconds: Int64 = 3_600_000
    /// An address with no wrong code for a day starts afresh.
    static let memoryMilliseconds: Int64 = 86_400_000
    static let windowMilliseconds: Int64 = 60_000

    struct Entry: Sendable {
        var budget: Int
        var refilledAt: Int64
        var failures = 0
        var lastWrongAt: Int64
        var inFlight = 0
        var serial: UInt64
    }

    struct Waiter: Sendable {
        var prefix: [UInt8]
        var now: Int64
        var continuation: CheckedContinuation<Bool, Never>
    }

    struct State: Sendable {
        var entries: [[UInt8]: Entry] = [:]
        /// Insertion order, for giving way; a pair whose serial is not the entry's is stale.
        var order: [(prefix: [UInt8], serial: UInt64)] = []
        var orderStart = 0
        var nextSerial: UInt64 = 0
        var inFlight = 0
        /// Times of the latest wrong codes, at most `totalPerMinute`.
        var wrongTimes: [Int64] = []
        var wrongCount: UInt64 = 0
        var refusedCount: UInt64 = 0
        var waiters: [Waiter] = []
    }

    enum Verdict { case yes, no, later }

    private let burst: Int
    private let intervalMilliseconds: Int64
    private let totalPerMinute: Int
    private let state = Locked(State())

    /// `burst` wrong codes at once, then one each `interval`; `totalPerMinute` from all addresses together.
    package init(burst: Int = 5, interval: Duration = .seconds(30), totalPerMinute: Int = 60) {
        self.burst = max(1, burst)
        intervalMilliseconds = max(1, interval.wholeMilliseconds)
        self.totalPerMinute = max(1, totalPerMinute)
    }

    /// Wrong codes since the start.
    package var wrongCount: UInt64 { state.withLock { $0.wrongCount } }
    /// Tries refused unread since the start.
    package var refusedCount: UInt64 { state.withLock { $0.refusedCount } }
    var rememberedCount: Int { state.withLock { $0.entries.count } }
    var waitingCount: Int { state.withLock { $0.waiters.count } }

    /// Reserves a try, waiting for those under way if they may use up the budget; false when the budget is spent.
    ///
    /// After true, call `settle` exactly once, whatever happens. Waits as long as the tries under way take.
    package func admit(prefix: [UInt8], now: Int64) async -> Bool {
        await withCheckedContinuation { continuation in
            let answer: Bool? = state.withLock {
                switch verdict(&$0, prefix, now) {
                case .yes:
                    reserve(&$0, prefix, now)
                    return true
                case .later where $0.waiters.count < Self.waiterCount:
                    $0.waiters.append(Waiter(prefix: prefix, now: now, continuation: continuation))
                    return nil
                case .no, .later:
                    $0.refusedCount &+= 1
                    return false
                }
            }
            if let answer { continuation.resume(returning: answer) }
        }
    }

    /// Ends a try that `admit` let through.
    package func settle(prefix: [UInt8], wasWrong: Bool, now: Int64) {
        let answers: [(CheckedContinuation<Bool, Never>, Bool)] = state.withLock {
            $0.inFlight = max(0, $0.inFlight - 1)
            if var entry = $0.entries[prefix] {
                entry.inFlight = max(0, entry.inFlight - 1)
                $0.entries[prefix] = entry
            }
            if wasWrong {
                countWrong(&$0, prefix, now)
            } else if let entry = $0.entries[prefix], entry.failures == 0, entry.inFlight == 0 {
                $0.entries[prefix] = nil
            }
            return wake(&$0, now)
        }
        for (continuation, answer) in answers { continuation.resume(returning: answer) }
    }
}

// The rules; all called with the lock held.
extension WrongCodeLimiter {
    private func verdict(_ state: inout State, _ prefix: [UInt8], _ now: Int64) -> Verdict {
        state.wrongTimes.removeAll { $0 <= now - Self.windowMilliseconds }
        guard state.wrongTimes.count < totalPerMinute else { return .no }
        var budget = burst
        var inFlight = 0
        if var entry = state.entries[prefix] {
            refill(&entry, now)
            state.entries[prefix] = entry
            budget = entry.budget
            inFlight = entry.inFlight
        }
        if budget <= 0 { return .no }
        return inFlight < budget && state.wrongTimes.count + state.inFlight < totalPerMinute ? .yes : .later
    }

    private func refill(_ entry: inout Entry, _ now: Int64) {
        if now - entry.lastWrongAt >= Self.memoryMilliseconds {
            entry.failures = 0
            entry.budget = burst
        }
        guard entry.budget < burst else {
            entry.refilledAt = now
            return
        }
        let interval = waitMilliseconds(failures: entry.failures)
        let gained = max(0, now - entry.refilledAt) / interval
        entry.budget += Int(min(gained, Int64(burst - entry.budget)))
        entry.refilledAt = entry.budget == burst ? now : entry.refilledAt + gained * interval
    }

    /// How long an address with that many wrong codes waits for one more try.
    func waitMilliseconds(failures: Int) -> Int64 {
        var interval = intervalMilliseconds
        for _ in 0..<min(failures / Self.failuresPerDoubling, 32) where interval < Self.longestIntervalMilliseconds {
            interval *= 2
        }
        return min(interval, max(intervalMilliseconds, Self.longestIntervalMilliseconds))
    }

    private func reserve(_ state: inout State, _ prefix: [UInt8], _ now: Int64) {
        state.inFlight += 1
        withEntry(&state, prefix, now) { $0.inFlight += 1 }
    }

    private func countWrong(_ state: inout State, _ prefix: [UInt8], _ now: Int64) {
        state.wrongCount &+= 1
        state.wrongTimes.append(now)
        if state.wrongTimes.count > totalPerMinute { state.wrongTimes.removeFirst() }
        withEntry(&state, prefix, now) { entry in
            refill(&entry, now)
            entry.budget = max(0, entry.budget - 1)
            entry.failures += 1
            entry.lastWrongAt = now
        }
    }

    private func withEntry(_ state: inout State, _ prefix: [UInt8], _ now: Int64, _ change: (inout Entry) -> Void) {
        var entry: Entry
        if let known = state.entries[prefix] {
            entry = known
        } else {
            if state.entries.count >= Self.prefixCount { dropOldest(&state) }
            state.nextSerial &+= 1
            entry = Entry(budget: burst, refilledAt: now, lastWrongAt: now, serial: state.nextSerial)
            state.order.append((prefix, entry.serial))
            compactOrder(&state)
        }
        change(&entry)
        state.entries[prefix] = entry
    }

    private func dropOldest(_ state: inout State) {
        while state.orderStart < state.order.count {
            let (prefix, serial) = state.order[state.orderStart]
            state.orderStart += 1
            if let entry = state.entries[prefix], entry.serial == serial {
                state.entries[prefix] = nil
                return
            }
        }
    }

    /// Keeps the order list within twice the table, stale pairs and all.
    private func compactOrder(_ state: inout State) {
        guard state.order.count > 2 * Self.prefixCount else { return }
        let entries = state.entries
        state.order = state.order[state.orderStart...].filter { entries[$0.prefix]?.serial == $0.serial }
        state.orderStart = 0
    }

    private func wake(_ state: inout State, _ now: Int64) -> [(CheckedContinuation<Bool, Never>, Bool)] {
        guard !state.waiters.isEmpty else { return [] }
        var answers: [(CheckedContinuation<Bool, Never>, Bool)] = []
        let waiters = state.waiters
        state.waiters.removeAll(keepingCapacity: true)
        for waiter in waiters {
            switch verdict(&state, waiter.prefix, max(now, waiter.now)) {
            case .yes:
                reserve(&state, waiter.prefix, now)
                answers.append((waiter.continuation, true))
            case .no:
                state.refusedCount &+= 1
                answers.append((waiter.continuation, false))
            case .later:
                state.waiters.append(waiter)
            }
        }
        return answers
    }
}
