// How long something took, in fixed buckets. Any thread, without a lock; a few atomics per measurement, so never per message.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

package final class LatencyHistogram: Sendable {
    struct Reading: Sendable {
        /// Of each bucket and those below it, the unbounded one last.
        var cumulative: [UInt64]
        var sumNanoseconds: UInt64
    }

    /// Upper bounds in microseconds.
    static let bounds: [UInt64] = [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000]

    private final class Cell: Sendable {
        let value = Atomic<UInt64>(0)
    }

    private let buckets = (0...LatencyHistogram.bounds.count).map { _ in Cell() }
    private let sum = Atomic<UInt64>(0)

    package init() {}

    func add(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let nanoseconds = UInt64(clamping: max(0, seconds)).multipliedReportingOverflow(by: 1_000_000_000).partialValue
            &+ UInt64(clamping: attoseconds / 1_000_000_000)
        let bucket = Self.bounds.firstIndex { nanoseconds <= $0 * 1000 } ?? Self.bounds.count
        buckets[bucket].value.wrappingAdd(1, ordering: .relaxed)
        sum.wrappingAdd(nanoseconds, ordering: .relaxed)
    }

    var reading: Reading {
        var total: UInt64 = 0
        let cumulative = buckets.map { cell in
            total &+= cell.value.load(ordering: .relaxed)
            return total
        }
        return Reading(cumulative: cumulative, sumNanoseconds: sum.load(ordering: .relaxed))
    }
}

/// What a store measures of itself.
package final class StoreMeasures: Sendable {
    let reads = LatencyHistogram()
    let writes = LatencyHistogram()
    private let failures = StoreError.Kind.allCases.map { _ in Failure() }

    private final class Failure: Sendable {
        let count = Atomic<UInt64>(0)
    }

    package init() {}

    func note(_ error: StoreError) {
        guard let i = StoreError.Kind.allCases.firstIndex(of: error.kind) else { return }
        failures[i].count.wrappingAdd(1, ordering: .relaxed)
    }

    var failureCounts: [(String, UInt64)] {
        zip(StoreError.Kind.allCases, failures).map { ($0.rawValue, $1.count.load(ordering: .relaxed)) }
    }
}
