// The settings a shard reads while relaying, as plain integers in milliseconds and bytes. Values, any thread.
// SPDX-License-Identifier: Apache-2.0

struct ShardLimits: Sendable {
    let graceMs: UInt64
    let heartbeatIntervalMs: UInt32
    let heartbeatTimeoutMs: UInt32
    /// A peer that is silent for longer is dead.
    var silenceMs: UInt64 { UInt64(heartbeatIntervalMs) + UInt64(heartbeatTimeoutMs) }
    /// By then that was noticed: polling peers are looked at once a heartbeat, and a loop may be late.
    var noticedMs: UInt64 { silenceMs + UInt64(heartbeatIntervalMs) + 5_000 }
    let greetingMs: UInt64
    let upgradeMs: UInt64
    let commandTimeoutMs: UInt64
    let resultRetentionMs: UInt64
    let clientMessageBytes: Int
    let sdMessageBytes: Int
    /// Before `iam` says which role it is.
    let greetingMessageBytes = 64 * 1024
    let memberQueueBytes: Int
    let memberQueueCount: Int
    let pollBytes: Int
    let heldCommandCount: Int
    let heldCommandBytes: Int
    let commandsInFlight: Int
    let membersPerRoom: Int
    let roomMemoryBytes: Int
    /// This loop's share of the process's budget.
    let loopMemoryBytes: Int
    /// The part of it that may be kept for members that are away.
    var keptMemoryBytes: Int { loopMemoryBytes / 4 }
    /// What is put aside of a room, where an earlier process left something.
    var debtCeilings: DebtCeilings { DebtCeilings(commandCount: commandsInFlight, keptCount: heldCommandCount, keptBytes: heldCommandBytes) }
    let jsonDepth: Int
    /// How long an extension may leave a barrier unanswered while a second one of the same key is there.
    let suspectMs: UInt64 = 5_000
    /// Refused messages on one connection before it is closed.
    let refusalsPerSession: UInt8 = 200
    let drainMs: UInt64
    let codeLifetimeMs: UInt64
    /// WebSocket messages, for peers that offer it.
    let compresses: Bool
    /// HTTP answers that may be.
    let compressesHTTP: Bool
    /// What commands may make an install download, where a link's owner has not decided otherwise.
    let policy: CommandPolicy

    init(_ s: Settings, loopCount: Int) {
        graceMs = UInt64(clamping: s.presenceGrace.wholeMilliseconds)
        heartbeatIntervalMs = UInt32(clamping: s.heartbeatInterval.wholeMilliseconds)
        heartbeatTimeoutMs = UInt32(clamping: s.heartbeatTimeout.wholeMilliseconds)
        greetingMs = UInt64(clamping: s.firstMessageTimeout.wholeMilliseconds)
        upgradeMs = UInt64(clamping: s.upgradeTimeout.wholeMilliseconds)
        commandTimeoutMs = UInt64(clamping: s.commandTimeout.wholeMilliseconds)
        resultRetentionMs = UInt64(clamping: s.resultRetention.wholeMilliseconds)
        clientMessageBytes = s.clientMessageBytes
        sdMessageBytes = s.sdMessageBytes
        memberQueueBytes = s.memberQueueBytes
        memberQueueCount = s.memberQueueCount
        pollBytes = s.pollBytes
        heldCommandCount = s.heldCommandCount
        heldCommandBytes = s.heldCommandBytes
        commandsInFlight = s.commandsInFlight
        membersPerRoom = s.membersPerRoom
        roomMemoryBytes = s.roomMemoryBytes
        loopMemoryBytes = s.processMemoryBytes / max(1, loopCount)
        jsonDepth = s.jsonDepth
        policy = s.policy
        codeLifetimeMs = UInt64(clamping: s.codeLifetime.wholeMilliseconds)
        drainMs = UInt64(clamping: s.drainWindow.wholeMilliseconds)
        compresses = s.compression
        compressesHTTP = s.httpGzip
    }
}
