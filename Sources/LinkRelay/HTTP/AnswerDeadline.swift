// Whoever asks gets an answer in time, even while the disk hangs.
//
// Any thread. The work goes on after its deadline and has all its effects, so that memory and store keep agreeing; only its answer comes
// too late for anybody. Must never cancel it halfway. One Watch looks after all deadlines. SPDX-License-Identifier: Apache-2.0

enum AnswerDeadline {
    private struct Waiting: Sendable {
        let due: ContinuousClock.Instant
        let giveUp: @Sendable () -> Void
    }

    private struct State: Sendable {
        var waiting: [UInt64: Waiting] = [:]
        var lastNumber: UInt64 = 0
    }

    private static let state = Locked(State())
    private static let watch = Watch()

    /// What `work` answers, or `otherwise` if that takes longer than `limit` (and up to a quarter of a second more).
    static func first<Answer: Sendable>(
        within limit: Duration, _ work: @escaping @Sendable () async -> Answer, otherwise: @escaping @Sendable () -> Answer
    ) async -> Answer {
        await withCheckedContinuation { (continuation: CheckedContinuation<Answer, Never>) in
            let asker = Locked<CheckedContinuation<Answer, Never>?>(continuation)
            let number = begin(limit) { take(asker)?.resume(returning: otherwise()) }
            Task {
                let answer = await work()
                state.withLock { $0.waiting[number] = nil }
                take(asker)?.resume(returning: answer)
            }
        }
    }

    private static func take<Answer: Sendable>(
        _ asker: Locked<CheckedContinuation<Answer, Never>?>
    ) -> CheckedContinuation<Answer, Never>? {
        asker.withLock { asker in
            defer { asker = nil }
            return asker
        }
    }

    private static func begin(_ limit: Duration, _ giveUp: @escaping @Sendable () -> Void) -> UInt64 {
        let number = state.withLock { state in
            state.lastNumber &+= 1
            state.waiting[state.lastNumber] = Waiting(due: .now + limit, giveUp: giveUp)
            return state.lastNumber
        }
        watch.begin(giveUpOverdue)
        return number
    }

    /// True: others still wait.
    @Sendable private static func giveUpOverdue() -> Bool {
        let now = ContinuousClock.now
        let (overdue, goesOn) = state.withLock { state in
            let overdue = state.waiting.filter { $0.value.due <= now }
            for number in overdue.keys { state.waiting[number] = nil }
            return (overdue, !state.waiting.isEmpty)
        }
        for one in overdue.values { one.giveUp() }
        return goesOn
    }
}
