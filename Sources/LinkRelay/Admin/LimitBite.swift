// Which counter says how often a limit bit. Constant tables, any thread.
//
// A limit without a row has no counter of its own. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

enum LimitBite: Sendable {
    case refusal(RefusalReason)
    case drop(DropReason)
    case close(CloseReason)
    case terminal(TerminalReason)
    /// A connection's ending, by the engine's name for it.
    case ending(String)
    case rest(RestRefusal)
    case counted(String, @Sendable (ShardCounters) -> UInt64)

    static func of(_ setting: String) -> LimitBite? { table[setting] }
    static var settings: [String] { Array(table.keys) }

    private static let table: [String: LimitBite] = [
        "instance-limit": .rest(.instanceLimit),
        "code-lifetime": .refusal(.expiredCode),
        "wrong-code-burst": .refusal(.tooManyTries),
        "wrong-codes-per-minute": .refusal(.tooManyTries),
        "presence-grace": .counted("grace_expired_total", { $0.graceExpiredCount }),
        "heartbeat-timeout": .ending("heartbeat_timeout"),
        "commands-in-flight": .refusal(.commandsInFlight),
        "command-timeout": .terminal(.timeout),
        "held-command-count": .counted("held_refused_total", { $0.heldRefusedCount }),
        "held-command-bytes": .counted("held_refused_total", { $0.heldRefusedCount }),
        "client-message-bytes": .counted("oversize_client_total", { $0.oversizeClientCount }),
        "sd-message-bytes": .counted("oversize_sd_total", { $0.oversizeSDCount }),
        "room-memory-bytes": .counted("room_budget_pauses_total", { $0.roomBudgetCount }),
        "process-memory-bytes": .counted("process_budget_pauses_total", { $0.loopBudgetCount }),
        "member-queue-bytes": .drop(.slowMember),
        "member-queue-count": .drop(.slowMember),
        "poll-bytes": .drop(.slowMember),
        "head-bytes": .ending("http_head_too_large"),
        "fragment-count": .ending("frame_fragments"),
        "connection-count": .ending("connection_limit"),
        "connections-per-address": .refusal(.connectionsPerAddress),
        "members-per-room": .refusal(.roomFull),
        "first-message-timeout": .close(.greetingTimeout),
        "head-timeout": .ending("head_timeout"),
        "body-timeout": .ending("body_timeout"),
        "keepalive-timeout": .ending("keepalive_timeout"),
    ]

    /// The metric that holds the same number, without the prefix `linkrelay_`.
    var counter: String {
        switch self {
        case .refusal(let reason): "refusals_total{reason=\"\(reason.code)\"}"
        case .drop(let reason): "messages_dropped_total{reason=\"\(reason.label)\"}"
        case .close(let reason): "sessions_closed_total{reason=\"\(reason.label)\"}"
        case .terminal(let reason): "commands_ended_by_relay_total{reason=\"\(reason.name)\"}"
        case .ending(let name): "connections_ended_total{reason=\"\(name)\"}"
        case .rest(let refusal): "rest_refusals_total{reason=\"\(refusal.rawValue)\"}"
        case .counted(let name, _): name
        }
    }

    func count(_ readings: [ShardReading], _ rest: RestCounters.Snapshot) -> UInt64 {
        readings.reduce(refusals(in: rest)) { sum, reading in
            let counters = reading.counters
            switch self {
            case .refusal(let reason): return sum &+ counters.refusalCount[reason.rawValue]
            case .drop(let reason): return sum &+ counters.dropCount[reason.rawValue]
            case .close(let reason): return sum &+ (counters.closeCount[reason.rawValue] ?? 0)
            case .terminal(let reason): return sum &+ counters.terminalCount[Int(reason.rawValue)]
            case .ending(let name): return sum &+ (reading.connectionEndings.first { $0.reason == name }?.count ?? 0)
            case .rest: return sum
            case .counted(_, let value): return sum &+ value(counters)
            }
        }
    }

    private func refusals(in snapshot: RestCounters.Snapshot) -> UInt64 {
        if case .rest(let refusal) = self { snapshot.refusals(refusal) ?? 0 } else { 0 }
    }
}

extension Setting {
    /// A number that bounds something.
    var isLimit: Bool {
        switch kind {
        case .duration, .expiry, .bytes, .count: name != "loops"
        default: false
        }
    }
}
