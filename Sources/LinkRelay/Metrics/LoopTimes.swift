// How long relayed messages took, as the engine measures it: a turn of a loop from taking up its input to the last receiver's flush, counted
// once for every message of that turn. So a fan-out to many, or a slow neighbour in the same turn, is what all of them waited for.
//
// Values, any thread. SPDX-License-Identifier: Apache-2.0

enum LoopTimes {
    static func render(_ out: inout MetricsWriter, _ shards: [ShardReading]) {
        var cumulative: [UInt64] = []
        var total: UInt64 = 0
        let bounds = EventLoop.relayBounds
        for i in 0...bounds.count {
            total = shards.reduce(total) { $0 &+ (i < $1.relayTimes.count ? $1.relayTimes[i] : 0) }
            cumulative.append(total)
        }
        let nanoseconds = shards.reduce(UInt64(0)) { $0 &+ $1.relayNanoseconds }
        out.family(
            "relay_seconds", .histogram, "WebSocket messages by the time from taking up their turn until all receivers had them flushed.")
        out.histogram("relay_seconds", labels: "", bounds: bounds, cumulative: cumulative, sumNanoseconds: nanoseconds)
    }
}
