// Users, tokens and the page's sign-in, in SQL.
//
// Called from any thread, each body runs on the store's thread inside a transaction. SPDX-License-Identifier: Apache-2.0

extension SQLiteLinkStore {
    private static let userColumns = "user.id, user.name, user.role, user.created_at"

    private static func user(_ row: SQLiteRow) -> UserRecord {
        // An unknown role (a newer version's) has no rights beyond its own instances.
        UserRecord(
            id: UserID(row.int(0)), name: row.text(1), role: UserRole(rawValue: row.text(2)) ?? .user, createdAt: row.int(3))
    }

    private static func token(_ row: SQLiteRow, from column: Int32 = 0) -> TokenRecord {
        TokenRecord(
            id: row.int(column), user: UserID(row.int(column + 1)), label: row.text(column + 2),
            scopes: scopes(row.text(column + 3)),
            createdAt: row.int(column + 4), lastUsedAt: row.optionalInt(column + 5))
    }

    private static func scopes(_ text: String) -> Set<TokenScope> {
        Set(text.split(separator: " ").compactMap { TokenScope(rawValue: String($0)) })
    }

    package func users() async throws(StoreError) -> [UserRecord] {
        try await read { (db) throws(StoreError) in
            try db.all("SELECT \(Self.userColumns) FROM user ORDER BY id") { (row) throws(StoreError) in Self.user(row) }
        }
    }

    package func addUser(name: String, role: UserRole, now: WallTime) async throws(StoreError) -> UserRecord? {
        try await write { (db) throws(StoreError) in
            let count = try db.run(
                "INSERT INTO user (name, role, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                .text(name), .text(role.rawValue), .int(now))
            return count == 0 ? nil : UserRecord(id: UserID(db.lastRowID), name: name, role: role, createdAt: now)
        }
    }

    package func removeUser(_ id: UserID, now: WallTime) async throws(StoreError) -> [InstanceRecord] {
        try await write { (db) throws(StoreError) in
            let records = try Self.instances(db, of: id)
            for record in records { try Self.bury(db, record, now: now) }
            try db.run("DELETE FROM user WHERE id = ?", .int(id.rawValue))
            return records
        }
    }

    package func addToken(
        user: UserID, hash: SecretHash, label: String, scopes: Set<TokenScope>, now: WallTime
    ) async throws(StoreError) -> TokenRecord {
        try await write { (db) throws(StoreError) in
            try db.run(
                "INSERT INTO token (user, hash, label, scopes, created_at) VALUES (?, ?, ?, ?, ?)",
                .int(user.rawValue), .blob(hash.bytes), .text(label),
                .text(scopes.map(\.rawValue).sorted().joined(separator: " ")), .int(now))
            return TokenRecord(
                id: db.lastRowID, user: user, label: label, scopes: scopes, createdAt: now, lastUsedAt: nil)
        }
    }

    package func tokens(of user: UserID) async throws(StoreError) -> [TokenRecord] {
        try await read { (db) throws(StoreError) in
            try db.all(
                "SELECT id, user, label, scopes, created_at, last_used_at FROM token WHERE user = ? ORDER BY id",
                .int(user.rawValue)
            ) { (row) throws(StoreError) in Self.token(row) }
        }
    }

    package func removeToken(_ id: Int64, of user: UserID) async throws(StoreError) -> Bool {
        try await write { (db) throws(StoreError) in
            try db.run("DELETE FROM token WHERE id = ? AND user = ?", .int(id), .int(user.rawValue)) > 0
        }
    }

    package func tokenOwner(_ hash: SecretHash) async throws(StoreError) -> (UserRecord, TokenRecord)? {
        try await read { (db) throws(StoreError) in
            try db.first(
                """
                SELECT \(Self.userColumns), token.id, token.user, label, scopes, token.created_at, last_used_at
                FROM token JOIN user ON user.id = token.user WHERE hash = ?
                """, .blob(hash.bytes)
            ) { (row) throws(StoreError) in (Self.user(row), Self.token(row, from: 4)) }
        }
    }

    package func touchToken(_ id: Int64, at: WallTime) async throws(StoreError) {
        try await write { (db) throws(StoreError) in
            _ = try db.run(
                "UPDATE token SET last_used_at = max(coalesce(last_used_at, ?1), ?1) WHERE id = ?2", .int(at), .int(id))
        }
    }

    package func addTicket(_ hash: SecretHash, user: UserID, expiresAt: WallTime) async throws(StoreError) {
        try await write { (db) throws(StoreError) in
            _ = try db.run(
                "INSERT INTO ticket VALUES (?, ?, ?)", .blob(hash.bytes), .int(user.rawValue), .int(expiresAt))
        }
    }

    package func redeemTicket(_ hash: SecretHash, now: WallTime) async throws(StoreError) -> UserRecord? {
        try await write { (db) throws(StoreError) in
            let owner = try Self.owner(db, of: hash, in: "ticket", now: now, life: StoreRules.ticketLifeMilliseconds)
            try db.run("DELETE FROM ticket WHERE hash = ?", .blob(hash.bytes))
            return owner
        }
    }

    package func addWebSession(
        _ hash: SecretHash, user: UserID, token: Int64?, expiresAt: WallTime
    ) async throws(StoreError) {
        try await write { (db) throws(StoreError) in
            _ = try db.run(
                "INSERT INTO web_session (hash, user, expires_at, token) VALUES (?, ?, ?, ?)",
                .blob(hash.bytes), .int(user.rawValue), .int(expiresAt), .optional(token))
        }
    }

    package func webSessionOwner(
        _ hash: SecretHash, now: WallTime
    ) async throws(StoreError) -> (UserRecord, Set<TokenScope>)? {
        try await read { (db) throws(StoreError) -> (UserRecord, Set<TokenScope>)? in
            let life = StoreRules.webSessionLifeMilliseconds
            guard let user = try Self.owner(db, of: hash, in: "web_session", now: now, life: life) else { return nil }
            let scopes = try db.first(
                "SELECT scopes FROM web_session JOIN token ON token.id = web_session.token WHERE web_session.hash = ?",
                .blob(hash.bytes)) { (row) throws(StoreError) in Self.scopes(row.text(0)) }
            return (user, scopes ?? Set(TokenScope.allCases))
        }
    }

    package func removeWebSession(_ hash: SecretHash) async throws(StoreError) {
        try await write { (db) throws(StoreError) in
            _ = try db.run("DELETE FROM web_session WHERE hash = ?", .blob(hash.bytes))
        }
    }

    package func removeWebSessions(of user: UserID) async throws(StoreError) {
        try await write { (db) throws(StoreError) in
            _ = try db.run("DELETE FROM web_session WHERE user = ?", .int(user.rawValue))
        }
    }

    private static func owner(
        _ db: SQLiteConnection, of hash: SecretHash, in table: String, now: WallTime, life: Int64
    ) throws(StoreError) -> UserRecord? {
        let found = try db.first(
            """
            SELECT \(userColumns), expires_at FROM \(table) JOIN user ON user.id = \(table).user WHERE hash = ?
            """, .blob(hash.bytes)
        ) { (row) throws(StoreError) in (user(row), row.int(4)) }
        guard let (record, expiresAt) = found else { return nil }
        return StoreRules.isAlive(expiresAt: expiresAt, now: now, life: life) ? record : nil
    }
}
