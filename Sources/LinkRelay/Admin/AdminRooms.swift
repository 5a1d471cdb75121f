// Rooms, their members and timelines, and the two actions on them. Any thread; every look hops to the rooms' loops.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension AdminAPI {
    func listRooms(_ call: AdminCall) async throws(AdminFailure) -> AdminAnswer {
        var filter = RoomFilter(after: call.cursor, limit: call.limit + 1, user: call.user)
        filter.install = call.query["install"].flatMap { RoomFilter.Install(rawValue: $0) }
        filter.isBusy = call.query["busy"].map { $0 == "true" }
        let wanted = filter
        var views: [RoomView] = []
        var total = 0
        for shard in shared.shards {
            let found = await shard.run { $0.roomViews(wanted) }
            views += found.views
            total += found.total
        }
        views.sort { $0.id.instance < $1.id.instance }
        let shown = views.prefix(call.limit)
        let next = views.count > call.limit ? shown.last?.id.instance.rawValue : nil
        return AdminAnswer(.page(shown.map { $0.json(whole: false, call) }, total: total, next: next))
    }

    func room(_ call: AdminCall) async throws(AdminFailure) -> AdminAnswer {
        let id = RoomID(InstanceID(call.id))
        guard let view = await home(of: id)?.run({ $0.roomView(id) }) else { throw AdminFailure(.noSuchRoom) }
        return AdminAnswer(view.json(whole: true, call))
    }

    func kickRoom(_ call: AdminCall) async throws(AdminFailure) -> AdminAnswer {
        let id = RoomID(InstanceID(call.id))
        guard await home(of: id)?.run({ $0.rooms[id] != nil }) == true else { throw AdminFailure(.noSuchRoom) }
        await relay.kick(id, reason: .byOperator)
        audit(call, "kickRoom", id.description)
        return Self.done
    }

    func disconnectSession(_ call: AdminCall) async throws(AdminFailure) -> AdminAnswer {
        let serial = UInt64(clamping: call.id)
        for shard in shared.shards where await shard.run({ $0.disconnect(serial) }) {
            audit(call, "disconnectSession", "session \(serial)")
            return Self.done
        }
        throw AdminFailure(.noSuchSession)
    }

    private func home(of room: RoomID) -> ShardActor? {
        let shards = shared.shards
        let i = room.home(loopCount: shared.loopCount)
        return shards.indices.contains(i) ? shards[i] : nil
    }

    func recent(_ call: AdminCall) -> AdminAnswer {
        let kinds = call.query["kind"].flatMap { RecentEvent.Kind(rawValue: $0) }.map { [$0] } ?? RecentEvent.Kind.allCases
        let events = shared.recent.latest(kinds, limit: call.limit)
        return AdminAnswer([
            "items": .array(events.map { $0.json(call) }),
            "totals": .object(RecentEvent.Kind.allCases.map { ($0.rawValue, .count(shared.recent.totalCount($0))) }),
        ])
    }
}

extension AdminCall {
    func address(_ address: PeerAddress) -> JSONValue { .string(showsWholeAddresses ? address.fullText : address.description) }
}

extension RoomView {
    func json(whole: Bool, _ call: AdminCall) -> JSONValue {
        var members: [(key: String, value: JSONValue)] = [
            ("id", .int(id.instance.rawValue)),
            ("user", user.map { .int($0.rawValue) } ?? .null),
            ("loop", .count(loop)),
            ("presence", ["client": .count(presence.clientCount), "sd": .count(presence.sdCount)]),
            ("away", .count(absentCount)),
            ("commandsInFlight", .count(commandsInFlight)),
            ("heldCommands", .count(heldCommandCount)),
            ("heldBytes", .count(heldBytes)),
            ("queuedBytes", .count(queuedBytes)),
            ("traffic", traffic.json),
            ("members", .array(self.members.map { $0.json(call) })),
            ("lastClosings", .array(closings.map(\.json))),
        ]
        if whole {
            members.append(("commands", .array(commands.map(\.json))))
            members.append(("timeline", .array(timeline.map(\.json))))
        }
        return .object(members)
    }
}

extension Traffic {
    var json: JSONValue {
        [
            "messagesIn": .count(messagesIn), "messagesOut": .count(messagesOut), "bytesIn": .count(bytesIn),
            "bytesOut": .count(bytesOut),
        ]
    }
}

extension MemberView {
    func json(_ call: AdminCall) -> JSONValue {
        [
            "session": .count(session), "role": .text(role?.name), "dialect": .string(dialect.name),
            "transport": isPolling ? "polling" : "websocket", "address": call.address(address), "name": .text(name),
            "version": .text(version), "installId": .text(installID), "connectedAt": .time(connectedAt), "joinedAt": .time(joinedAt),
            "traffic": traffic.json, "queuedBytes": .count(queuedBytes), "queuedMessages": .count(queuedCount),
            "unconfirmedCommands": .count(unconfirmedCount), "isHeldBack": .bool(isHeldBack),
        ]
    }
}

extension CommandView {
    /// Id and type as their sender wrote them, escapes unresolved.
    var json: JSONValue {
        [
            "id": .string(String(decoding: id, as: UTF8.self)), "type": .string(String(decoding: type, as: UTF8.self)),
            "requester": .count(requester), "endsInMs": .count(endsInMs), "isHeld": .bool(isHeld),
        ]
    }
}

extension TimelineEntry {
    var json: JSONValue {
        [
            "at": .time(at), "event": .string(kind.rawValue), "reason": .string(reason), "session": session == 0 ? .null : .count(session),
            "role": .text(role?.name), "dialect": .text(dialect?.name), "transport": isPolling ? "polling" : "websocket",
        ]
    }
}

extension RecentEvent {
    func json(_ call: AdminCall) -> JSONValue {
        [
            "at": .time(at), "kind": .string(kind.rawValue), "name": .string(name),
            "room": room.map { .int($0.instance.rawValue) } ?? .null, "role": .text(role?.name),
            "address": address.map { call.address($0) } ?? .null, "actor": .string(actor), "target": .string(target),
        ]
    }
}
