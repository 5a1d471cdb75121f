// A store that works until it is told to fail or to wait: what the surface makes of it is what the tests are about.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

@testable import LinkRelay

/// The memory store behind a switch.
final class SwitchedStore: LinkStore {
    private struct State {
        var fault: StoreError?
        var probeCount = 0
        var isHeld = false
        var waiting: [CheckedContinuation<Void, Never>] = []
        var arrival: CheckedContinuation<Void, Never>?
    }

    private let inner = MemoryLinkStore()
    private let state = Locked(State())

    /// How often the store was asked to prove itself.
    var probeCount: Int { state.withLock { $0.probeCount } }

    /// From now on every call fails like that; nil = works again.
    func fail(_ kind: StoreError.Kind?) { state.withLock { $0.fault = kind.map { StoreError($0, "told to") } } }

    /// From now on probes do not return before `release`.
    func hold() { state.withLock { $0.isHeld = true } }

    func release() {
        let waiting = state.withLock { state in
            state.isHeld = false
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Returns once a probe is being held.
    func probeArrives() async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.waiting.isEmpty { state.arrival = continuation }
                return !state.waiting.isEmpty
            }
            if isThere { continuation.resume() }
        }
    }

    private func check() throws(StoreError) {
        if let fault = state.withLock({ $0.fault }) { throw fault }
    }

    private func pause() async {
        guard state.withLock({ $0.isHeld }) else { return }
        await withCheckedContinuation { continuation in
            let arrival = state.withLock { state in
                state.waiting.append(continuation)
                defer { state.arrival = nil }
                return state.arrival
            }
            arrival?.resume()
        }
    }

    func probe() async throws(StoreError) {
        state.withLock { $0.probeCount += 1 }
        await pause()
        try check()
        try await inner.probe()
    }

    func close() async {
        await inner.close()
    }

    func bindVault(_ mark: SecretHash) async throws(StoreError) -> Bool {
        try check()
        return try await inner.bindVault(mark)
    }

    func changeMark() async throws(StoreError) -> Int64 {
        try check()
        return try await inner.changeMark()
    }

    func users() async throws(StoreError) -> [UserRecord] {
        try check()
        return try await inner.users()
    }

    func addUser(name: String, role: UserRole, now: WallTime) async throws(StoreError) -> UserRecord? {
        try check()
        return try await inner.addUser(name: name, role: role, now: now)
    }

    func removeUser(_ id: UserID, now: WallTime) async throws(StoreError) -> [InstanceRecord] {
        try check()
        return try await inner.removeUser(id, now: now)
    }

    func addToken(
        user: UserID, hash: SecretHash, label: String, scopes: Set<TokenScope>, now: WallTime
    ) async throws(StoreError) -> TokenRecord {
        try check()
        return try await inner.addToken(user: user, hash: hash, label: label, scopes: scopes, now: now)
    }

    func tokens(of user: UserID) async throws(StoreError) -> [TokenRecord] {
        try check()
        return try await inner.tokens(of: user)
    }

    func removeToken(_ id: Int64, of user: UserID) async throws(StoreError) -> Bool {
        try check()
        return try await inner.removeToken(id, of: user)
    }

    func tokenOwner(_ hash: SecretHash) async throws(StoreError) -> (UserRecord, TokenRecord)? {
        try check()
        return try await inner.tokenOwner(hash)
    }

    func touchToken(_ id: Int64, at: WallTime) async throws(StoreError) {
        try check()
        try await inner.touchToken(id, at: at)
    }

    func addTicket(_ hash: SecretHash, user: UserID, expiresAt: WallTime) async throws(StoreError) {
        try check()
        try await inner.addTicket(hash, user: user, expiresAt: expiresAt)
    }

    func redeemTicket(_ hash: SecretHash, now: WallTime) async throws(StoreError) -> UserRecord? {
        try check()
        return try await inner.redeemTicket(hash, now: now)
    }

    func addWebSession(_ hash: SecretHash, user: UserID, token: Int64?, expiresAt: WallTime) async throws(StoreError) {
        try check()
        try await inner.addWebSession(hash, user: user, token: token, expiresAt: expiresAt)
    }

    func webSessionOwner(_ hash: SecretHash, now: WallTime) async throws(StoreError) -> (UserRecord, Set<TokenScope>)? {
        try check()
        return try await inner.webSessionOwner(hash, now: now)
    }

    func removeWebSession(_ hash: SecretHash) async throws(StoreError) {
        try check()
        try await inner.removeWebSession(hash)
    }

    func removeWebSessions(of user: UserID) async throws(StoreError) {
        try check()
        try await inner.removeWebSessions(of: user)
    }

    func blocks() async throws(StoreError) -> [BlockRecord] {
        try check()
        return try await inner.blocks()
    }

    func addBlock(_ subject: BlockSubject, note: String, now: WallTime) async throws(StoreError) -> BlockRecord? {
        try check()
        return try await inner.addBlock(subject, note: note, now: now)
    }

    func removeBlock(_ id: Int64) async throws(StoreError) -> Bool {
        try check()
        return try await inner.removeBlock(id)
    }

    func instances(of user: UserID) async throws(StoreError) -> [InstanceRecord] {
        try check()
        return try await inner.instances(of: user)
    }

    func instance(_ id: InstanceID) async throws(StoreError) -> InstanceRecord? {
        try check()
        return try await inner.instance(id)
    }

    func activatedInstances() async throws(StoreError) -> [InstanceRecord] {
        try check()
        return try await inner.activatedInstances()
    }

    func createInstance(
        user: UserID, name: String?, origin: String?, code: InstanceSecret, limit: Int, now: WallTime
    ) async throws(StoreError) -> CreateResult {
        try check()
        return try await inner.createInstance(user: user, name: name, origin: origin, code: code, limit: limit, now: now)
    }

    func renameInstance(_ id: InstanceID, of user: UserID, name: String) async throws(StoreError) -> Bool {
        try check()
        return try await inner.renameInstance(id, of: user, name: name)
    }

    func deleteInstance(_ id: InstanceID, of user: UserID, now: WallTime) async throws(StoreError) -> InstanceRecord? {
        try check()
        return try await inner.deleteInstance(id, of: user, now: now)
    }

    func rekeyInstance(
        _ id: InstanceID, of user: UserID, code: InstanceSecret, now: WallTime
    ) async throws(StoreError) -> RekeyResult {
        try check()
        return try await inner.rekeyInstance(id, of: user, code: code, now: now)
    }

    func lookup(_ hash: SecretHash) async throws(StoreError) -> SecretLookup {
        try check()
        return try await inner.lookup(hash)
    }

    func exchange(
        code: SecretHash, by exchangedBy: SecretHash, from: String, newKey: InstanceSecret, repeatableUntil: WallTime, now: WallTime
    ) async throws(StoreError) -> ExchangeResult {
        try check()
        return try await inner.exchange(
            code: code, by: exchangedBy, from: from, newKey: newKey, repeatableUntil: repeatableUntil, now: now)
    }

    func pairSelf(
        user: UserID, installID: String, name: String?, legacy: [SecretHash], from: String, newKey: InstanceSecret, limit: Int,
        now: WallTime
    ) async throws(StoreError) -> SelfPairResult {
        try check()
        return try await inner.pairSelf(
            user: user, installID: installID, name: name, legacy: legacy, from: from, newKey: newKey, limit: limit, now: now)
    }

    func policies() async throws(StoreError) -> [InstanceID: InstancePolicy] {
        try check()
        return try await inner.policies()
    }

    func policy(of id: InstanceID, of user: UserID) async throws(StoreError) -> InstancePolicy? {
        try check()
        return try await inner.policy(of: id, of: user)
    }

    func setPolicy(_ policy: InstancePolicy, of id: InstanceID, of user: UserID) async throws(StoreError) -> Bool {
        try check()
        return try await inner.setPolicy(policy, of: id, of: user)
    }

    func touch(_ seen: [InstanceID: WallTime]) async throws(StoreError) {
        try check()
        try await inner.touch(seen)
    }

    func shelveRoom(_ id: InstanceID, _ sealed: [UInt8], at: WallTime) async throws(StoreError) {
        try check()
        try await inner.shelveRoom(id, sealed, at: at)
    }

    func shelvedRooms() async throws(StoreError) -> Set<InstanceID> {
        try check()
        return try await inner.shelvedRooms()
    }

    func shelvedRoom(_ id: InstanceID, notBefore: WallTime) async throws(StoreError) -> [UInt8]? {
        try check()
        return try await inner.shelvedRoom(id, notBefore: notBefore)
    }

    func unshelveRoom(_ id: InstanceID, notBefore: WallTime) async throws(StoreError) -> [UInt8]? {
        try check()
        return try await inner.unshelveRoom(id, notBefore: notBefore)
    }

    func expire(now: WallTime, keysIdleSince: WallTime?) async throws(StoreError) -> [InstanceRecord] {
        try check()
        return try await inner.expire(now: now, keysIdleSince: keysIdleSince)
    }
}
