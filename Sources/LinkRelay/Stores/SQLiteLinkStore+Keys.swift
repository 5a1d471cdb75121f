// What opens a room, in SQL: look-up, exchange, pairing by account, expiry.
//
// Called from any thread, each body runs on the store's thread inside a transaction. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension SQLiteLinkStore {
    package func lookup(_ hash: SecretHash) async throws(StoreError) -> SecretLookup {
        try await read { (db) throws(StoreError) in
            if let record = try Self.live(db, hash) { return .live(record) }
            let spent = try db.first(
                """
                SELECT \(Self.instanceColumns), exchanged_by, repeatable_until
                FROM spent_code JOIN instance ON instance.id = spent_code.instance WHERE spent_code.hash = ?
                """, .blob(hash.bytes)
            ) { (row) throws(StoreError) -> SecretLookup in
                .spent(
                    Self.instance(row), exchangedBy: SecretHash(bytes: row.blob(13)), repeatableUntil: row.int(14))
            }
            if let spent { return spent }
            let isBuried = try db.first("SELECT 1 FROM tombstone WHERE hash = ?", .blob(hash.bytes)) {
                (_) throws(StoreError) in true
            }
            return isBuried == nil ? .unknown : .tombstone
        }
    }

    private static func live(_ db: SQLiteConnection, _ hash: SecretHash) throws(StoreError) -> InstanceRecord? {
        try db.first("SELECT \(instanceColumns) FROM instance WHERE hash = ?", .blob(hash.bytes)) {
            (row) throws(StoreError) in instance(row)
        }
    }

    package func exchange(
        code: SecretHash, by exchangedBy: SecretHash, from: String, newKey: InstanceSecret, repeatableUntil: WallTime,
        now: WallTime
    ) async throws(StoreError) -> ExchangeResult {
        try await write { (db) throws(StoreError) in
            guard let former = try Self.live(db, code), case .code(_, _, let expiresAt) = former.secret else {
                let isSpent = try db.first("SELECT 1 FROM spent_code WHERE hash = ?", .blob(code.bytes)) {
                    (_) throws(StoreError) in true
                }
                return isSpent == nil ? .unknown : .alreadySpent
            }
            if expiresAt <= now { return .expired }
            try db.run(
                "INSERT INTO spent_code VALUES (?, ?, ?, ?, ?)",
                .blob(code.bytes), .int(former.id.rawValue), .blob(exchangedBy.bytes), .int(repeatableUntil), .int(now))
            try Self.setSecret(db, of: former.id, to: newKey)
            try db.run(
                "UPDATE instance SET last_seen_at = ?1, paired_at = ?1, paired_from = ?2 WHERE id = ?3",
                .int(now), .text(from), .int(former.id.rawValue))
            guard let record = try Self.find(db, former.id) else { return .unknown }
            return .exchanged(record)
        }
    }

    package func pairSelf(
        user: UserID, installID: String, name: String?, legacy: [SecretHash], from: String, newKey: InstanceSecret, limit: Int,
        now: WallTime
    ) async throws(StoreError) -> SelfPairResult {
        try await write { (db) throws(StoreError) in
            let former = try Self.pairable(db, user: user, installID: installID, legacy: legacy)
            if former == nil {
                let count = try Self.count(db, of: user)
                if limit > 0 && count >= limit { return .limitReached(count: count) }
            }
            let id: InstanceID
            if let former {
                id = former.id
                try Self.setSecret(db, of: id, to: newKey)
                try Self.endRepeats(db, of: id)
            } else {
                let (sealed, _) = Self.columns(of: newKey)
                try db.run(
                    """
                    INSERT INTO instance (user, hash, sealed, was_activated, is_oauth_paired, created_at)
                    VALUES (?, ?, ?, 1, 1, ?)
                    """, .int(user.rawValue), .blob(newKey.hash.bytes), .blob(sealed.bytes), .int(now))
                id = InstanceID(db.lastRowID)
            }
            try db.run(
                """
                UPDATE instance SET install_id = ?1, name = coalesce(?2, name), is_oauth_paired = 1, last_seen_at = ?3,
                    paired_at = ?3, paired_from = ?4
                WHERE id = ?5
                """, .text(installID), .optional(name), .int(now), .text(from), .int(id.rawValue))
            guard let record = try Self.find(db, id) else { throw StoreError(.corrupt, "the paired instance is not there") }
            return .paired(record, wasKnown: former != nil)
        }
    }

    /// The install's own instance, else the user's one that a legacy secret opens.
    private static func pairable(
        _ db: SQLiteConnection, user: UserID, installID: String, legacy: [SecretHash]
    ) throws(StoreError) -> InstanceRecord? {
        let known = try db.first(
            "SELECT \(instanceColumns) FROM instance WHERE user = ? AND install_id = ?",
            .int(user.rawValue), .text(installID)) { (row) throws(StoreError) in instance(row) }
        if let known { return known }
        for hash in legacy {
            if let record = try live(db, hash), record.user == user { return record }
        }
        return nil
    }

    package func expire(now: WallTime, keysIdleSince: WallTime?) async throws(StoreError) -> [InstanceRecord] {
        try await write { (db) throws(StoreError) in
            var deleted = try db.all(
                """
                SELECT \(Self.instanceColumns) FROM instance
                WHERE code_expires_at IS NOT NULL AND given_until <= ? AND NOT was_activated ORDER BY id
                """, .int(now)) { (row) throws(StoreError) in Self.instance(row) }
            for record in deleted {
                try db.run(
                    "INSERT OR REPLACE INTO tombstone VALUES (?, 1, ?)", .blob(record.secret.hash.bytes), .int(now))
            }
            if let keysIdleSince {
                let idle = try db.all(
                    """
                    SELECT \(Self.instanceColumns) FROM instance
                    WHERE code_expires_at IS NULL AND coalesce(last_seen_at, created_at) < ? ORDER BY id
                    """, .int(keysIdleSince)) { (row) throws(StoreError) in Self.instance(row) }
                for record in idle { try Self.bury(db, record, now: now) }
                deleted += idle
            }
            for record in deleted { try db.run("DELETE FROM instance WHERE id = ?", .int(record.id.rawValue)) }
            try Self.prune(db, now: now)
            return deleted
        }
    }

    private static func prune(_ db: SQLiteConnection, now: WallTime) throws(StoreError) {
        let codesSince = now.addingClamped(-StoreRules.codeTombstoneMilliseconds)
        let keysSince = now.addingClamped(-StoreRules.keyTombstoneMilliseconds)
        try db.run("DELETE FROM spent_code WHERE spent_at < ?", .int(codesSince))
        try db.run("DELETE FROM tombstone WHERE is_code = 1 AND buried_at < ?", .int(codesSince))
        try db.run("DELETE FROM tombstone WHERE is_code = 0 AND buried_at < ?", .int(keysSince))
        try db.run("DELETE FROM ticket WHERE expires_at <= ?", .int(now))
        try db.run("DELETE FROM shelved_room WHERE at < ?", .int(now.addingClamped(-StoreRules.shelvedRoomMilliseconds)))
        try db.run("DELETE FROM web_session WHERE expires_at <= ?", .int(now))
    }
}
