// The shelf on which a draining relay leaves what its rooms still owe, for the next process to take.
//
// Called from any thread, each body runs on the store's thread inside a transaction. SPDX-License-Identifier: Apache-2.0

package import LinkProtocol

extension SQLiteLinkStore {
    package func shelveRoom(_ id: InstanceID, _ sealed: [UInt8], at: WallTime) async throws(StoreError) {
        _ = try await write { (db) throws(StoreError) in
            try db.run(
                """
                INSERT OR REPLACE INTO shelved_room (instance, sealed, at)
                SELECT id, ?, ? FROM instance WHERE id = ?
                """, .blob(sealed), .int(at), .int(id.rawValue))
        }
    }

    package func shelvedRooms() async throws(StoreError) -> Set<InstanceID> {
        try await read { (db) throws(StoreError) in
            Set(try db.all("SELECT instance FROM shelved_room") { (row) throws(StoreError) in InstanceID(row.int(0)) })
        }
    }

    package func shelvedRoom(_ id: InstanceID, notBefore: WallTime) async throws(StoreError) -> [UInt8]? {
        try await read { (db) throws(StoreError) in try Self.shelved(db, id, notBefore) }
    }

    private static func shelved(_ db: SQLiteConnection, _ id: InstanceID, _ notBefore: WallTime) throws(StoreError) -> [UInt8]? {
        try db.first("SELECT sealed FROM shelved_room WHERE instance = ? AND at >= ?", .int(id.rawValue), .int(notBefore)) {
            (row) throws(StoreError) in row.blob(0)
        }
    }

    package func unshelveRoom(_ id: InstanceID, notBefore: WallTime) async throws(StoreError) -> [UInt8]? {
        // Most rooms have nothing there: a read first keeps a herd of returning members off the write path.
        let found = try await read { (db) throws(StoreError) in
            try db.first("SELECT 1 FROM shelved_room WHERE instance = ?", .int(id.rawValue)) { (_) throws(StoreError) in true }
        }
        guard found != nil else { return nil }
        return try await write { (db) throws(StoreError) in
            let sealed = try Self.shelved(db, id, notBefore)
            try db.run("DELETE FROM shelved_room WHERE instance = ?", .int(id.rawValue))
            return sealed
        }
    }
}
