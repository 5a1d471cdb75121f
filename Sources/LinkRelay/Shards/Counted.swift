// Every message dropped by policy and every refusal of a peer's event, by name: enum case = metric label = log field.
//
// Plain integers owned by one shard; read on its loop. SPDX-License-Identifier: Apache-2.0

/// A message that was lost on purpose.
enum DropReason: Int, CaseIterable, Sendable {
    /// A newer status of the same command replaced it while a slow member's queue was over its mark.
    case coalesced
    /// The member's queue was at its ceiling; its transport was closed so that it comes back.
    case slowMember
    /// Over the message ceiling: discarded, the connection lives.
    case oversize
    /// A statement about a command that nobody in the room is there to hear.
    case noListener
    /// A command's end that its requester may not have heard: the room keeps too many of those already, or none at all.
    case unheardFull
    case noMemory

    var label: String {
        switch self {
        case .coalesced: "coalesced"
        case .slowMember: "slow_member"
        case .oversize: "oversize"
        case .noListener: "no_listener"
        case .unheardFull: "unheard_full"
        case .noMemory: "no_memory"
        }
    }
}

/// Something a peer asked for and did not get; `code` is what the peer reads beside the sentence.
enum RefusalReason: Int, CaseIterable, Sendable {
    case malformed, unknownEvent, unknownRole, notIdentified, notInRoom, wrongRole, badKey, binary, tooLarge
    case roomFull, commandsInFlight, instanceOffline, duplicateCommand, unsupported
    case unknownKey, unknownCode, spentCode, expiredCode, deletedKey, tooManyTries, notApproved, storeUnavailable
    case originRefused, draining, connectionsPerAddress, unknownSession, badTransport, badEngineVersion, pollOverlap
    case invalidNamespace, policy, blocked

    var code: String {
        switch self {
        case .malformed: "malformed"
        case .unknownEvent: "unknown_event"
        case .unknownRole: "unknown_role"
        case .notIdentified: "not_identified"
        case .notInRoom: "not_in_room"
        case .wrongRole: "wrong_role"
        case .badKey: "bad_key"
        case .binary: "binary_not_supported"
        case .tooLarge: "too_large"
        case .roomFull: "room_full"
        case .commandsInFlight: "commands_in_flight"
        case .instanceOffline: "instance_offline"
        case .duplicateCommand: "duplicate_command"
        case .unsupported: "unsupported"
        case .unknownKey: "unknown_key"
        case .unknownCode: "unknown_code"
        case .spentCode: "spent_code"
        case .expiredCode: "expired_code"
        case .deletedKey: "deleted_key"
        case .tooManyTries: "too_many_tries"
        case .notApproved: "not_approved"
        case .storeUnavailable: "store_unavailable"
        case .originRefused: "origin_refused"
        case .draining: "draining"
        case .connectionsPerAddress: "connections_per_address"
        case .unknownSession: "unknown_session"
        case .badTransport: "bad_transport"
        case .badEngineVersion: "bad_engine_version"
        case .pollOverlap: "poll_overlap"
        case .invalidNamespace: "invalid_namespace"
        case .policy: "policy"
        case .blocked: "blocked"
        }
    }

    init(_ refusal: JoinRefusal) {
        switch refusal {
        case .unknownKey: self = .unknownKey
        case .unknownCode: self = .unknownCode
        case .spentCode: self = .spentCode
        case .expiredCode: self = .expiredCode
        case .deletedKey: self = .deletedKey
        case .tooManyTries: self = .tooManyTries
        case .notApproved: self = .notApproved
        }
    }
}

/// One shard's plain counters.
struct ShardCounters: Sendable {
    var dropCount = [UInt64](repeating: 0, count: DropReason.allCases.count)
    var refusalCount = [UInt64](repeating: 0, count: RefusalReason.allCases.count)
    var closeCount: [UInt16: UInt64] = Dictionary(uniqueKeysWithValues: CloseReason.allCases.map { ($0.rawValue, 0) })
    var joinCount: UInt64 = 0
    var leaveCount: UInt64 = 0
    var vanishCount: UInt64 = 0
    var displacedCount: UInt64 = 0
    var kickedCount: UInt64 = 0
    var approvalsAsked: UInt64 = 0
    var graceReturnCount: UInt64 = 0
    var graceExpiredCount: UInt64 = 0
    var commandCount: UInt64 = 0
    var statusCount: UInt64 = 0
    var deliveryCount: UInt64 = 0
    var heldCount: UInt64 = 0
    var redeliveredCount: UInt64 = 0
    var replayedStatusCount: UInt64 = 0
    var terminalCount = [UInt64](repeating: 0, count: 8)
    var sessionsOpened: UInt64 = 0
    var upgradesToWebSocket: UInt64 = 0
    var movedSessions: UInt64 = 0
    /// Senders held back because a room, or the loop, was over its memory budget.
    var roomBudgetCount: UInt64 = 0
    var loopBudgetCount: UInt64 = 0
    /// Commands refused because too much waited for the extension's return.
    var heldRefusedCount: UInt64 = 0
    /// Oversize messages by the sender's role.
    var oversizeSDCount: UInt64 = 0
    var oversizeClientCount: UInt64 = 0

    var policyCount = [UInt64](repeating: 0, count: PolicyRule.allCases.count)

    @inline(__always) mutating func drop(_ reason: DropReason) { dropCount[reason.rawValue] &+= 1 }
    @inline(__always) mutating func refuse(_ reason: RefusalReason) { refusalCount[reason.rawValue] &+= 1 }
    mutating func close(_ reason: CloseReason) { closeCount[reason.rawValue, default: 0] &+= 1 }
}
