// The relay as a whole: its figures, its connections, its limits, its self-check, and the actions on the process.
//
// Any thread; every look hops to the loops, one after the other. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension AdminAPI {
    private func readings() async -> [ShardReading] {
        var readings: [ShardReading] = []
        for shard in shared.shards { readings.append(await shard.run { $0.reading() }) }
        return readings
    }

    private func census() async -> SessionCensus {
        var census = SessionCensus()
        for shard in shared.shards { census.add(await shard.run { $0.census() }) }
        return census
    }

    func status() async -> AdminAnswer {
        let readings = await readings()
        let census = await census()
        let figure = { (name: String) in
            readings.reduce(UInt64(0)) { sum, reading in sum &+ (reading.figures.first { $0.name == name }?.value ?? 0) }
        }
        let sum = { (value: (ShardCounters) -> UInt64) in readings.reduce(UInt64(0)) { $0 &+ value($1.counters) } }
        let process = ProcessFigures.read()
        return AdminAnswer([
            "version": .string(Version.text), "startedAt": .time(relay.startedAt), "now": .time(shared.wallClock()),
            "isDraining": .bool(shared.isDraining), "loops": .count(shared.loopCount), "logLevel": .string(shared.log.level.name),
            "rooms": .count(readings.reduce(0) { $0 + $1.roomCount }), "sessions": .count(readings.reduce(0) { $0 + $1.sessionCount }),
            "members": ["sd": .count(census.seatedSDCount), "client": .count(census.seatedClientCount)],
            "commandsInFlight": .count(readings.reduce(0) { $0 + $1.commandsInFlight }), "links": .count(keys.liveKeyCount),
            "connections": .count(figure("connections_open")), "websockets": .count(figure("websockets_open")),
            "queuedBytes": .count(figure("queued_bytes")), "messageBytes": .count(figure("message_bytes")),
            "bufferedBytes": .count(figure("buffered_bytes")),
            "residentBytes": .count(process.residentBytes), "openFiles": .count(process.openFileCount),
            "openFilesLimit": .count(process.openFileLimit),
            "totals": [
                "messagesIn": .count(figure("messages_in_total")), "messagesOut": .count(figure("messages_out_total")),
                "bytesIn": .count(figure("bytes_in_total")), "bytesOut": .count(figure("bytes_out_total")),
                "commands": .count(sum { $0.commandCount }), "statuses": .count(sum { $0.statusCount }), "joins": .count(sum { $0.joinCount }),
                "refusals": .count(sum { $0.refusalCount.reduce(0, &+) }), "drops": .count(sum { $0.dropCount.reduce(0, &+) }),
                "busyNanoseconds": .count(figure("loop_busy_nanoseconds_total")),
            ],
        ])
    }

    func connections() async -> AdminAnswer {
        let readings = await readings()
        let census = await census()
        let figure = { (name: String) in
            readings.reduce(UInt64(0)) { sum, reading in sum &+ (reading.figures.first { $0.name == name }?.value ?? 0) }
        }
        let open = figure("connections_open")
        let sockets = figure("websockets_open")
        let endings = (readings.first?.connectionEndings ?? []).enumerated().map { i, ending in
            (key: ending.reason, value: JSONValue.count(readings.reduce(UInt64(0)) { $0 &+ $1.connectionEndings[i].count }))
        }
        let closes = CloseReason.allCases.map { reason in
            (key: reason.label, value: JSONValue.count(readings.reduce(UInt64(0)) { $0 &+ ($1.counters.closeCount[reason.rawValue] ?? 0) }))
        }
        return AdminAnswer([
            "open": .count(open), "websocket": .count(sockets), "http": .count(open &- min(open, sockets)),
            "accepted": .count(figure("connections_accepted_total")),
            "sessions": .object(SessionCensus.State.allCases.map { ($0.label, .count(census.byState[$0.rawValue])) }),
            "transports": [
                "native": .count(census.nativeCount), "socketioWebsocket": .count(census.socketioCount),
                "socketioPolling": .count(census.pollingCount),
            ],
            "heldBack": .count(census.heldBackCount), "ended": .object(endings), "closedByRelay": .object(closes),
        ])
    }

    func limits() async -> AdminAnswer {
        let readings = await readings()
        let settings = shared.settings
        let rest = restCounters.snapshot
        let items = SettingsTable.listed.filter(\.isLimit).map { setting -> JSONValue in
            let bite = LimitBite.of(setting.name)
            return [
                "name": .string(setting.name), "value": .string(setting.value(in: settings)), "default": .string(setting.defaultText),
                "bites": bite.map { .count($0.count(readings, rest)) } ?? .null, "counter": .text(bite?.counter),
                "text": .string(setting.text),
            ]
        }
        return AdminAnswer(["items": .array(items)])
    }

    /// What lives on one loop has to agree at once; what spans loops may be on its way, and is looked at a few times.
    func consistency() async -> AdminAnswer {
        var checks: [SelfCheck] = []
        for _ in 0..<4 {
            checks = await selfChecks()
            if checks.allSatisfy(\.isFine) { break }
            try? await Task.sleep(for: .milliseconds(50))
        }
        return AdminAnswer([
            "isConsistent": .bool(checks.allSatisfy(\.isFine)),
            "checks": .array(
                checks.map { check in
                    [
                        "name": .string(check.name), "ok": .bool(check.isFine), "expected": .count(check.expected),
                        "actual": .count(check.actual),
                    ]
                }),
        ])
    }

    private func selfChecks() async -> [SelfCheck] {
        var checks: [SelfCheck] = []
        var engines = 0
        var addresses = 0
        for shard in shared.shards {
            let own = await shard.run { $0.selfCheck() }
            checks += own.checks
            engines += own.engineSessionCount
            addresses += own.countedAddressCount
        }
        return checks + [
            SelfCheck(name: "engine_directory", expected: engines, actual: shared.directory.count),
            SelfCheck(name: "address_census", expected: addresses, actual: shared.addresses.total),
        ]
    }

    // MARK: Actions

    func logLevel() -> AdminAnswer { AdminAnswer(["level": .string(shared.log.level.name)]) }

    func setLogLevel(_ call: AdminCall) throws(AdminFailure) -> AdminAnswer {
        guard let name = try call.members(["level"])["level"]?.stringValue, let level = Log.Level(named: name) else {
            throw AdminFailure(.badBody, "The level is one of " + Log.Level.allCases.map(\.name).joined(separator: ", ") + ".")
        }
        shared.log.level = level
        audit(call, "setLogLevel", name)
        return logLevel()
    }

    func drain(_ call: AdminCall) throws(AdminFailure) -> AdminAnswer {
        audit(call, "drain", "process")
        guard relay.requestEnd() else { throw AdminFailure(.unavailable) }
        return AdminAnswer(["success": true], status: 202)
    }
}
