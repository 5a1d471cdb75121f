// Durations and sizes as an operator writes them, and back: "25s", "1 MiB". Pure, any thread.
//
// Must never guess: a number without a unit is refused where the unit matters, and nothing is rounded.
// SPDX-License-Identifier: Apache-2.0

/// Time with a unit, in whole milliseconds.
package enum DurationText {
    private static let units: [(name: String, milliseconds: Int64)] = [
        ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ]

    /// "250ms", "25s", "10m", "2h", "30d"; nil for anything else. A blank may stand before the unit.
    package static func parse(_ text: String) -> Duration? {
        guard let (number, unit) = Digits.split(text) else { return nil }
        let name = unit == "min" ? "m" : unit
        guard let scale = units.first(where: { $0.name == name })?.milliseconds else { return nil }
        let (milliseconds, isTooLarge) = number.multipliedReportingOverflow(by: scale)
        return isTooLarge ? nil : .milliseconds(milliseconds)
    }

    /// Rounded towards zero; what does not fit becomes the nearest that does.
    static func milliseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        let (milliseconds, isTooLarge) = seconds.multipliedReportingOverflow(by: 1000)
        if isTooLarge { return seconds < 0 ? .min : .max }
        let (sum, overflows) = milliseconds.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
        return overflows ? .max : sum
    }

    /// In the largest unit that divides it.
    package static func describe(_ duration: Duration) -> String {
        let milliseconds = Self.milliseconds(duration)
        let unit = units.last { milliseconds != 0 && milliseconds % $0.milliseconds == 0 } ?? units[1]
        return "\(milliseconds / unit.milliseconds)\(unit.name)"
    }
}

/// Sizes in bytes.
package enum ByteText {
    private static let units: [(name: String, bytes: Int64)] = [
        ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30),
    ]

    /// "1048576", "64KiB", "1 MiB", "2GiB"; nil for anything else, "MB" included: it means two things.
    package static func parse(_ text: String) -> Int? {
        guard let (number, unit) = Digits.split(text) else { return nil }
        let name = unit.isEmpty ? "b" : unit.lowercased()
        guard let scale = units.first(where: { $0.name.lowercased() == name })?.bytes else { return nil }
        let (bytes, isTooLarge) = number.multipliedReportingOverflow(by: scale)
        return isTooLarge ? nil : Int(exactly: bytes)
    }

    /// In the largest unit that divides it.
    package static func describe(_ bytes: Int) -> String {
        let unit = units.last { bytes != 0 && Int64(bytes) % $0.bytes == 0 } ?? units[0]
        return "\(Int64(bytes) / unit.bytes) \(unit.name)"
    }
}

enum Digits {
    /// The leading decimal number (at most 18 digits) and what follows it, blanks between them skipped.
    static func split(_ text: String) -> (Int64, String)? {
        let digits = text.prefix { ("0"..."9").contains($0) }
        guard (1...18).contains(digits.utf8.count), let number = Int64(digits) else { return nil }
        return (number, String(text[digits.endIndex...].drop { $0 == " " }))
    }
}
