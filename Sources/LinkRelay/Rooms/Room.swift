// The members that one key opens, and what the room keeps for them: presence with grace, held commands, the ledger.
//
// Lives on one loop (RoomID.home) for its whole life and is touched only there. Decisions about sending are in Shard+Rooms and
// Shard+Commands. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

final class Room {
    let id: RoomID
    let user: UserID
    var sds: ContiguousArray<Session> = []
    var clients: ContiguousArray<Session> = []
    /// Extensions that vanished and still count as present.
    var ghosts: [Ghost] = []
    /// Commands waiting for an extension to return.
    var held: [HeldCommand] = []
    var heldBytes = 0
    var ledger: CommandLedger
    /// Numbers every command relayed to the room's extensions.
    var commandSequence: UInt64 = 0
    /// Numbers the room's joins.
    var joinCount: UInt64 = 0
    /// Terminal statuses whose requester had vanished: the next client is told.
    var unheard: [UnheardStatus] = []
    var unheardBytes = 0

    /// What the owner decided about downloads; nil = nothing.
    var ownPolicy: InstancePolicy?

    var lastPresence: Presence?
    var isPresenceDirty = false
    /// Seated in this turn: they are told the presence even if it did not change (a return within the grace).
    var newcomers: ContiguousArray<Session> = []
    var isCommandTimerArmed = false
    /// Input of these is held back until the room's queues shrink.
    var heldBack: [Session] = []

    /// For the operator: what happened here, and the traffic of members that are gone.
    var timeline = RoomTimeline()
    var pastTraffic = Traffic()

    init(id: RoomID, user: UserID, commandsInFlight: Int) {
        self.id = id
        self.user = user
        ledger = CommandLedger(limit: commandsInFlight)
    }

    var presence: Presence { Presence(clientCount: clients.count, sdCount: sds.count + ghosts.count) }
    var memberCount: Int { sds.count + clients.count }
    var isEmpty: Bool { sds.isEmpty && clients.isEmpty && ghosts.isEmpty && ledger.openCount == 0 && unheard.isEmpty }
}

/// An extension that vanished without saying goodbye, within its grace period.
struct Ghost {
    /// 0 and nil: a session of the process before this one.
    var serial: UInt64
    var dialect: Dialect?
    var installID: String?
    var expiresMs: UInt64
    /// What it was sent and did not prove to have received.
    var unconfirmed: [DeliveryLog.Entry]
}

/// A command that arrived while the extension was away.
struct HeldCommand {
    var command: FramedPayload
    var sequence: UInt64
    /// Its row in the ledger, -1 if it has none.
    var row: Int
}

/// A terminal status that its requester was not there to hear.
struct UnheardStatus {
    var status: FramedPayload
    var expiresMs: UInt64
}
