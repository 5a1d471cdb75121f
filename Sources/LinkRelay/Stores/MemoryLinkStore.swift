// The same contract without a disk: for trying the relay out, and for tests. Forgets everything when the process ends.
//
// Any thread; a lock around plain dictionaries (MemoryTables). Never fails, except as SQLite would for a user that is not
// there. SPDX-License-Identifier: Apache-2.0

package import LinkProtocol

package final class MemoryLinkStore: LinkStore {
    private let tables = Locked(MemoryTables())

    package init() {}

    func run<Answer: Sendable>(
        _ body: (inout MemoryTables) throws(StoreError) -> Answer
    ) throws(StoreError) -> Answer {
        try tables.withLock { (tables) throws(StoreError) in
            if tables.isClosed { throw StoreError(.closed, "the store is closed") }
            return try body(&tables)
        }
    }

    package func probe() async throws(StoreError) { try run { (_) throws(StoreError) in } }
    package func close() async { tables.withLock { $0.isClosed = true } }

    package func bindVault(_ mark: SecretHash) async throws(StoreError) -> Bool {
        try run { (tables) throws(StoreError) in
            if tables.vaultMark == nil { tables.vaultMark = mark }
            return tables.vaultMark == mark
        }
    }

    /// Nobody else writes here.
    package func changeMark() async throws(StoreError) -> Int64 { try run { (_) throws(StoreError) in 0 } }

    // Users, tokens, the page's sign-in.

    package func users() async throws(StoreError) -> [UserRecord] {
        try run { (tables) throws(StoreError) in tables.users.values.sorted { $0.id.rawValue < $1.id.rawValue } }
    }

    package func addUser(name: String, role: UserRole, now: WallTime) async throws(StoreError) -> UserRecord? {
        try run { (tables) throws(StoreError) in
            if tables.users.values.contains(where: { $0.name == name }) { return nil }
            let record = UserRecord(id: UserID(tables.nextID()), name: name, role: role, createdAt: now)
            tables.users[record.id] = record
            return record
        }
    }

    package func removeUser(_ id: UserID, now: WallTime) async throws(StoreError) -> [InstanceRecord] {
        try run { (tables) throws(StoreError) in tables.removeUser(id, now: now) }
    }

    package func addToken(
        user: UserID, hash: SecretHash, label: String, scopes: Set<TokenScope>, now: WallTime
    ) async throws(StoreError) -> TokenRecord {
        try run { (tables) throws(StoreError) in
            try tables.require(user)
            let record = TokenRecord(
                id: tables.nextID(), user: user, label: label, scopes: scopes, createdAt: now, lastUsedAt: nil)
            tables.tokens[hash] = record
            return record
        }
    }

    package func tokens(of user: UserID) async throws(StoreError) -> [TokenRecord] {
        try run { (tables) throws(StoreError) in
            tables.tokens.values.filter { $0.user == user }.sorted { $0.id < $1.id }
        }
    }

    package func removeToken(_ id: Int64, of user: UserID) async throws(StoreError) -> Bool {
        try run { (tables) throws(StoreError) in
            guard let hash = tables.tokens.first(where: { $0.value.id == id && $0.value.user == user })?.key else {
                return false
            }
            tables.tokens[hash] = nil
            tables.webSessions = tables.webSessions.filter { $0.value.token != id }
            return true
        }
    }

    package func tokenOwner(_ hash: SecretHash) async throws(StoreError) -> (UserRecord, TokenRecord)? {
        try run { (tables) throws(StoreError) in
            guard let token = tables.tokens[hash], let user = tables.users[token.user] else { return nil }
            return (user, token)
        }
    }

    package func touchToken(_ id: Int64, at: WallTime) async throws(StoreError) {
        try run { (tables) throws(StoreError) in
            guard let hash = tables.tokens.first(where: { $0.value.id == id })?.key else { return }
            let former = tables.tokens[hash]?.lastUsedAt ?? at
            tables.tokens[hash]?.lastUsedAt = max(former, at)
        }
    }

    package func addTicket(_ hash: SecretHash, user: UserID, expiresAt: WallTime) async throws(StoreError) {
        try run { (tables) throws(StoreError) in
            try tables.require(user)
            tables.tickets[hash] = MemoryTables.Pass(user: user, expiresAt: expiresAt)
        }
    }

    package func redeemTicket(_ hash: SecretHash, now: WallTime) async throws(StoreError) -> UserRecord? {
        try run { (tables) throws(StoreError) in
            let pass = tables.tickets.removeValue(forKey: hash)
            return tables.owner(of: pass, now: now, life: StoreRules.ticketLifeMilliseconds)
        }
    }

    package func addWebSession(
        _ hash: SecretHash, user: UserID, token: Int64?, expiresAt: WallTime
    ) async throws(StoreError) {
        try run { (tables) throws(StoreError) in
            try tables.require(user)
            tables.webSessions[hash] = MemoryTables.Pass(user: user, token: token, expiresAt: expiresAt)
        }
    }

    package func webSessionOwner(
        _ hash: SecretHash, now: WallTime
    ) async throws(StoreError) -> (UserRecord, Set<TokenScope>)? {
        try run { (tables) throws(StoreError) in
            let pass = tables.webSessions[hash]
            guard let user = tables.owner(of: pass, now: now, life: StoreRules.webSessionLifeMilliseconds) else { return nil }
            guard let token = pass?.token else { return (user, Set(TokenScope.allCases)) }
            return (user, tables.tokens.values.first { $0.id == token }?.scopes ?? [])
        }
    }

    package func removeWebSession(_ hash: SecretHash) async throws(StoreError) {
        try run { (tables) throws(StoreError) in tables.webSessions[hash] = nil }
    }

    package func removeWebSessions(of user: UserID) async throws(StoreError) {
        try run { (tables) throws(StoreError) in
            tables.webSessions = tables.webSessions.filter { $0.value.user != user }
        }
    }

    // Instances.

    package func instances(of user: UserID) async throws(StoreError) -> [InstanceRecord] {
        try run { (tables) throws(StoreError) in tables.instances(of: user) }
    }

    package func instance(_ id: InstanceID) async throws(StoreError) -> InstanceRecord? {
        try run { (tables) throws(StoreError) in tables.instances[id]?.record }
    }

    package func activatedInstances() async throws(StoreError) -> [InstanceRecord] {
        try run { (tables) throws(StoreError) in
            tables.instances.values.map(\.record).filter(\.isActivated).sorted { $0.id < $1.id }
        }
    }

    package func createInstance(
        user: UserID, name: String?, origin: String?, code: InstanceSecret, limit: Int, now: WallTime
    ) async throws(StoreError) -> CreateResult {
        try run { (tables) throws(StoreError) in
            let count = tables.instances(of: user).count
            if limit > 0 && count >= limit { return .limitReached(count: count) }
            if tables.isTaken(code.hash) { return .codeTaken }
            try tables.require(user)
            let record = InstanceRecord(
                id: InstanceID(tables.nextID()), user: user, name: name, secret: code, origin: origin, installID: nil,
                isOAuthPaired: false, createdAt: now, lastSeenAt: nil)
            tables.insert(record)
            tables.limitOpenCodes(of: user, keeping: record.id, now: now)
            return .created(record, count: count + 1)
        }
    }

    package func renameInstance(_ id: InstanceID, of user: UserID, name: String) async throws(StoreError) -> Bool {
        try run { (tables) throws(StoreError) in
            guard tables.instances[id]?.record.user == user else { return false }
            tables.instances[id]?.record.name = name
            return true
        }
    }

    package func deleteInstance(
        _ id: InstanceID, of user: UserID, now: WallTime
    ) async throws(StoreError) -> InstanceRecord? {
        try run { (tables) throws(StoreError) in
            guard let record = tables.instances[id]?.record, record.user == user else { return nil }
            tables.remove(record, now: now)
            return record
        }
    }

    package func rekeyInstance(
        _ id: InstanceID, of user: UserID, code: InstanceSecret, now: WallTime
    ) async throws(StoreError) -> RekeyResult {
        try run { (tables) throws(StoreError) in
            guard let row = tables.instances[id], row.record.user == user else { return .notFound }
            if tables.isTaken(code.hash) { return .codeTaken }
            let record = tables.setSecret(of: row, to: code)
            tables.limitOpenCodes(of: user, keeping: id, now: now)
            return .rekeyed(record, count: tables.instances(of: user).count)
        }
    }

    package func lookup(_ hash: SecretHash) async throws(StoreError) -> SecretLookup {
        try run { (tables) throws(StoreError) in tables.lookup(hash) }
    }

    package func exchange(
        code: SecretHash, by exchangedBy: SecretHash, from: String, newKey: InstanceSecret, repeatableUntil: WallTime,
        now: WallTime
    ) async throws(StoreError) -> ExchangeResult {
        try run { (tables) throws(StoreError) in
            guard let row = tables.live(code), case .code(_, _, let expiresAt) = row.record.secret else {
                return tables.spent[code] == nil ? .unknown : .alreadySpent
            }
            if expiresAt <= now { return .expired }
            var record = tables.setSecret(of: row, to: newKey)
            record.lastSeenAt = now
            record.pairedAt = now
            record.pairedFrom = from
            tables.instances[record.id]?.record = record
            tables.spent[code] = MemoryTables.SpentCode(
                instance: record.id, exchangedBy: exchangedBy, repeatableUntil: repeatableUntil, spentAt: now)
            return .exchanged(record)
        }
    }

    package func pairSelf(
        user: UserID, installID: String, name: String?, legacy: [SecretHash], from: String, newKey: InstanceSecret, limit: Int,
        now: WallTime
    ) async throws(StoreError) -> SelfPairResult {
        try run { (tables) throws(StoreError) in
            try tables.pairSelf(
                user: user, installID: installID, name: name, legacy: legacy, from: from, newKey: newKey, limit, now)
        }
    }

    package func touch(_ seen: [InstanceID: WallTime]) async throws(StoreError) {
        try run { (tables) throws(StoreError) in
            for (id, time) in seen {
                let former = tables.instances[id]?.record.lastSeenAt ?? time
                tables.instances[id]?.record.lastSeenAt = max(former, time)
            }
        }
    }

    package func shelveRoom(_ id: InstanceID, _ sealed: [UInt8], at: WallTime) async throws(StoreError) {
        try run { (tables) throws(StoreError) in
            if tables.instances[id] != nil { tables.shelvedRooms[id] = (sealed, at) }
        }
    }

    package func shelvedRooms() async throws(StoreError) -> Set<InstanceID> {
        try run { (tables) throws(StoreError) in Set(tables.shelvedRooms.keys) }
    }

    package func shelvedRoom(_ id: InstanceID, notBefore: WallTime) async throws(StoreError) -> [UInt8]? {
        try run { (tables) throws(StoreError) in tables.shelvedRooms[id].flatMap { $0.at >= notBefore ? $0.sealed : nil } }
    }

    package func unshelveRoom(_ id: InstanceID, notBefore: WallTime) async throws(StoreError) -> [UInt8]? {
        try run { (tables) throws(StoreError) in
            guard let shelved = tables.shelvedRooms.removeValue(forKey: id), shelved.at >= notBefore else { return nil }
            return shelved.sealed
        }
    }

    package func expire(now: WallTime, keysIdleSince: WallTime?) async throws(StoreError) -> [InstanceRecord] {
        try run { (tables) throws(StoreError) in tables.expire(now: now, keysIdleSince: keysIdleSince) }
    }
}
