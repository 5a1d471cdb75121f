// The rows of MemoryLinkStore and the rules among them, the same as the SQL's.
//
// A value; whoever holds the store's lock. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

struct MemoryTables: Sendable {
    /// A ticket or a web session.
    struct Pass: Sendable {
        var user: UserID
        /// The token that a web session was opened with.
        var token: Int64?
        var expiresAt: WallTime
    }

    struct Instance: Sendable {
        var record: InstanceRecord
        var wasActivated: Bool
        /// When the code was to run out when it was made; a newer code may end it sooner.
        var givenUntil: WallTime?
    }

    struct SpentCode: Sendable {
        var instance: InstanceID
        var exchangedBy: SecretHash
        var repeatableUntil: WallTime
        var spentAt: WallTime
    }

    struct Tombstone: Sendable {
        var isCode: Bool
        var buriedAt: WallTime
    }

    var isClosed = false
    var vaultMark: SecretHash?
    var users: [UserID: UserRecord] = [:]
    var tokens: [SecretHash: TokenRecord] = [:]
    var tickets: [SecretHash: Pass] = [:]
    var webSessions: [SecretHash: Pass] = [:]
    var instances: [InstanceID: Instance] = [:]
    var spent: [SecretHash: SpentCode] = [:]
    var tombstones: [SecretHash: Tombstone] = [:]
    var blocks: [Int64: BlockRecord] = [:]
    var shelvedRooms: [InstanceID: (sealed: [UInt8], at: WallTime)] = [:]
    var policies: [InstanceID: InstancePolicy] = [:]
    /// The instance that a code or link key opens.
    private var openedBy: [SecretHash: InstanceID] = [:]
    private var lastID: Int64 = 0

    /// Never given twice.
    mutating func nextID() -> Int64 {
        lastID += 1
        return lastID
    }

    func require(_ user: UserID) throws(StoreError) {
        if users[user] == nil { throw StoreError(.io, "no such user") }
    }

    func owner(of pass: Pass?, now: WallTime, life: Int64) -> UserRecord? {
        guard let pass, StoreRules.isAlive(expiresAt: pass.expiresAt, now: now, life: life) else { return nil }
        return users[pass.user]
    }

    func instances(of user: UserID) -> [InstanceRecord] {
        instances.values.map(\.record).filter { $0.user == user }.sorted { $0.id < $1.id }
    }

    func live(_ hash: SecretHash) -> Instance? { openedBy[hash].flatMap { instances[$0] } }

    func isTaken(_ hash: SecretHash) -> Bool { openedBy[hash] != nil || spent[hash] != nil }

    func lookup(_ hash: SecretHash) -> SecretLookup {
        if let row = live(hash) { return .live(row.record) }
        if let code = spent[hash], let row = instances[code.instance] {
            return .spent(row.record, exchangedBy: code.exchangedBy, repeatableUntil: code.repeatableUntil)
        }
        return tombstones[hash] == nil ? .unknown : .tombstone
    }

    mutating func insert(_ record: InstanceRecord) {
        openedBy[record.secret.hash] = record.id
        instances[record.id] = Instance(
            record: record, wasActivated: record.isActivated, givenUntil: Self.expiry(of: record.secret))
    }

    /// The former secret opens nothing from now on, and no earlier code is repeatable.
    mutating func setSecret(of row: Instance, to secret: InstanceSecret) -> InstanceRecord {
        var row = row
        openedBy[row.record.secret.hash] = nil
        openedBy[secret.hash] = row.record.id
        row.record.secret = secret
        if !row.record.isActivated {
            row.record.pairedAt = nil
            row.record.pairedFrom = nil
        }
        row.wasActivated = row.wasActivated || row.record.isActivated
        row.givenUntil = Self.expiry(of: secret)
        instances[row.record.id] = row
        for (hash, code) in spent where code.instance == row.record.id { spent[hash]?.repeatableUntil = 0 }
        return row.record
    }

    mutating func remove(_ record: InstanceRecord, now: WallTime) {
        if record.isActivated { tombstones[record.secret.hash] = Tombstone(isCode: false, buriedAt: now) }
        openedBy[record.secret.hash] = nil
        instances[record.id] = nil
        policies[record.id] = nil
        spent = spent.filter { $0.value.instance != record.id }
    }

    mutating func removeUser(_ id: UserID, now: WallTime) -> [InstanceRecord] {
        let records = instances(of: id)
        for record in records { remove(record, now: now) }
        users[id] = nil
        tokens = tokens.filter { $0.value.user != id }
        tickets = tickets.filter { $0.value.user != id }
        webSessions = webSessions.filter { $0.value.user != id }
        blocks = blocks.filter { $0.value.subject != .user(id) }
        return records
    }

    mutating func limitOpenCodes(of user: UserID, keeping id: InstanceID, now: WallTime) {
        let open = instances(of: user).compactMap { record -> (InstanceRecord, SealedKey, WallTime)? in
            guard record.id != id, case .code(_, let sealed, let expiresAt) = record.secret, expiresAt > now else { return nil }
            return (record, sealed, expiresAt)
        }
        let newestFirst = open.sorted { ($0.2, $0.0.id) > ($1.2, $1.0.id) }
        for (record, sealed, _) in newestFirst.dropFirst(StoreRules.openCodeCount - 1) {
            instances[record.id]?.record.secret = .code(hash: record.secret.hash, sealed: sealed, expiresAt: now)
        }
    }

    mutating func pairSelf(
        user: UserID, installID: String, name: String?, legacy: [SecretHash], from: String, newKey: InstanceSecret,
        _ limit: Int, _ now: WallTime
    ) throws(StoreError) -> SelfPairResult {
        let own = instances.values.first { $0.record.user == user && $0.record.installID == installID }
        let former = own ?? legacy.compactMap { live($0) }.first { $0.record.user == user }
        var record: InstanceRecord
        if let former {
            record = setSecret(of: former, to: newKey)
        } else {
            let count = instances(of: user).count
            if limit > 0 && count >= limit { return .limitReached(count: count) }
            try require(user)
            record = InstanceRecord(
                id: InstanceID(nextID()), user: user, name: nil, secret: newKey, origin: nil, installID: nil,
                isOAuthPaired: true, createdAt: now, lastSeenAt: nil)
            insert(record)
        }
        record.installID = installID
        record.name = name ?? record.name
        record.isOAuthPaired = true
        record.lastSeenAt = now
        record.pairedAt = now
        record.pairedFrom = from
        instances[record.id]?.record = record
        return .paired(record, wasKnown: former != nil)
    }

    mutating func expire(now: WallTime, keysIdleSince: WallTime?) -> [InstanceRecord] {
        let rows = instances.values.sorted { $0.record.id < $1.record.id }
        let unused = rows.filter { !$0.wasActivated && ($0.givenUntil ?? .max) <= now }.map(\.record)
        for record in unused { tombstones[record.secret.hash] = Tombstone(isCode: true, buriedAt: now) }
        var idle: [InstanceRecord] = []
        if let keysIdleSince {
            idle = rows.map(\.record).filter { $0.isActivated && ($0.lastSeenAt ?? $0.createdAt) < keysIdleSince }
        }
        for record in unused + idle { remove(record, now: now) }
        let codesSince = now.addingClamped(-StoreRules.codeTombstoneMilliseconds)
        let keysSince = now.addingClamped(-StoreRules.keyTombstoneMilliseconds)
        spent = spent.filter { $0.value.spentAt >= codesSince }
        tombstones = tombstones.filter { $0.value.buriedAt >= ($0.value.isCode ? codesSince : keysSince) }
        tickets = tickets.filter { $0.value.expiresAt > now }
        let shelvedSince = now.addingClamped(-StoreRules.shelvedRoomMilliseconds)
        shelvedRooms = shelvedRooms.filter { $0.value.at >= shelvedSince && instances[$0.key] != nil }
        webSessions = webSessions.filter { $0.value.expiresAt > now }
        return unused + idle
    }

    private static func expiry(of secret: InstanceSecret) -> WallTime? {
        if case .code(_, _, let expiresAt) = secret { expiresAt } else { nil }
    }
}
