// Is the process alive, should it get traffic, and what does it count.
//
// Any thread. Answers name no user, key or address. Asking must not become a way to make the disk work: the store is probed
// once a second at most, however many ask. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension RestAPI {
    /// `GET /readyz`: 503 while draining or while the store cannot write.
    func readiness() async -> HTTPResponse {
        guard rooms.isAccepting else { return .json(["status": "draining"], status: 503) }
        if let fault = await probe.fault() {
            return .json(["status": "unavailable", "store": .string(fault.rawValue)], status: 503)
        }
        return .json(["status": "ok", "store": "ok"])
    }

    /// `GET /metrics`: what the rooms count, then what this surface counts.
    func metrics() async -> HTTPResponse {
        let text = await rooms.metricsText() + counters.metricsText
        return HTTPResponse(
            status: 200, headers: [("Content-Type", "text/plain; version=0.0.4; charset=utf-8")], body: Array(text.utf8), mayCompress: true)
    }
}

/// The store's last probe, shared by everybody who asks within a second; whoever asks during one waits for it, unless it
/// hangs: a disk that takes seconds is not ready.
actor ReadinessProbe {
    private static let lifeMilliseconds: Int64 = 1000
    private let store: any LinkStore
    private let monotonic: @Sendable () -> Int64
    private let patienceMilliseconds: Int64
    private var running: (since: Int64, task: Task<StoreError.Kind?, Never>)?
    private var last: (at: Int64, fault: StoreError.Kind?)?

    /// - Parameter patienceMilliseconds: a probe that takes longer says that the store is busy.
    init(store: any LinkStore, monotonic: @escaping @Sendable () -> Int64, patienceMilliseconds: Int64 = 2000) {
        self.store = store
        self.monotonic = monotonic
        self.patienceMilliseconds = patienceMilliseconds
    }

    /// Nil when the store can write durably.
    func fault() async -> StoreError.Kind? {
        if running == nil, let last, monotonic() &- last.at < Self.lifeMilliseconds { return last.fault }
        let (since, task) = running ?? begin()
        let left = patienceMilliseconds &- (monotonic() &- since)
        guard left > 0 else { return .busy }
        return await AnswerDeadline.first(within: .milliseconds(left)) { await task.value } otherwise: { .busy }
    }

    private func begin() -> (since: Int64, task: Task<StoreError.Kind?, Never>) {
        let task = Task { () -> StoreError.Kind? in
            var fault: StoreError.Kind?
            do throws(StoreError) { try await store.probe() } catch { fault = error.kind }
            running = nil
            last = (monotonic(), fault)
            return fault
        }
        let begun = (since: monotonic(), task: task)
        running = begun
        return begun
    }
}
