// A command about files meets the policy of its room before it is booked or relayed.
//
// Loop thread, cold: only for commands of the judged types. Accepts or refuses; the payload is never changed.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension Shard {
    /// True when the command was refused and its sender has been told.
    @inline(never)
    func isRefused(_ session: Session, _ inbound: Inbound, _ room: Room) -> Bool {
        let policy = limits.policy.with(room.ownPolicy)
        guard policy.mode == .strict, let rule = policy.judge(Array(inbound.payload)) else { return false }
        counters.policyCount[rule.rawValue] &+= 1
        log(.notice, "command_refused", session, room.id, reason: rule.label)
        turnAway(session, inbound, inbound.ack, row: -1, in: room, .policy(rule.sentence))
        return true
    }

    /// The owner decided anew about downloads: takes effect with the next command.
    func setPolicy(_ policy: InstancePolicy?, of id: RoomID) { rooms[id]?.ownPolicy = policy }
}
