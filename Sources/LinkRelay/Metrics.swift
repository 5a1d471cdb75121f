// The figures of all shards as Prometheus text. Every reason is there from the start, also at zero; no label comes from a peer.
//
// Values, any thread. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

/// One shard's figures at one moment.
struct ShardReading: Sendable {
    var counters: ShardCounters
    /// Name without prefix, value, whether it only grows.
    var figures: [(name: String, value: UInt64, isCounter: Bool)] = []
    var connectionEndings: [(reason: String, count: UInt64)] = []
    var roomCount = 0
    var sessionCount = 0
    var commandsInFlight = 0

    init(counters: ShardCounters) { self.counters = counters }
}

enum MetricsText {
    static func render(_ readings: [ShardReading]) -> String {
        var out = ""
        for (i, figure) in (readings.first?.figures ?? []).enumerated() {
            let sum = readings.reduce(UInt64(0)) { $0 &+ $1.figures[i].value }
            let most = readings.reduce(UInt64(0)) { max($0, $1.figures[i].value) }
            line(&out, figure.name, figure.isCounter, figure.name == "loop_longest_turn_nanoseconds" ? most : sum)
        }
        line(&out, "rooms", false, UInt64(readings.reduce(0) { $0 + $1.roomCount }))
        line(&out, "sessions", false, UInt64(readings.reduce(0) { $0 + $1.sessionCount }))
        line(&out, "commands_in_flight", false, UInt64(readings.reduce(0) { $0 + $1.commandsInFlight }))
        counts(&out, readings)
        labelled(&out, "messages_dropped_total", DropReason.allCases.map { r in (r.label, sum(readings) { $0.dropCount[r.rawValue] }) })
        labelled(&out, "refusals_total", RefusalReason.allCases.map { r in (r.code, sum(readings) { $0.refusalCount[r.rawValue] }) })
        labelled(
            &out, "sessions_closed_total", CloseReason.allCases.map { r in (r.label, sum(readings) { $0.closeCount[r.rawValue] ?? 0 }) })
        labelled(
            &out, "commands_ended_by_relay_total",
            TerminalReason.allCases.map { r in ("\(r.name)", sum(readings) { $0.terminalCount[Int(r.rawValue)] }) })
        labelled(
            &out, "commands_refused_by_policy_total",
            PolicyRule.allCases.map { r in (r.label, sum(readings) { $0.policyCount[r.rawValue] }) })
        let endings = readings.first?.connectionEndings.indices.map { i in
            (readings[0].connectionEndings[i].reason, readings.reduce(UInt64(0)) { $0 &+ $1.connectionEndings[i].count })
        }
        labelled(&out, "connections_ended_total", endings ?? [])
        return out
    }

    private static func counts(_ out: inout String, _ readings: [ShardReading]) {
        let named: [(String, (ShardCounters) -> UInt64)] = [
            ("sessions_opened_total", { $0.sessionsOpened }), ("joins_total", { $0.joinCount }), ("leaves_total", { $0.leaveCount }),
            ("vanished_total", { $0.vanishCount }), ("displaced_total", { $0.displacedCount }), ("kicked_total", { $0.kickedCount }),
            ("grace_returns_total", { $0.graceReturnCount }), ("grace_expired_total", { $0.graceExpiredCount }),
            ("commands_total", { $0.commandCount }), ("statuses_total", { $0.statusCount }),
            ("deliveries_total", { $0.deliveryCount }), ("commands_held_total", { $0.heldCount }),
            ("commands_redelivered_total", { $0.redeliveredCount }), ("statuses_replayed_total", { $0.replayedStatusCount }),
            ("transport_upgrades_total", { $0.upgradesToWebSocket }), ("sessions_moved_total", { $0.movedSessions }),
        ]
        for (name, value) in named { line(&out, name, true, sum(readings, value)) }
    }

    private static func sum(_ readings: [ShardReading], _ value: (ShardCounters) -> UInt64) -> UInt64 {
        readings.reduce(0) { $0 &+ value($1.counters) }
    }

    private static func line(_ out: inout String, _ name: String, _ isCounter: Bool, _ value: UInt64) {
        out += "# TYPE linkrelay_\(name) \(isCounter ? "counter" : "gauge")\nlinkrelay_\(name) \(value)\n"
    }

    private static func labelled(_ out: inout String, _ name: String, _ values: [(String, UInt64)]) {
        out += "# TYPE linkrelay_\(name) counter\n"
        for (label, value) in values { out += "linkrelay_\(name){reason=\"\(label)\"} \(value)\n" }
    }
}
