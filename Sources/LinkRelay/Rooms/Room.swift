// The members that one key opens, and what the room keeps for them: presence with grace, held commands, the ledger.
//
// Lives on one loop (RoomID.home) for its whole life and is touched only there. Decisions about sending are in Shard+Rooms and
// Shard+Commands. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

/// Declared in an order that leaves no gaps: there is one of these for every link in use.
final class Room {
    let id: RoomID
    let user: UserID
    var sds = Seats()
    var clients = Seats()
    /// Numbers every command relayed to the room's extensions.
    var commandSequence: UInt64 = 0
    /// See RoomAside.
    var aside: RoomAside?
    var ledger = CommandLedger()
    var isPresenceDirty = false
    /// What the members were told last.
    private var toldClientCount = Room.untold
    private var toldSDCount = Room.untold
    /// For the operator: what happened here.
    var timeline = RoomTimeline()

    /// Nothing was told yet, or a number too large to remember.
    private static let untold = UInt16.max

    init(id: RoomID, user: UserID) {
        self.id = id
        self.user = user
    }

    var presence: Presence { Presence(clientCount: clients.count, sdCount: sds.count + ghosts.count) }

    /// What the members were told last; nil also when there were more of them than it can say: then they are told again.
    var lastPresence: Presence? {
        get {
            if toldClientCount == Self.untold || toldSDCount == Self.untold { return nil }
            return Presence(clientCount: Int(toldClientCount), sdCount: Int(toldSDCount))
        }
        set {
            toldClientCount = newValue.map { UInt16(clamping: $0.clientCount) } ?? Self.untold
            toldSDCount = newValue.map { UInt16(clamping: $0.sdCount) } ?? Self.untold
        }
    }

    /// Extensions first.
    var members: ContiguousArray<Session> { sds.all + clients.all }
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

    var unconfirmedBytes: Int { unconfirmed.reduce(0) { $0 + Int($1.byteCount) } }
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
