// The door to a shard for everybody who is not on its loop: REST answers, the store's replies, shutdown, metrics.
//
// Control plane only: a hop costs 6 to 50 µs. Frames never come this way (they enter through Callbacks.swift).
// SPDX-License-Identifier: Apache-2.0

package actor ShardActor {
    package nonisolated let loop: EventLoop
    package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    private let shard: Shard

    init(loop: EventLoop, shard: sending Shard) {
        self.loop = loop
        self.shard = shard
    }

    /// Runs `body` on the loop's thread. The shard must not escape from it.
    func run<Result: Sendable>(_ body: @Sendable (Shard) -> Result) -> Result { body(shard) }
}
