// Whoever asks gets an answer in time, even while the disk hangs.
//
// Any thread. The work goes on after its deadline and has all its effects, so that memory and store keep agreeing; only its answer comes
// too late for anybody. Must never cancel it halfway. SPDX-License-Identifier: Apache-2.0

enum AnswerDeadline {
    /// What `work` answers, or `otherwise` if that takes longer than `limit`.
    static func first<Answer: Sendable>(
        within limit: Duration, _ work: @escaping @Sendable () async -> Answer, otherwise: @escaping @Sendable () -> Answer
    ) async -> Answer {
        await withCheckedContinuation { (continuation: CheckedContinuation<Answer, Never>) in
            let waiting = Locked<CheckedContinuation<Answer, Never>?>(continuation)
            let timer = Task {
                try? await Task.sleep(for: limit)
                if Task.isCancelled { return }
                if let asker = take(waiting) { asker.resume(returning: otherwise()) }
            }
            Task {
                let answer = await work()
                timer.cancel()
                if let asker = take(waiting) { asker.resume(returning: answer) }
            }
        }
    }

    private static func take<Answer: Sendable>(
        _ waiting: Locked<CheckedContinuation<Answer, Never>?>
    ) -> CheckedContinuation<Answer, Never>? {
        waiting.withLock { asker in
            defer { asker = nil }
            return asker
        }
    }
}
