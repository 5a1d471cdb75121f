// Everything that the metrics tell, at one moment. Values, any thread. SPDX-License-Identifier: Apache-2.0

/// What pairing codes came to.
struct CodeCounts: Sendable {
    var issued: UInt64 = 0
    var exchanged: UInt64 = 0
    /// Ran out unused.
    var expired: UInt64 = 0
    /// Wrong ones presented.
    var wrong: UInt64 = 0
    /// Presented by an address that had tried too often.
    var refused: UInt64 = 0
}

struct RelayReading: Sendable {
    var shards: [ShardReading] = []
    var census = SessionCensus()
    var codes = CodeCounts()
    var store: StoreMeasures?
    var process = ProcessFigures()
    /// The longest that a loop took to get to work that was posted to it just now.
    var lagSeconds = 0.0
    var startedAt: WallTime = 0
    var connectionLimit = 0
    var blockCount = 0
    var liveKeyCount = 0
    var isDraining = false
    var suppressedLogLines = 0
}
