// A timeline's entry in 16 bytes, since every room of the process keeps some.
//
// Pure, any thread; the names of reasons are numbered in one table for the process, behind a lock, once a join or departure.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

struct PackedEntry: Sendable, Equatable {
    /// What no entry packs to.
    static let none = PackedEntry(moment: 0, session: 0)

    /// From the top: 44 bits of milliseconds since 1970 (till 2527), the kind, role and dialect (each plus one, 0 = nil), polling, the reason.
    private var moment: UInt64
    private var session: UInt64

    private static let latest = Int64(1) << 44 - 1
    private static let kinds = TimelineEntry.Kind.allCases
    private static let roles: [Role] = [.sd, .client]
    private static let dialects = Dialect.allCases

    private init(moment: UInt64, session: UInt64) {
        self.moment = moment
        self.session = session
    }

    init(_ entry: TimelineEntry) {
        let at = UInt64(min(max(entry.at, 0), Self.latest))
        moment = at << 20 | Self.number(entry.kind, Self.kinds) << 16 | Self.number(entry.role, Self.roles) << 12
        moment |= Self.number(entry.dialect, Self.dialects) << 10 | (entry.isPolling ? 1 : 0) << 8
        moment |= UInt64(ReasonNames.number(of: entry.reason))
        session = entry.session
    }

    var entry: TimelineEntry {
        TimelineEntry(
            at: Int64(moment >> 20), kind: Self.value(moment >> 16 & 15, Self.kinds) ?? .join, session: session,
            role: Self.value(moment >> 12 & 15, Self.roles), dialect: Self.value(moment >> 10 & 3, Self.dialects),
            isPolling: moment >> 8 & 1 == 1, reason: ReasonNames.name(of: UInt8(truncatingIfNeeded: moment)))
    }

    private static func number<Value: Equatable>(_ value: Value?, _ all: [Value]) -> UInt64 {
        value.flatMap { all.firstIndex(of: $0) }.map { UInt64($0) + 1 } ?? 0
    }

    private static func value<Value>(_ number: UInt64, _ all: [Value]) -> Value? {
        let i = Int(number) - 1
        return all.indices.contains(i) ? all[i] : nil
    }
}

/// Numbers for the names of endings. They are the relay's own words, a few dozen; should there ever be more than fit, the rest are "other".
enum ReasonNames {
    private static let names = Locked([""])
    private static let other = "other"

    static func number(of name: String) -> UInt8 {
        if name.isEmpty { return 0 }
        return names.withLock { names in
            if let known = names.firstIndex(of: name) { return UInt8(clamping: known) }
            guard names.count < Int(UInt8.max) else { return .max }
            names.append(name)
            return UInt8(clamping: names.count - 1)
        }
    }

    static func name(of number: UInt8) -> String {
        names.withLock { Int(number) < $0.count ? $0[Int(number)] : other }
    }
}
