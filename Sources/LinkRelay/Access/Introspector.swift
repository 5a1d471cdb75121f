// Who a token of the identity provider belongs to, asked of the provider and remembered for a minute.
//
// Any thread; questions are put one after the other on a thread of their own. Bounded: so many remembered, so many waiting. While
// the provider is away nobody is told that a token is bad, and it is not asked again at once. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

package final class Introspector: Sendable {
    /// Nobody could say.
    struct Unavailable: Error {}

    static let lifeMilliseconds: Int64 = 60_000
    /// After a failed question, how long the next ones are not even put.
    static let pauseMilliseconds: Int64 = 1000
    static let rememberedCount = 4096
    static let waitingCount = 64

    /// Puts one question after the other.
    private final class Asker: ThreadWorker {
        static let batchCount = 1
        static let threadName = "introspection"
        func work(_ batch: [@Sendable () -> Void]) { for question in batch { question() } }
    }

    private struct Entry {
        var identity: OutsideIdentity?
        var until: Int64
    }

    private struct State {
        var entries: [[UInt8]: Entry] = [:]
        var waiting = 0
        var pausedUntil = Int64.min
    }

    private let service: IntrospectionService
    private let thread: WorkerThread<Asker>
    private let monotonic: @Sendable () -> Int64
    private let wallClock: @Sendable () -> WallTime
    private let ask: @Sendable (IntrospectionService, String) -> [UInt8]?
    private let state = Locked(State())

    package convenience init?(
        _ service: IntrospectionService, wallClock: @escaping @Sendable () -> WallTime,
        monotonic: @escaping @Sendable () -> Int64
    ) {
        self.init(service, wallClock: wallClock, monotonic: monotonic) { IntrospectionCall.ask($0, token: $1) }
    }

    /// `ask` stands in for the provider in tests. Nil when no thread can be had.
    init?(
        _ service: IntrospectionService, wallClock: @escaping @Sendable () -> WallTime,
        monotonic: @escaping @Sendable () -> Int64, ask: @escaping @Sendable (IntrospectionService, String) -> [UInt8]?
    ) {
        guard let thread = WorkerThread.start(Asker()) else { return nil }
        self.thread = thread
        self.service = service
        self.monotonic = monotonic
        self.wallClock = wallClock
        self.ask = ask
    }

    deinit { thread.stop() }

    /// Nil for a token that the provider does not vouch for.
    func identity(of token: String) async throws(Unavailable) -> OutsideIdentity? {
        guard let digest = Crypto.sha256(Array(token.utf8)) else { throw Unavailable() }
        if let known = remembered(digest) { return known.identity }
        let now = monotonic()
        let mayAsk = state.withLock { state in
            guard now >= state.pausedUntil, state.waiting < Self.waitingCount else { return false }
            state.waiting += 1
            return true
        }
        guard mayAsk else { throw Unavailable() }
        let answer = await withCheckedContinuation { continuation in
            let isQueued = thread.submit { [service, ask] in continuation.resume(returning: ask(service, token)) }
            if !isQueued { continuation.resume(returning: nil) }
        }
        guard let answer, let verdict = verdict(answer) else {
            state.withLock {
                $0.waiting -= 1
                $0.pausedUntil = monotonic().addingClamped(Self.pauseMilliseconds)
            }
            throw Unavailable()
        }
        remember(digest, verdict)
        return verdict.identity
    }

    private func remembered(_ digest: [UInt8]) -> Entry? {
        let now = monotonic()
        return state.withLock { $0.entries[digest].flatMap { $0.until > now ? $0 : nil } }
    }

    private func remember(_ digest: [UInt8], _ entry: Entry) {
        let now = monotonic()
        state.withLock { state in
            state.waiting -= 1
            if state.entries.count >= Self.rememberedCount { state.entries = state.entries.filter { $0.value.until > now } }
            if state.entries.count >= Self.rememberedCount { state.entries.removeAll(keepingCapacity: true) }
            state.entries[digest] = entry
        }
    }

    /// What an answer says, and for how long; nil for one that says nothing.
    private func verdict(_ bytes: [UInt8]) -> Entry? {
        guard let value = try? JSONValue(parsing: bytes), let isActive = value["active"]?.boolValue else { return nil }
        let until = monotonic().addingClamped(Self.lifeMilliseconds)
        guard isActive, let name = value[service.userClaim]?.stringValue else { return Entry(identity: nil, until: until) }
        var entry = Entry(identity: OutsideIdentity(name: name, scopes: JSONWebToken.scopes(value)), until: until)
        if let end = JSONWebToken.seconds(value["exp"]) {
            let left = end.addingClamped(-(wallClock() / 1000))
            if left <= 0 { return Entry(identity: nil, until: until) }
            entry.until = min(until, monotonic().addingClamped(min(left, 3600) * 1000))
        }
        return entry
    }
}
