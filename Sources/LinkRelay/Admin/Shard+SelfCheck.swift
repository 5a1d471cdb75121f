// Whether a loop's maps, lists and gauges agree with each other: what should hold between any two turns, looked at on request.
//
// Loop thread, by ShardActor. Changes nothing. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

/// One comparison.
struct SelfCheck: Sendable {
    var name: String
    var expected: Int
    var actual: Int
    var isFine: Bool { expected == actual }
}

/// A loop's own comparisons, and the sums that have to agree over all loops.
struct ShardSelfCheck: Sendable {
    var checks: [SelfCheck] = []
    var engineSessionCount = 0
    var countedAddressCount = 0
}

extension Shard {
    func selfCheck() -> ShardSelfCheck {
        var out = ShardSelfCheck()
        var members = 0
        var misplaced = 0
        var heldBytes = 0
        var heldBytesNoted = 0
        var keptBytesFound = 0
        var openRows = 0
        var openRowsNoted = 0
        for room in rooms.values {
            for list in [room.sds, room.clients] {
                for session in list {
                    members += 1
                    let isKnown = sessions[session.serial] === session
                    if !isKnown || session.room !== room || session.isGone { misplaced += 1 }
                }
            }
            heldBytes += room.held.reduce(0) { $0 + $1.command.message.count }
            heldBytesNoted += room.heldBytes
            keptBytesFound += room.keptBytes + (room.recentEnds?.byteCount ?? 0)
            openRows += room.ledger.openRows.count
            openRowsNoted += room.ledger.openCount
        }
        let seated = sessions.values.count { $0.room != nil }
        let engines = sessions.values.count { $0.engine != nil }
        let attached = sessions.values.reduce(0) { $0 + ($1.connection == nil ? 0 : 1) + ($1.engine?.probe == nil ? 0 : 1) }
        let prefix = "loop_\(index)_"
        out.checks = [
            SelfCheck(name: prefix + "members_in_rooms_are_sessions_with_a_room", expected: seated, actual: members),
            SelfCheck(name: prefix + "misplaced_members", expected: 0, actual: misplaced),
            SelfCheck(name: prefix + "engine_sessions", expected: engines, actual: engineSessions.count),
            SelfCheck(name: prefix + "websockets", expected: Int(clamping: figure("websockets_open")), actual: attached),
            SelfCheck(name: prefix + "held_bytes", expected: heldBytes, actual: heldBytesNoted),
            SelfCheck(name: prefix + "kept_bytes", expected: keptBytesFound, actual: keptBytes),
            SelfCheck(name: prefix + "commands_in_flight", expected: openRows, actual: openRowsNoted),
        ]
        out.engineSessionCount = engines
        out.countedAddressCount = sessions.values.count { !$0.address.isLocal }
        return out
    }

    private func figure(_ name: String) -> UInt64 { reading().figures.first { $0.name == name }?.value ?? 0 }
}
