// What owners decided about downloads, in memory: asked when a room is made, changed when an owner changes it.
//
// Any thread; a lock for one look-up. Only links with a decision are in it. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

final class PolicyDirectory: Sendable {
    private let policies = Locked<[InstanceID: InstancePolicy]>([:])

    func replace(with all: [InstanceID: InstancePolicy]) { policies.withLock { $0 = all } }
    func policy(of room: RoomID) -> InstancePolicy? { policies.withLock { $0[room.instance] } }
    func set(_ policy: InstancePolicy, of room: RoomID) {
        policies.withLock { $0[room.instance] = policy.isDefault ? nil : policy }
    }
}
