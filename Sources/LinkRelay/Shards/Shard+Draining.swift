// The way down: stop accepting, then close transports a few rooms at a time over the drain window.
//
// Loop thread. The members of a room go together, so that they meet again in the next process. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension Shard {
    static let drainStepMs: UInt64 = 50
    /// How long an extension may take to prove that it has what it was sent.
    static let drainProofMs: UInt64 = 2000

    func startDraining() {
        unlisten()
        // What has nobody seated has nothing to close: straight to the shelf.
        for room in rooms.values { shelveIfDrained(room) }
        drainRooms = rooms.values.map(\.id)
        drainSessions = sessions.values.filter { $0.room == nil }.map { $0.serial }
        let steps = max(1, Int(limits.drainMs / Self.drainStepMs))
        drainPerStep = (sessions.count + steps - 1) / steps
        drainStep()
    }

    func drainStep() {
        var closed = 0
        while closed < drainPerStep, let id = drainRooms.popLast() {
            guard let room = rooms[id] else { continue }
            // Clients first: then nothing new follows what is still on its way to the extensions.
            let clients = room.clients
            for client in clients { sendAway(client, .restarting) }
            closed += clients.count + room.sds.count
            drainUnproved.append((id, nowMs &+ Self.drainProofMs))
        }
        drainUnproved.removeAll { closeExtensions(of: $0.room, deadlineMs: $0.deadlineMs) }
        while closed < drainPerStep, let serial = drainSessions.popLast() {
            if let session = sessions[serial] { sendAway(session, .restarting) }
            closed += 1
        }
        if drainRooms.isEmpty, drainSessions.isEmpty, drainUnproved.isEmpty {
            // Whoever slipped in meanwhile: no new ones can come.
            for session in sessions.values { sendAway(session, .restarting) }
        } else {
            schedule(inMs: Self.drainStepMs, .drain)
        }
    }

    /// Sends a room's extensions away once they have proved what they were given, or when they have not in time: what is unproved
    /// the next process delivers again. False while they are waited for.
    private func closeExtensions(of id: RoomID, deadlineMs: UInt64) -> Bool {
        guard let room = rooms[id] else { return true }
        guard nowMs >= deadlineMs || room.sds.allSatisfy({ $0.unconfirmed?.isEmpty ?? true }) else { return false }
        let extensions = room.sds
        for sd in extensions { sendAway(sd, .restarting) }
        return true
    }
}
