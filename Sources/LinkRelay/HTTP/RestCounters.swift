// How often each route was called and each refusal bit; every label exists from the start, so that a rate over it works.
//
// Any thread, without a lock. Labels are our own names: nothing a peer sends may become one.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

package final class RestCounters: Sendable {
    /// One counter's value and label.
    package struct Count: Sendable, Hashable {
        package let label: String
        package let value: UInt64
    }

    package struct Snapshot: Sendable, Hashable {
        /// Requests by route, in the order of `Route.labels`.
        package let requests: [Count]
        /// Refusals by reason, in the order of `RestRefusal.allCases`.
        package let refusals: [Count]

        /// Nil for a name that is no label.
        package func refusals(_ reason: RestRefusal) -> UInt64? { refusals.first { $0.label == reason.rawValue }?.value }
    }

    private final class Cell: Sendable {
        let value = Atomic<UInt64>(0)
    }

    private let requests: [String: Cell]
    private let refusals: [RestRefusal: Cell]

    package init() {
        requests = Dictionary(uniqueKeysWithValues: Route.labels.map { ($0, Cell()) })
        refusals = Dictionary(uniqueKeysWithValues: RestRefusal.allCases.map { ($0, Cell()) })
    }

    func count(_ route: Route?) {
        requests[route?.label ?? Route.unknownLabel]?.value.wrappingAdd(1, ordering: .relaxed)
    }

    func count(_ refusal: RestRefusal) {
        refusals[refusal]?.value.wrappingAdd(1, ordering: .relaxed)
    }

    /// Values read one after the other: each is exact, together they may be a request apart.
    package var snapshot: Snapshot {
        Snapshot(
            requests: Route.labels.map { Count(label: $0, value: requests[$0]?.value.load(ordering: .relaxed) ?? 0) },
            refusals: RestRefusal.allCases.map {
                Count(label: $0.rawValue, value: refusals[$0]?.value.load(ordering: .relaxed) ?? 0)
            })
    }

    /// The snapshot in Prometheus' text format 0.0.4, each line ended.
    package var metricsText: String {
        let now = snapshot
        var text = "# HELP linkrelay_rest_requests_total REST and page requests by route.\n"
        text += "# TYPE linkrelay_rest_requests_total counter\n"
        for count in now.requests { text += "linkrelay_rest_requests_total{route=\"\(count.label)\"} \(count.value)\n" }
        text += "# HELP linkrelay_rest_refusals_total REST and page requests refused, by reason.\n"
        text += "# TYPE linkrelay_rest_refusals_total counter\n"
        for count in now.refusals { text += "linkrelay_rest_refusals_total{reason=\"\(count.label)\"} \(count.value)\n" }
        return text
    }
}
