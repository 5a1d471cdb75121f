// What owners decided about downloads, in SQL.
//
// Called from any thread, each body runs on the store's thread inside a transaction. SPDX-License-Identifier: Apache-2.0

package import LinkProtocol

extension SQLiteLinkStore {
    private static let policyColumns = "mode, hosts, suffixes, lan_hosts"

    private static func policy(_ row: SQLiteRow, from column: Int32 = 0) -> InstancePolicy {
        // An unknown mode (a newer version's) must not open what was closed.
        InstancePolicy(
            mode: row.optionalText(column).map { PolicyMode(rawValue: $0) ?? .strict }, hosts: words(row.text(column + 1)),
            suffixes: words(row.text(column + 2)), lanHosts: words(row.text(column + 3)))
    }

    private static func words(_ text: String) -> [String] { text.split(separator: " ").map(String.init) }

    package func policies() async throws(StoreError) -> [InstanceID: InstancePolicy] {
        try await read { (db) throws(StoreError) in
            let rows = try db.all("SELECT \(Self.policyColumns), instance FROM policy") { (row) throws(StoreError) in
                (InstanceID(row.int(4)), Self.policy(row))
            }
            return Dictionary(rows) { first, _ in first }
        }
    }

    package func policy(of id: InstanceID, of user: UserID) async throws(StoreError) -> InstancePolicy? {
        try await read { (db) throws(StoreError) in
            guard try Self.find(db, id)?.user == user else { return nil }
            let found = try db.first("SELECT \(Self.policyColumns) FROM policy WHERE instance = ?", .int(id.rawValue)) {
                (row) throws(StoreError) in Self.policy(row)
            }
            return found ?? InstancePolicy()
        }
    }

    package func setPolicy(
        _ policy: InstancePolicy, of id: InstanceID, of user: UserID
    ) async throws(StoreError) -> Bool {
        try await write { (db) throws(StoreError) in
            guard try Self.find(db, id)?.user == user else { return false }
            if policy.isDefault {
                try db.run("DELETE FROM policy WHERE instance = ?", .int(id.rawValue))
                return true
            }
            try db.run(
                "INSERT OR REPLACE INTO policy VALUES (?, ?, ?, ?, ?)",
                .int(id.rawValue), .optional(policy.mode?.rawValue), .text(policy.hosts.joined(separator: " ")),
                .text(policy.suffixes.joined(separator: " ")), .text(policy.lanHosts.joined(separator: " ")))
            return true
        }
    }
}
