// What the operator may see of a loop's rooms, sessions and counts, copied out as plain values.
//
// Loop thread, by ShardActor. Must stay cheap: it runs between messages. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

struct MemberView: Sendable {
    var session: UInt64
    var role: Role?
    var dialect: Dialect
    var isPolling: Bool
    var address: PeerAddress
    var name: String?
    var version: String?
    var installID: String?
    var connectedAt: WallTime
    var joinedAt: WallTime
    var traffic: Traffic
    var queuedBytes: Int
    var queuedCount: Int
    var unconfirmedCount: Int
    var isHeldBack: Bool
}

struct CommandView: Sendable {
    var id: [UInt8]
    var type: [UInt8]
    var requester: UInt64
    var endsInMs: UInt64
    var isHeld: Bool
}

struct RoomView: Sendable {
    var id: RoomID
    var user: UserID?
    var loop: Int
    var presence = Presence()
    var absentCount = 0
    var commandsInFlight = 0
    var heldCommandCount = 0
    var heldBytes = 0
    var queuedBytes = 0
    var traffic = Traffic()
    var members: [MemberView] = []
    var closings: [TimelineEntry] = []
    /// Only of one room that was asked for by its id.
    var commands: [CommandView] = []
    var timeline: [TimelineEntry] = []
}

/// Which rooms a list shows.
struct RoomFilter: Sendable {
    enum Install: String, Sendable, CaseIterable { case present, away, absent }

    /// Rooms with larger ids only.
    var after: Int64 = 0
    var limit: Int
    var user: UserID?
    var install: Install?
    var isBusy: Bool?

    func admits(_ room: Room) -> Bool {
        if let user, room.user != user { return false }
        if let isBusy, (room.ledger.openCount > 0) != isBusy { return false }
        switch install {
        case nil: return true
        case .present: return !room.sds.isEmpty
        case .away: return room.sds.isEmpty && !room.ghosts.isEmpty
        case .absent: return room.sds.isEmpty && room.ghosts.isEmpty
        }
    }
}

extension Shard {
    private static let closingsShown = 3

    /// In the order of their ids; `total` counts all that the filter admits, those of earlier pages included.
    func roomViews(_ filter: RoomFilter) -> (views: [RoomView], total: Int) {
        let admitted = rooms.values.filter { filter.admits($0) }
        let later = admitted.filter { $0.id.instance.rawValue > filter.after }
        let shown = later.sorted { $0.id.instance < $1.id.instance }.prefix(filter.limit)
        return (shown.map { view($0, isWhole: false) }, admitted.count)
    }

    /// One room, or what is remembered of one that is empty now.
    func roomView(_ id: RoomID) -> RoomView? {
        if let room = rooms[id] { return view(room, isWhole: true) }
        guard let timeline = pastTimelines[id] else { return nil }
        var view = RoomView(id: id, user: nil, loop: index)
        view.timeline = timeline.entries
        view.closings = timeline.lastClosings(Self.closingsShown)
        return view
    }

    private func view(_ room: Room, isWhole: Bool) -> RoomView {
        var view = RoomView(id: room.id, user: room.user, loop: index)
        view.presence = room.presence
        view.absentCount = room.ghosts.count
        view.commandsInFlight = room.ledger.openCount
        view.heldCommandCount = room.held.count
        view.heldBytes = room.heldBytes
        view.traffic = room.pastTraffic
        for session in room.members {
            view.members.append(memberView(session))
            view.traffic.add(session.traffic)
            view.queuedBytes += session.queuedBytes
        }
        view.closings = room.timeline.lastClosings(Self.closingsShown)
        guard isWhole else { return view }
        view.timeline = room.timeline.entries
        view.commands = room.ledger.openRows.map { row in
            let (id, type) = room.ledger.idAndType(row: row)
            let entry = room.ledger.rows[row]
            return CommandView(
                id: id, type: type, requester: entry.requester, endsInMs: entry.deadlineMs &- min(entry.deadlineMs, nowMs),
                isHeld: entry.isHeld)
        }
        return view
    }

    private func memberView(_ session: Session) -> MemberView {
        MemberView(
            session: session.serial, role: session.role, dialect: session.dialect,
            isPolling: session.engine?.transport == .polling, address: session.address, name: session.identity?.name,
            version: session.identity?.version, installID: session.identity?.installID, connectedAt: wallTime(ofMs: session.openedMs),
            joinedAt: wallTime(ofMs: session.seatedMs), traffic: session.traffic, queuedBytes: session.queuedBytes,
            queuedCount: session.connection?.queuedCount ?? session.engine?.queueCount ?? 0,
            unconfirmedCount: session.unconfirmed?.count ?? 0, isHeldBack: session.isNotRead)
    }

    /// Sessions by what they are, for the operator and the metrics.
    func census() -> SessionCensus {
        var census = SessionCensus()
        for session in sessions.values { census.count(session) }
        return census
    }

    /// True when the session was here and is being closed.
    func disconnect(_ serial: UInt64) -> Bool {
        guard let session = sessions[serial], !session.isGone else { return false }
        close(session, .byOperator)
        return true
    }
}

/// How many sessions there are of each kind.
struct SessionCensus: Sendable {
    enum State: Int, CaseIterable, Sendable {
        /// Has not said `iam`.
        case greeting
        /// Has, and is in no room.
        case identified
        case joining
        case seated

        var label: String {
            switch self {
            case .greeting: "greeting"
            case .identified: "identified"
            case .joining: "joining"
            case .seated: "seated"
            }
        }
    }

    var byState = [Int](repeating: 0, count: State.allCases.count)
    /// native, socketio over WebSocket, socketio over polling.
    var nativeCount = 0
    var socketioCount = 0
    var pollingCount = 0
    var seatedSDCount = 0
    var seatedClientCount = 0
    var heldBackCount = 0

    mutating func count(_ session: Session) {
        let state: State
        if session.isJoining {
            state = .joining
        } else if session.room != nil {
            state = .seated
            if session.role == .sd { seatedSDCount += 1 } else { seatedClientCount += 1 }
        } else {
            state = session.role == nil ? .greeting : .identified
        }
        byState[state.rawValue] += 1
        if session.engine == nil {
            nativeCount += 1
        } else if session.engine?.transport == .polling {
            pollingCount += 1
        } else {
            socketioCount += 1
        }
        if session.isNotRead { heldBackCount += 1 }
    }

    mutating func add(_ other: SessionCensus) {
        for i in byState.indices { byState[i] += other.byState[i] }
        nativeCount += other.nativeCount
        socketioCount += other.socketioCount
        pollingCount += other.pollingCount
        seatedSDCount += other.seatedSDCount
        seatedClientCount += other.seatedClientCount
        heldBackCount += other.heldBackCount
    }
}
