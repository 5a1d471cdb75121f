// Instances and what opens them, in SQL: what their owner does.
//
// Called from any thread, each body runs on the store's thread inside a transaction. SPDX-License-Identifier: Apache-2.0

package import LinkProtocol

extension SQLiteLinkStore {
    static let instanceColumns = """
        instance.id, user, name, instance.hash, sealed, code_expires_at, origin, install_id, is_oauth_paired, created_at,
        last_seen_at, paired_at, paired_from
        """

    static func instance(_ row: SQLiteRow) -> InstanceRecord {
        let hash = SecretHash(bytes: row.blob(3))
        let sealed = SealedKey(bytes: row.blob(4))
        let secret: InstanceSecret =
            if let expiresAt = row.optionalInt(5) {
                .code(hash: hash, sealed: sealed, expiresAt: expiresAt)
            } else {
                .key(hash: hash, sealed: sealed)
            }
        return InstanceRecord(
            id: InstanceID(row.int(0)), user: UserID(row.int(1)), name: row.optionalText(2), secret: secret,
            origin: row.optionalText(6), installID: row.optionalText(7), isOAuthPaired: row.int(8) != 0,
            createdAt: row.int(9), lastSeenAt: row.optionalInt(10), pairedAt: row.optionalInt(11),
            pairedFrom: row.optionalText(12))
    }

    static func instances(_ db: SQLiteConnection, of user: UserID) throws(StoreError) -> [InstanceRecord] {
        try db.all("SELECT \(instanceColumns) FROM instance WHERE user = ? ORDER BY id", .int(user.rawValue)) {
            (row) throws(StoreError) in instance(row)
        }
    }

    static func find(_ db: SQLiteConnection, _ id: InstanceID) throws(StoreError) -> InstanceRecord? {
        try db.first("SELECT \(instanceColumns) FROM instance WHERE id = ?", .int(id.rawValue)) {
            (row) throws(StoreError) in instance(row)
        }
    }

    static func count(_ db: SQLiteConnection, of user: UserID) throws(StoreError) -> Int {
        try db.first("SELECT count(*) FROM instance WHERE user = ?", .int(user.rawValue)) {
            (row) throws(StoreError) in Int(row.int(0))
        } ?? 0
    }

    /// A tombstone for the link key of an instance that is about to be deleted.
    static func bury(_ db: SQLiteConnection, _ record: InstanceRecord, now: WallTime) throws(StoreError) {
        guard case .key(let hash, _) = record.secret else { return }
        try db.run("INSERT OR REPLACE INTO tombstone VALUES (?, 0, ?)", .blob(hash.bytes), .int(now))
    }

    package func instances(of user: UserID) async throws(StoreError) -> [InstanceRecord] {
        try await read { (db) throws(StoreError) in try Self.instances(db, of: user) }
    }

    package func instance(_ id: InstanceID) async throws(StoreError) -> InstanceRecord? {
        try await read { (db) throws(StoreError) in try Self.find(db, id) }
    }

    package func activatedInstances() async throws(StoreError) -> [InstanceRecord] {
        try await read { (db) throws(StoreError) in
            try db.all("SELECT \(Self.instanceColumns) FROM instance WHERE code_expires_at IS NULL ORDER BY id") {
                (row) throws(StoreError) in Self.instance(row)
            }
        }
    }

    package func createInstance(
        user: UserID, name: String?, origin: String?, code: InstanceSecret, limit: Int, now: WallTime
    ) async throws(StoreError) -> CreateResult {
        try await write { (db) throws(StoreError) in
            let count = try Self.count(db, of: user)
            if limit > 0 && count >= limit { return .limitReached(count: count) }
            if try Self.isTaken(db, code.hash) { return .codeTaken }
            let (sealed, expiresAt) = Self.columns(of: code)
            try db.run(
                """
                INSERT INTO instance (user, name, hash, sealed, code_expires_at, given_until, was_activated, origin,
                    is_oauth_paired, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, 0, ?8)
                """,
                .int(user.rawValue), .optional(name), .blob(code.hash.bytes), .blob(sealed.bytes), .optional(expiresAt),
                .int(expiresAt == nil ? 1 : 0), .optional(origin), .int(now))
            let id = InstanceID(db.lastRowID)
            try Self.limitOpenCodes(db, of: user, keeping: id, now: now)
            guard let record = try Self.find(db, id) else { throw StoreError(.corrupt, "the new instance is not there") }
            return .created(record, count: count + 1)
        }
    }

    package func renameInstance(_ id: InstanceID, of user: UserID, name: String) async throws(StoreError) -> Bool {
        try await write { (db) throws(StoreError) in
            try db.run(
                "UPDATE instance SET name = ? WHERE id = ? AND user = ?",
                .text(name), .int(id.rawValue), .int(user.rawValue)) > 0
        }
    }

    package func deleteInstance(
        _ id: InstanceID, of user: UserID, now: WallTime
    ) async throws(StoreError) -> InstanceRecord? {
        try await write { (db) throws(StoreError) in
            guard let record = try Self.find(db, id), record.user == user else { return nil }
            try Self.bury(db, record, now: now)
            try db.run("DELETE FROM instance WHERE id = ?", .int(id.rawValue))
            return record
        }
    }

    package func rekeyInstance(
        _ id: InstanceID, of user: UserID, code: InstanceSecret, now: WallTime
    ) async throws(StoreError) -> RekeyResult {
        try await write { (db) throws(StoreError) in
            guard let former = try Self.find(db, id), former.user == user else { return .notFound }
            if try Self.isTaken(db, code.hash) { return .codeTaken }
            try Self.setSecret(db, of: id, to: code)
            try Self.endRepeats(db, of: id)
            try Self.limitOpenCodes(db, of: user, keeping: id, now: now)
            guard let record = try Self.find(db, id) else { return .notFound }
            return .rekeyed(record, count: try Self.count(db, of: user))
        }
    }

    package func touch(_ seen: [InstanceID: WallTime]) async throws(StoreError) {
        try await write { (db) throws(StoreError) in
            for (id, time) in seen {
                try db.run(
                    "UPDATE instance SET last_seen_at = max(coalesce(last_seen_at, ?1), ?1) WHERE id = ?2",
                    .int(time), .int(id.rawValue))
            }
        }
    }

    static func columns(of secret: InstanceSecret) -> (SealedKey, codeExpiresAt: WallTime?) {
        switch secret {
        case .code(_, let sealed, let expiresAt): (sealed, expiresAt)
        case .key(_, let sealed): (sealed, nil)
        }
    }

    static func setSecret(_ db: SQLiteConnection, of id: InstanceID, to secret: InstanceSecret) throws(StoreError) {
        let (sealed, expiresAt) = columns(of: secret)
        try db.run(
            """
            UPDATE instance SET hash = ?1, sealed = ?2, code_expires_at = ?3, given_until = ?3,
                was_activated = was_activated OR ?3 IS NULL, paired_at = iif(?3 IS NULL, paired_at, NULL),
                paired_from = iif(?3 IS NULL, paired_from, NULL) WHERE id = ?4
            """, .blob(secret.hash.bytes), .blob(sealed.bytes), .optional(expiresAt), .int(id.rawValue))
    }

    /// After a re-keying, an earlier code is not repeatable: its holder would get a key that was never theirs.
    static func endRepeats(_ db: SQLiteConnection, of id: InstanceID) throws(StoreError) {
        try db.run("UPDATE spent_code SET repeatable_until = 0 WHERE instance = ?", .int(id.rawValue))
    }

    private static func isTaken(_ db: SQLiteConnection, _ hash: SecretHash) throws(StoreError) -> Bool {
        try db.first(
            "SELECT 1 FROM instance WHERE hash = ?1 UNION ALL SELECT 1 FROM spent_code WHERE hash = ?1 LIMIT 1",
            .blob(hash.bytes)) { (_) throws(StoreError) in true } ?? false
    }

    /// Ends the oldest codes beyond the rule's count. Their instances stay until the codes would have run out anyway.
    private static func limitOpenCodes(
        _ db: SQLiteConnection, of user: UserID, keeping id: InstanceID, now: WallTime
    ) throws(StoreError) {
        try db.run(
            """
            UPDATE instance SET code_expires_at = ?1 WHERE id IN (
                SELECT id FROM instance WHERE user = ?2 AND id <> ?3 AND code_expires_at > ?1
                ORDER BY code_expires_at DESC, id DESC LIMIT -1 OFFSET ?4)
            """, .int(now), .int(user.rawValue), .int(id.rawValue), .int(Int64(StoreRules.openCodeCount - 1)))
    }
}
