// A key service with clocks that stand still, and a store that fails on demand. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

/// A store in front of another; a switch makes every call fail.
final class FailingLinkStore: LinkStore {
    private let store: any LinkStore
    private let failure = Locked<StoreError?>(nil)

    init(_ store: any LinkStore) { self.store = store }

    /// From now on every call throws `error`; nil = works again.
    func fail(with error: StoreError?) { failure.withLock { $0 = error } }

    private func check() throws(StoreError) {
        if let error = failure.withLock({ $0 }) { throw error }
    }

    func probe() async throws(StoreError) { try check(); try await store.probe() }
    func close() async { await store.close() }
    func bindVault(_ mark: SecretHash) async throws(StoreError) -> Bool { try check(); return try await store.bindVault(mark) }
    func changeMark() async throws(StoreError) -> Int64 { try check(); return try await store.changeMark() }
    func users() async throws(StoreError) -> [UserRecord] { try check(); return try await store.users() }
    func addUser(name: String, role: UserRole, now: WallTime) async throws(StoreError) -> UserRecord? {
        try check(); return try await store.addUser(name: name, role: role, now: now)
    }
    func removeUser(_ id: UserID, now: WallTime) async throws(StoreError) -> [InstanceRecord] {
        try check(); return try await store.removeUser(id, now: now)
    }
    func addToken(user: UserID, hash: SecretHash, label: String, scopes: Set<TokenScope>, now: WallTime) async throws(StoreError)
        -> TokenRecord
    { try check(); return try await store.addToken(user: user, hash: hash, label: label, scopes: scopes, now: now) }
    func tokens(of user: UserID) async throws(StoreError) -> [TokenRecord] { try check(); return try await store.tokens(of: user) }
    func removeToken(_ id: Int64, of user: UserID) async throws(StoreError) -> Bool {
        try check(); return try await store.removeToken(id, of: user)
    }
    func tokenOwner(_ hash: SecretHash) async throws(StoreError) -> (UserRecord, TokenRecord)? {
        try check(); return try await store.tokenOwner(hash)
    }
    func touchToken(_ id: Int64, at: WallTime) async throws(StoreError) { try check(); try await store.touchToken(id, at: at) }
    func addTicket(_ hash: SecretHash, user: UserID, expiresAt: WallTime) async throws(StoreError) {
        try check(); try await store.addTicket(hash, user: user, expiresAt: expiresAt)
    }
    func redeemTicket(_ hash: SecretHash, now: WallTime) async throws(StoreError) -> UserRecord? {
        try check(); return try await store.redeemTicket(hash, now: now)
    }
    func addWebSession(_ hash: SecretHash, user: UserID, token: Int64?, expiresAt: WallTime) async throws(StoreError) {
        try check(); try await store.addWebSession(hash, user: user, token: token, expiresAt: expiresAt)
    }
    func webSessionOwner(_ hash: SecretHash, now: WallTime) async throws(StoreError) -> (UserRecord, Set<TokenScope>)? {
        try check(); return try await store.webSessionOwner(hash, now: now)
    }
    func removeWebSession(_ hash: SecretHash) async throws(StoreError) { try check(); try await store.removeWebSession(hash) }
    func removeWebSessions(of user: UserID) async throws(StoreError) { try check(); try await store.removeWebSessions(of: user) }
    func blocks() async throws(StoreError) -> [BlockRecord] {
        try check()
        return try await store.blocks()
    }

    func addBlock(_ subject: BlockSubject, note: String, now: WallTime) async throws(StoreError) -> BlockRecord? {
        try check()
        return try await store.addBlock(subject, note: note, now: now)
    }

    func removeBlock(_ id: Int64) async throws(StoreError) -> Bool {
        try check()
        return try await store.removeBlock(id)
    }

    func instances(of user: UserID) async throws(StoreError) -> [InstanceRecord] {
        try check(); return try await store.instances(of: user)
    }
    func instance(_ id: InstanceID) async throws(StoreError) -> InstanceRecord? { try check(); return try await store.instance(id) }
    func activatedInstances() async throws(StoreError) -> [InstanceRecord] { try check(); return try await store.activatedInstances() }
    func createInstance(user: UserID, name: String?, origin: String?, code: InstanceSecret, limit: Int, now: WallTime)
        async throws(StoreError) -> CreateResult
    {
        try check()
        return try await store.createInstance(user: user, name: name, origin: origin, code: code, limit: limit, now: now)
    }
    func renameInstance(_ id: InstanceID, of user: UserID, name: String) async throws(StoreError) -> Bool {
        try check(); return try await store.renameInstance(id, of: user, name: name)
    }
    func deleteInstance(_ id: InstanceID, of user: UserID, now: WallTime) async throws(StoreError) -> InstanceRecord? {
        try check(); return try await store.deleteInstance(id, of: user, now: now)
    }
    func rekeyInstance(_ id: InstanceID, of user: UserID, code: InstanceSecret, now: WallTime) async throws(StoreError)
        -> RekeyResult
    { try check(); return try await store.rekeyInstance(id, of: user, code: code, now: now) }
    func lookup(_ hash: SecretHash) async throws(StoreError) -> SecretLookup { try check(); return try await store.lookup(hash) }
    func exchange(
        code: SecretHash, by: SecretHash, from: String, newKey: InstanceSecret, repeatableUntil: WallTime, now: WallTime
    )
        async throws(StoreError) -> ExchangeResult
    {
        try check()
        return try await store.exchange(code: code, by: by, from: from, newKey: newKey, repeatableUntil: repeatableUntil, now: now)
    }
    func pairSelf(
        user: UserID, installID: String, name: String?, legacy: [SecretHash], from: String, newKey: InstanceSecret, limit: Int,
        now: WallTime
    ) async throws(StoreError) -> SelfPairResult {
        try check()
        return try await store.pairSelf(
            user: user, installID: installID, name: name, legacy: legacy, from: from, newKey: newKey, limit: limit, now: now)
    }
    func policies() async throws(StoreError) -> [InstanceID: InstancePolicy] { try check(); return try await store.policies() }
    func policy(of id: InstanceID, of user: UserID) async throws(StoreError) -> InstancePolicy? {
        try check(); return try await store.policy(of: id, of: user)
    }
    func setPolicy(_ policy: InstancePolicy, of id: InstanceID, of user: UserID) async throws(StoreError) -> Bool {
        try check(); return try await store.setPolicy(policy, of: id, of: user)
    }
    func touch(_ seen: [InstanceID: WallTime]) async throws(StoreError) { try check(); try await store.touch(seen) }
    func shelveRoom(_ id: InstanceID, _ sealed: [UInt8], at: WallTime) async throws(StoreError) {
        try check(); try await store.shelveRoom(id, sealed, at: at)
    }
    func shelvedRooms() async throws(StoreError) -> Set<InstanceID> {
        try check()
        return try await store.shelvedRooms()
    }

    func shelvedRoom(_ id: InstanceID, notBefore: WallTime) async throws(StoreError) -> [UInt8]? {
        try check(); return try await store.shelvedRoom(id, notBefore: notBefore)
    }
    func unshelveRoom(_ id: InstanceID, notBefore: WallTime) async throws(StoreError) -> [UInt8]? {
        try check(); return try await store.unshelveRoom(id, notBefore: notBefore)
    }
    func expire(now: WallTime, keysIdleSince: WallTime?) async throws(StoreError) -> [InstanceRecord] {
        try check(); return try await store.expire(now: now, keysIdleSince: keysIdleSince)
    }
}

/// A key service on a store of the given kind, with everything a test wants to turn.
struct KeyBench {
    let directory: TemporaryDirectory
    let inner: any LinkStore
    let store: FailingLinkStore
    let vault = KeyVault(master: [UInt8](0..<32))
    let wall = FakeClock(1_800_000_000_000)
    let ticks = FakeClock(1000)
    let limiter: WrongCodeLimiter
    let keys: KeyService
    let user: UserID

    init(_ kind: StoreKind, _ policy: KeyPolicy = KeyPolicy(), limiter: WrongCodeLimiter = WrongCodeLimiter()) async throws {
        (inner, directory) = try kind.open()
        store = FailingLinkStore(inner)
        self.limiter = limiter
        keys = KeyService(
            store: store, vault: vault, policy: policy, wrongCodes: limiter, wallClock: { [wall] in wall.now },
            monotonic: { [ticks] in ticks.now })
        try await keys.preload()
        user = try await store.newUser()
    }

    /// Another service on the same store, as after a restart.
    func restarted(_ policy: KeyPolicy = KeyPolicy()) async throws -> KeyService {
        let keys = KeyService(
            store: store, vault: vault, policy: policy, wrongCodes: limiter, wallClock: { [wall] in wall.now },
            monotonic: { [ticks] in ticks.now })
        try await keys.preload()
        return keys
    }

    /// Both clocks, as time goes by.
    func pass(_ milliseconds: Int64) {
        wall.advance(milliseconds)
        ticks.advance(milliseconds)
    }

    func join(
        _ text: String, _ role: Role = .sd, from host: UInt8 = 1, install: String? = nil, presenter: Presenter? = nil
    ) async throws -> Outcome {
        let credential = try #require(JoinCredential(parsing: text.utf8))
        let address = PeerAddress(family: .v4, bytes: [10, 0, 0, host], port: 1)
        switch try await keys.resolve(credential, role: role, address: address, installID: install, presenter: presenter) {
        case .admitted(let ticket): return .admitted(ticket.room.instance)
        case .exchanged(let ticket, let key, let isRepeat):
            return .exchanged(ticket.room.instance, key: key.hex, isRepeat: isRepeat)
        case .awaitsApproval: return .awaitsApproval
        case .refused(let refusal): return .refused(refusal)
        }
    }

    func exchange(_ code: String, from host: UInt8 = 1, install: String? = nil) async throws -> String {
        guard case .exchanged(_, let key, _) = try await join(code, from: host, install: install) else {
            Issue.record("not exchanged")
            return ""
        }
        return key
    }
}

enum Outcome: Equatable, Sendable {
    case admitted(InstanceID)
    case exchanged(InstanceID, key: String, isRepeat: Bool)
    case awaitsApproval
    case refused(JoinRefusal)
}
