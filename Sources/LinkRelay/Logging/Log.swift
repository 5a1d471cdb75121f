// What is worth a line in the log, and how often. Any thread may write; nothing here waits for a disk or a pipe.
//
// Must never carry a key, code, token, cookie or message payload. Each event has its own allowance, so that a storm of one
// kind hides none of the others; what was left out is counted and said.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

package enum LogValue: Sendable, Hashable, ExpressibleByStringLiteral, ExpressibleByStringInterpolation,
    ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral
{
    case string(String)
    case int(Int64)
    case double(Double)
    case bool(Bool)

    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int64) { self = .int(value) }
    package init(floatLiteral value: Double) { self = .double(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }

    /// Any integer; one that does not fit is clamped.
    package static func count(_ value: some BinaryInteger) -> LogValue { .int(Int64(clamping: value)) }
    package static func text(_ value: some CustomStringConvertible) -> LogValue { .string(value.description) }
}

/// One line before it is text.
package struct LogEntry: Sendable {
    package var level: Log.Level
    package var event: StaticString
    package var fields: KeyValuePairs<StaticString, LogValue>
    /// Wall-clock milliseconds since 1970.
    package var time: Int64
    /// Lines of the same event left out since its last one.
    package var suppressedCount: Int

    /// The last field of that name.
    package subscript(_ name: String) -> LogValue? { fields.last { $0.key.description == name }?.value }
}

/// Where lines go. Called on any thread; must not block.
package protocol LogSink: Sendable {
    func take(_ entry: LogEntry)
}

package final class Log: Sendable {
    package enum Level: UInt8, Sendable, Comparable, CaseIterable {
        case debug, info, notice, warning, error

        package var name: String {
            switch self {
            case .debug: "debug"
            case .info: "info"
            case .notice: "notice"
            case .warning: "warning"
            case .error: "error"
            }
        }

        package init?(named name: String) {
            guard let level = Self.allCases.first(where: { $0.name == name }) else { return nil }
            self = level
        }

        /// syslog(3)'s severity, as the journal's `<N>` prefix has it.
        package var priority: UInt8 {
            switch self {
            case .debug: 7
            case .info: 6
            case .notice: 5
            case .warning: 4
            case .error: 3
            }
        }

        package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    }

    private let sink: any LogSink
    private let lowest: Atomic<UInt8>
    private let allowance: LogAllowance
    private let clock: LogClock

    /// `allowance`: lines of one event in a window; see LogAllowance.
    package init(level: Level = .info, sink: any LogSink, allowance: LogAllowance = LogAllowance(), clock: LogClock = .system) {
        self.sink = sink
        self.allowance = allowance
        self.clock = clock
        lowest = Atomic(level.rawValue)
    }

    /// The least urgent level that is written. Any thread, at once.
    package var level: Level {
        get { Level(rawValue: lowest.load(ordering: .relaxed)) ?? .info }
        set { lowest.store(newValue.rawValue, ordering: .relaxed) }
    }

    /// Lets a caller skip making fields for a line that would not be written.
    package func isEnabled(_ level: Level) -> Bool { level.rawValue >= lowest.load(ordering: .relaxed) }

    /// `event` is a machine-readable name such as "join_refused", constant per call site.
    package func write(_ level: Level, _ event: StaticString, _ fields: KeyValuePairs<StaticString, LogValue> = [:]) {
        guard isEnabled(level), let leftOut = allowance.spend(event, now: clock.monotonic()) else { return }
        sink.take(LogEntry(level: level, event: event, fields: fields, time: clock.wall(), suppressedCount: leftOut))
    }

    /// A line that neither the level nor an allowance leaves out: what an operator did. Only for what few may cause.
    package func audit(_ event: StaticString, _ fields: KeyValuePairs<StaticString, LogValue>) {
        sink.take(LogEntry(level: .notice, event: event, fields: fields, time: clock.wall(), suppressedCount: 0))
    }

    /// Lines left out by the allowances since the start.
    package var suppressedCount: Int { allowance.suppressedCount }
}
