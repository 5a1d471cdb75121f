// The figures of the whole relay as Prometheus text. Every reason is there from the start, also at zero; no label comes from a peer.
//
// Values, any thread. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

/// One shard's figures at one moment.
struct ShardReading: Sendable {
    var counters: ShardCounters
    /// Name without prefix, value, whether it only grows.
    var figures: [(name: String, value: UInt64, isCounter: Bool)] = []
    var connectionEndings: [(reason: String, count: UInt64)] = []
    /// Messages by how long their turn took; see `LoopTimes`.
    var relayTimes: [UInt64] = []
    var relayNanoseconds: UInt64 = 0
    var roomCount = 0
    var sessionCount = 0
    var commandsInFlight = 0

    init(counters: ShardCounters) { self.counters = counters }
}

enum MetricsText {
    static func render(_ reading: RelayReading) -> String {
        var out = MetricsWriter()
        figures(&out, reading.shards)
        gauges(&out, reading)
        LoopTimes.render(&out, reading.shards)
        counts(&out, reading.shards)
        reasons(&out, reading.shards)
        codes(&out, reading.codes)
        store(&out, reading.store)
        process(&out, reading)
        return out.text
    }

    // MARK: Of the loops

    private static let figureHelp: [String: String] = [
        "connections_accepted_total": "Connections accepted.",
        "connections_open": "Open connections.",
        "websockets_open": "Open connections that are WebSockets.",
        "tls_connections_open": "Open connections that speak TLS.",
        "tls_handshakes_total": "Finished TLS handshakes.",
        "tls_resumed_total": "TLS handshakes that resumed a session.",
        "tls_handshakes_deferred_total": "Times a TLS handshake waited for the next turn's budget.",
        "messages_compressed_total": "Messages compressed, each once for all its receivers.",
        "compression_in_bytes_total": "Bytes of these before compression.",
        "compression_out_bytes_total": "Bytes of these after compression.",
        "messages_inflated_total": "Compressed messages received.",
        "inflation_in_bytes_total": "Bytes of these on the wire.",
        "inflation_out_bytes_total": "Bytes of these inflated.",
        "inflations_refused_total": "Compressed messages over their ceiling.",
        "http_bodies_compressed_total": "HTTP bodies compressed.",
        "http_compression_in_bytes_total": "Bytes of these before compression.",
        "http_compression_out_bytes_total": "Bytes of these after compression.",
        "http_requests_total": "HTTP requests, polling included.",
        "upgrades_total": "HTTP connections that became WebSockets.",
        "messages_in_total": "WebSocket messages received.",
        "messages_out_total": "WebSocket messages queued for sending.",
        "bytes_in_total": "Bytes read from sockets.",
        "bytes_out_total": "Bytes written to sockets.",
        "queued_bytes": "Bytes waiting to be sent.",
        "message_bytes": "Memory of all messages: queued, waiting for a poll or for proof of their arrival, or kept for members that are away.",
        "buffered_bytes": "Bytes of unfinished input.",
        "connections_moved_total": "Connections handed to another loop.",
        "accept_paused_total": "Times that accepting stopped for want of descriptors.",
        "loop_turns_total": "Turns of all loops.",
        "loop_slow_turns_total": "Turns that took longer than 0.1 s.",
        "loop_busy_nanoseconds_total": "Time that loops spent working.",
        "loop_longest_turn_nanoseconds": "The longest turn of any loop since the last scrape.",
    ]

    private static func figures(_ out: inout MetricsWriter, _ shards: [ShardReading]) {
        for (i, figure) in (shards.first?.figures ?? []).enumerated() {
            let values = shards.map { i < $0.figures.count ? $0.figures[i].value : 0 }
            let kind: MetricsWriter.Kind = figure.isCounter ? .counter : .gauge
            let help = figureHelp[figure.name] ?? figure.name
            guard figure.name.contains("nanoseconds") else {
                out.single(figure.name, kind, help, values.reduce(0, &+))
                continue
            }
            // Prometheus wants base units.
            let value = figure.isCounter ? values.reduce(0, &+) : values.max() ?? 0
            out.single(figure.name.replacing("nanoseconds", with: "seconds"), kind, help, Double(value) / 1e9)
        }
    }

    private static func gauges(_ out: inout MetricsWriter, _ reading: RelayReading) {
        let sum = { (value: (ShardReading) -> Int) in reading.shards.reduce(0) { $0 + value($1) } }
        out.single("connections_limit", .gauge, "How many connections are taken; the setting connection-count.", reading.connectionLimit)
        out.single("rooms", .gauge, "Rooms that somebody is in or is expected back in.", sum { $0.roomCount })
        out.family("sessions", .gauge, "Sessions by dialect and transport.")
        let census = reading.census
        out.sample("sessions", labels: "dialect=\"native\",transport=\"websocket\"", census.nativeCount)
        out.sample("sessions", labels: "dialect=\"socketio\",transport=\"websocket\"", census.socketioCount)
        out.sample("sessions", labels: "dialect=\"socketio\",transport=\"polling\"", census.pollingCount)
        out.labelled(
            "sessions_by_state", .gauge, "Sessions by how far they are.", label: "state",
            SessionCensus.State.allCases.map { ($0.label, UInt64(clamping: census.byState[$0.rawValue])) })
        out.labelled(
            "members", .gauge, "Seated members by role.", label: "role",
            [("sd", UInt64(clamping: census.seatedSDCount)), ("client", UInt64(clamping: census.seatedClientCount))])
        out.single("sessions_held_back", .gauge, "Senders that are not read because of a memory budget.", census.heldBackCount)
        out.single("commands_in_flight", .gauge, "Commands without an end.", sum { $0.commandsInFlight })
        out.single("link_keys", .gauge, "Link keys that open a room.", reading.liveKeyCount)
        out.single("blocks", .gauge, "Networks and users that the operator keeps out.", reading.blockCount)
        out.single("draining", .gauge, "1 while the relay is on its way down.", reading.isDraining ? 1 : 0)
        out.single("loop_lag_seconds", .gauge, "How long the slowest loop took to get to the work of this scrape.", reading.lagSeconds)
        out.single("log_lines_suppressed_total", .counter, "Log lines left out by their allowances.", reading.suppressedLogLines)
    }

    private static let named: [(name: String, help: String, value: @Sendable (ShardCounters) -> UInt64)] = [
        ("sessions_opened_total", "Sessions opened.", { $0.sessionsOpened }),
        ("joins_total", "Seats taken in rooms.", { $0.joinCount }),
        ("leaves_total", "Seats left for good.", { $0.leaveCount }),
        ("vanished_total", "Extensions that vanished without a word.", { $0.vanishCount }),
        ("displaced_total", "Connections displaced by a newer one of the same install.", { $0.displacedCount }),
        ("kicked_total", "Members sent away because their link was removed.", { $0.kickedCount }),
        ("approvals_asked_total", "Extensions that had to wait for their owner's approval.", { $0.approvalsAsked }),
        ("grace_returns_total", "Extensions that came back within their grace.", { $0.graceReturnCount }),
        ("grace_expired_total", "Extensions that did not.", { $0.graceExpiredCount }),
        ("commands_total", "Commands from clients.", { $0.commandCount }),
        ("statuses_total", "Statuses from extensions.", { $0.statusCount }),
        ("deliveries_total", "Messages queued for members.", { $0.deliveryCount }),
        ("commands_held_total", "Commands held for an extension's return.", { $0.heldCount }),
        ("held_refused_total", "Commands refused because too much was held already.", { $0.heldRefusedCount }),
        ("commands_redelivered_total", "Commands sent again because their arrival was unproved.", { $0.redeliveredCount }),
        ("statuses_replayed_total", "Statuses repeated to clients that came back.", { $0.replayedStatusCount }),
        ("transport_upgrades_total", "Polling sessions that became WebSockets.", { $0.upgradesToWebSocket }),
        ("sessions_moved_total", "Sessions handed to their room's loop.", { $0.movedSessions }),
        ("oversize_client_total", "Messages of clients, or of nobody yet, over their ceiling.", { $0.oversizeClientCount }),
        ("oversize_sd_total", "Messages of extensions over their ceiling.", { $0.oversizeSDCount }),
        ("room_budget_pauses_total", "Senders held back by a room's memory budget.", { $0.roomBudgetCount }),
        ("process_budget_pauses_total", "Senders held back by the process's memory budget.", { $0.loopBudgetCount }),
    ]

    private static func counts(_ out: inout MetricsWriter, _ shards: [ShardReading]) {
        for (name, help, value) in named { out.single(name, .counter, help, sum(shards, value)) }
    }

    private static func reasons(_ out: inout MetricsWriter, _ shards: [ShardReading]) {
        out.labelled(
            "messages_dropped_total", .counter, "Messages lost on purpose.", label: "reason",
            DropReason.allCases.map { r in (r.label, sum(shards) { $0.dropCount[r.rawValue] }) })
        out.labelled(
            "refusals_total", .counter, "Requests of peers that were refused.", label: "reason",
            RefusalReason.allCases.map { r in (r.code, sum(shards) { $0.refusalCount[r.rawValue] }) })
        out.labelled(
            "sessions_closed_total", .counter, "Sessions closed by the relay.", label: "reason",
            CloseReason.allCases.map { r in (r.label, sum(shards) { $0.closeCount[r.rawValue] ?? 0 }) })
        out.labelled(
            "commands_ended_by_relay_total", .counter, "Commands that the relay ended itself.", label: "reason",
            TerminalReason.allCases.map { r in ("\(r.name)", sum(shards) { $0.terminalCount[Int(r.rawValue)] }) })
        out.labelled(
            "commands_refused_by_policy_total", .counter, "Commands about files that the policy refused.", label: "reason",
            PolicyRule.allCases.map { r in (r.label, sum(shards) { $0.policyCount[r.rawValue] }) })
        let endings = (shards.first?.connectionEndings ?? []).enumerated().map { i, ending in
            (ending.reason, shards.reduce(UInt64(0)) { $0 &+ (i < $1.connectionEndings.count ? $1.connectionEndings[i].count : 0) })
        }
        out.labelled("connections_ended_total", .counter, "Connections by how they ended.", label: "reason", endings)
    }

    private static func sum(_ shards: [ShardReading], _ value: (ShardCounters) -> UInt64) -> UInt64 {
        shards.reduce(0) { $0 &+ value($1.counters) }
    }

    // MARK: Of everything else

    private static func codes(_ out: inout MetricsWriter, _ codes: CodeCounts) {
        out.labelled(
            "codes_total", .counter, "Pairing codes by what came of them.", label: "outcome",
            [
                ("issued", codes.issued), ("exchanged", codes.exchanged), ("expired", codes.expired), ("wrong", codes.wrong),
                ("refused", codes.refused),
            ])
    }

    private static func store(_ out: inout MetricsWriter, _ store: StoreMeasures?) {
        guard let store else { return }
        out.family("store_seconds", .histogram, "Time that the store took to answer, waiting included.")
        out.histogram("store_seconds", labels: "access=\"read\"", store.reads.reading)
        out.histogram("store_seconds", labels: "access=\"write\"", store.writes.reading)
        out.labelled("store_failures_total", .counter, "Calls of the store that failed.", label: "kind", store.failureCounts)
    }

    private static func process(_ out: inout MetricsWriter, _ reading: RelayReading) {
        let process = reading.process
        out.family("build_info", .gauge, "Always 1; the version is a label.")
        out.sample("build_info", labels: "version=\"\(Version.text)\"", 1)
        let standard: [(String, MetricsWriter.Kind, String, Double)] = [
            ("process_cpu_seconds_total", .counter, "Processor time.", Double(process.cpuMilliseconds) / 1000),
            ("process_resident_memory_bytes", .gauge, "Resident memory.", Double(process.residentBytes)),
            ("process_virtual_memory_bytes", .gauge, "Virtual memory.", Double(process.virtualBytes)),
            ("process_open_fds", .gauge, "Open descriptors.", Double(process.openFileCount)),
            ("process_max_fds", .gauge, "The limit of open descriptors.", Double(process.openFileLimit)),
            ("process_start_time_seconds", .gauge, "Start, in seconds since 1970.", Double(reading.startedAt) / 1000),
        ]
        for (name, kind, help, value) in standard { out.single(name, kind, help, value, isOurs: false) }
    }
}
