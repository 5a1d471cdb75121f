// What owners decided about downloads, without a disk. Any thread. SPDX-License-Identifier: Apache-2.0

package import LinkProtocol

extension MemoryLinkStore {
    package func policies() async throws(StoreError) -> [InstanceID: InstancePolicy] {
        try run { (tables) throws(StoreError) in tables.policies }
    }

    package func policy(of id: InstanceID, of user: UserID) async throws(StoreError) -> InstancePolicy? {
        try run { (tables) throws(StoreError) in
            guard tables.instances[id]?.record.user == user else { return nil }
            return tables.policies[id] ?? InstancePolicy()
        }
    }

    package func setPolicy(
        _ policy: InstancePolicy, of id: InstanceID, of user: UserID
    ) async throws(StoreError) -> Bool {
        try run { (tables) throws(StoreError) in
            guard tables.instances[id]?.record.user == user else { return false }
            tables.policies[id] = policy.isDefault ? nil : policy
            return true
        }
    }
}
