// What happened in a room lately: who came, who went, and why; for the operator, in memory only.
//
// Plain values owned by one shard, touched on its loop. Written when members come and go, never per message. Bounded twice: entries a
// room, and rooms that nobody is in any more. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

struct TimelineEntry: Sendable {
    enum Kind: String, Sendable, CaseIterable {
        /// The transport opened; noted when the session takes its first seat.
        case connect
        case join
        /// By its own word, or by changing the room.
        case leave
        /// Without a word: an extension counts as present for its grace.
        case vanish
        /// An extension came back within its grace.
        case `return`
        /// A newer connection of the same install took the place.
        case displace
        case kick
        /// An extension's grace ran out.
        case expire
    }

    /// Wall-clock milliseconds since 1970.
    var at: WallTime
    var kind: Kind
    /// 0 and nil: a session of the process before this one.
    var session: UInt64
    var role: Role?
    var dialect: Dialect?
    var isPolling: Bool
    /// A name such as `heartbeat_timeout`; empty when the kind says all.
    var reason: String
}

/// The last entries of one room, oldest first.
///
/// Most rooms have seen one member come and no more: the first two entries need no array.
struct RoomTimeline: Sendable {
    static let limit = 64

    private var first = PackedEntry.none
    private var second = PackedEntry.none
    /// All, from the third on.
    private var all: [PackedEntry] = []

    var isEmpty: Bool { first == .none && all.isEmpty }

    var entries: [TimelineEntry] {
        let packed = all.isEmpty ? [first, second].filter { $0 != .none } : all
        return packed.map(\.entry)
    }

    mutating func note(_ entry: TimelineEntry) {
        let packed = PackedEntry(entry)
        if all.isEmpty {
            if first == .none { return first = packed }
            if second == .none { return second = packed }
            all = [first, second, packed]
        } else {
            if all.count >= Self.limit { all.removeFirst() }
            all.append(packed)
        }
    }

    /// The newest endings with a reason, newest first.
    func lastClosings(_ count: Int) -> [TimelineEntry] {
        entries.reversed().lazy.filter { entry in
            switch entry.kind {
            case .leave, .vanish, .displace, .kick, .expire: true
            case .connect, .join, .return: false
            }
        }.prefix(count).map { $0 }
    }
}

/// Timelines of rooms that are empty now: whoever asks why an extension left asks after it has left.
struct PastTimelines {
    static let limit = 1024

    private var timelines: [RoomID: (timeline: RoomTimeline, serial: UInt64)] = [:]
    private var order: [(room: RoomID, serial: UInt64)] = []
    private var start = 0
    private var serial: UInt64 = 0

    var count: Int { timelines.count }

    subscript(_ room: RoomID) -> RoomTimeline? { timelines[room]?.timeline }

    /// Keeps it; the one that has been here longest makes room.
    mutating func put(_ timeline: RoomTimeline, for room: RoomID) {
        guard !timeline.isEmpty else { return }
        serial &+= 1
        timelines[room] = (timeline, serial)
        order.append((room, serial))
        while timelines.count > Self.limit, start < order.count {
            let oldest = order[start]
            start += 1
            if timelines[oldest.room]?.serial == oldest.serial { timelines[oldest.room] = nil }
        }
        if order.count > 4 * Self.limit {
            order = order[start...].filter { timelines[$0.room]?.serial == $0.serial }
            start = 0
        }
    }

    /// Gives it back to a room that somebody entered.
    mutating func take(_ room: RoomID) -> RoomTimeline? { timelines.removeValue(forKey: room)?.timeline }
}

extension Shard {
    func note(_ kind: TimelineEntry.Kind, _ session: Session, in room: Room, reason: String = "", at: WallTime? = nil) {
        room.timeline.note(
            TimelineEntry(
                at: at ?? shared.wallClock(), kind: kind, session: session.serial, role: session.role, dialect: session.dialect,
                isPolling: session.engine?.transport == .polling, reason: reason))
    }

    /// The wall clock's time of a moment of the loop's clock.
    func wallTime(ofMs ms: UInt64) -> WallTime {
        shared.wallClock().addingClamped(-Int64(clamping: nowMs &- min(nowMs, ms)))
    }
}
