// Whoever asks gets an answer in time, even while the disk hangs.
//
// Any thread. The work goes on after its deadline and has all its effects, so that memory and store keep agreeing; only its answer comes
// too late for anybody. Must never cancel it halfway. One task watches all deadlines, and only while there are any: a sleep of its own for
// each answer would keep its memory until it ends, cancelled or not. SPDX-License-Identifier: Apache-2.0

enum AnswerDeadline {
    private struct Waiting: Sendable {
        let due: ContinuousClock.Instant
        let giveUp: @Sendable () -> Void
    }

    private struct Watch: Sendable {
        var waiting: [UInt64: Waiting] = [:]
        var lastNumber: UInt64 = 0
        var isRunning = false
    }

    private static let watch = Locked(Watch())

    /// What `work` answers, or `otherwise` if that takes longer than `limit` (and up to a quarter of a second more).
    static func first<Answer: Sendable>(
        within limit: Duration, _ work: @escaping @Sendable () async -> Answer, otherwise: @escaping @Sendable () -> Answer
    ) async -> Answer {
        await withCheckedContinuation { (continuation: CheckedContinuation<Answer, Never>) in
            let asker = Locked<CheckedContinuation<Answer, Never>?>(continuation)
            let number = begin(limit) { take(asker)?.resume(returning: otherwise()) }
            Task {
                let answer = await work()
                watch.withLock { $0.waiting[number] = nil }
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
        let (number, isFirst) = watch.withLock { watch in
            watch.lastNumber &+= 1
            watch.waiting[watch.lastNumber] = Waiting(due: .now + limit, giveUp: giveUp)
            defer { watch.isRunning = true }
            return (watch.lastNumber, !watch.isRunning)
        }
        if isFirst { Task { await look() } }
        return number
    }

    private static func look() async {
        var goesOn = true
        while goesOn {
            try? await Task.sleep(for: .milliseconds(250))
            let now = ContinuousClock.now
            let overdue = watch.withLock { watch in
                let overdue = watch.waiting.filter { $0.value.due <= now }
                for number in overdue.keys { watch.waiting[number] = nil }
                goesOn = !watch.waiting.isEmpty
                watch.isRunning = goesOn
                return overdue
            }
            for one in overdue.values { one.giveUp() }
        }
    }
}
