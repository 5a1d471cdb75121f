// The way down: stop accepting, then close transports a few rooms at a time over the drain window.
//
// Loop thread. All members of a room go together, so that they meet again in the next process. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension Shard {
    static let drainStepMs: UInt64 = 50

    func startDraining() {
        unlisten()
        // What has nobody seated has nothing to close: straight to the shelf.
        for room in rooms.values { shelveIfDrained(room) }
        drainRooms = Array(rooms.keys)
        drainSessions = sessions.values.filter { $0.room == nil }.map { $0.serial }
        let steps = max(1, Int(limits.drainMs / Self.drainStepMs))
        drainPerStep = (sessions.count + steps - 1) / steps
        drainStep()
    }

    func drainStep() {
        var closed = 0
        while closed < drainPerStep, let id = drainRooms.popLast() {
            guard let room = rooms[id] else { continue }
            let members = room.clients + room.sds
            for member in members { close(member, .restarting) }
            closed += members.count
        }
        while closed < drainPerStep, let serial = drainSessions.popLast() {
            if let session = sessions[serial] { close(session, .restarting) }
            closed += 1
        }
        if drainRooms.isEmpty, drainSessions.isEmpty {
            // Whoever slipped in meanwhile: no new ones can come.
            for session in Array(sessions.values) { close(session, .restarting) }
        } else {
            schedule(inMs: Self.drainStepMs, .drain)
        }
    }
}
