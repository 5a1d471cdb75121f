// Whom the operator keeps out, without a disk. Any thread, behind the store's lock. SPDX-License-Identifier: Apache-2.0

extension MemoryLinkStore {
    package func blocks() async throws(StoreError) -> [BlockRecord] {
        try run { (tables) throws(StoreError) in tables.blocks.values.sorted { $0.id < $1.id } }
    }

    package func addBlock(_ subject: BlockSubject, note: String, now: WallTime) async throws(StoreError) -> BlockRecord? {
        try run { (tables) throws(StoreError) in
            if case .user(let user) = subject { try tables.require(user) }
            if tables.blocks.values.contains(where: { $0.subject == subject }) { return nil }
            let record = BlockRecord(id: tables.nextID(), subject: subject, note: note, createdAt: now)
            tables.blocks[record.id] = record
            return record
        }
    }

    package func removeBlock(_ id: Int64) async throws(StoreError) -> Bool {
        try run { (tables) throws(StoreError) in tables.blocks.removeValue(forKey: id) != nil }
    }
}
