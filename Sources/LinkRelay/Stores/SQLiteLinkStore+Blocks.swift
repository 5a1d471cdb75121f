// Whom the operator keeps out, in SQL.
//
// Called from any thread, each body runs on the store's thread inside a transaction. SPDX-License-Identifier: Apache-2.0

extension SQLiteLinkStore {
    private static func block(_ row: SQLiteRow) -> BlockRecord? {
        let subject: BlockSubject
        if let user = row.optionalInt(2) {
            subject = .user(UserID(user))
        } else if let prefix = row.optionalText(1).flatMap({ NetworkPrefix(parsing: $0) }) {
            subject = .network(prefix)
        } else {
            // A newer version's kind of block is that version's to keep.
            return nil
        }
        return BlockRecord(id: row.int(0), subject: subject, note: row.text(3), createdAt: row.int(4))
    }

    package func blocks() async throws(StoreError) -> [BlockRecord] {
        try await read { (db) throws(StoreError) in
            try db.all("SELECT id, network, user, note, created_at FROM block ORDER BY id") { (row) throws(StoreError) in
                Self.block(row)
            }.compactMap { $0 }
        }
    }

    package func addBlock(_ subject: BlockSubject, note: String, now: WallTime) async throws(StoreError) -> BlockRecord? {
        let network: String?
        let user: Int64?
        switch subject {
        case .network(let prefix): (network, user) = (prefix.description, nil)
        case .user(let id): (network, user) = (nil, id.rawValue)
        }
        return try await write { (db) throws(StoreError) in
            let count = try db.run(
                "INSERT INTO block (network, user, note, created_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                .optional(network), .optional(user), .text(note), .int(now))
            return count == 0 ? nil : BlockRecord(id: db.lastRowID, subject: subject, note: note, createdAt: now)
        }
    }

    package func removeBlock(_ id: Int64) async throws(StoreError) -> Bool {
        try await write { (db) throws(StoreError) in try db.run("DELETE FROM block WHERE id = ?", .int(id)) > 0 }
    }
}
