// The last pairings, refusals and operator's actions of the whole process, for the operator; in memory only.
//
// Any thread, behind a lock; written per join or handshake, never per message. A ring of each kind, so that a storm of refusals pushes no
// pairing out. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

struct RecentEvent: Sendable {
    enum Kind: String, Sendable, CaseIterable { case pairing, refusal, action }

    var at: WallTime
    var kind: Kind
    /// A refusal's code, an action's name; `code_exchanged` or `self_paired`.
    var name: String
    var room: RoomID?
    var role: Role?
    var address: PeerAddress?
    /// Who did it, to what: an action's.
    var actor = ""
    var target = ""
}

final class RecentEvents: Sendable {
    /// Of each kind.
    static let limit = 256

    private struct Ring: Sendable {
        var events: [RecentEvent] = []
        var next = 0
        var totalCount: UInt64 = 0
    }

    private let rings = Locked([RecentEvent.Kind: Ring]())

    func note(_ event: RecentEvent) {
        rings.withLock { rings in
            rings[event.kind, default: Ring()].totalCount &+= 1
            let count = rings[event.kind]?.events.count ?? 0
            if count < Self.limit {
                rings[event.kind]?.events.append(event)
            } else if let next = rings[event.kind]?.next {
                rings[event.kind]?.events[next] = event
                rings[event.kind]?.next = (next + 1) % Self.limit
            }
        }
    }

    /// Newest first.
    func latest(_ kinds: [RecentEvent.Kind], limit: Int) -> [RecentEvent] {
        let found = rings.withLock { rings in
            kinds.flatMap { kind -> [RecentEvent] in
                guard let ring = rings[kind] else { return [] }
                return ring.events.count < Self.limit ? ring.events : Array(ring.events[ring.next...] + ring.events[..<ring.next])
            }
        }
        return Array(found.enumerated().sorted { ($0.element.at, $0.offset) > ($1.element.at, $1.offset) }.prefix(limit).map(\.element))
    }

    func totalCount(_ kind: RecentEvent.Kind) -> UInt64 { rings.withLock { $0[kind]?.totalCount ?? 0 } }
}
