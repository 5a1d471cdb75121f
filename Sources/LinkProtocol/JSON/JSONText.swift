// Writing JSON: quoted strings, and the time as the clients' Date parses it. Pure, any thread, for messages the relay makes
// itself; relayed payloads are never written anew. SPDX-License-Identifier: Apache-2.0

public enum JSONText {
    /// `s` between quotes, with quote, backslash and control characters escaped and everything else as UTF-8.
    public static func quoted(_ s: String) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(s.utf8.count + 2)
        appendQuoted(s, to: &out)
        return out
    }

    static func appendQuoted(_ s: String, to out: inout [UInt8]) {
        out.append(0x22)
        for byte in s.utf8 {
            switch byte {
            case 0x22, 0x5C:
                out.append(0x5C)
                out.append(byte)
            case 0x0A: out.append("\\n")
            case 0x0D: out.append("\\r")
            case 0x09: out.append("\\t")
            case 0x00..<0x20:
                out.append("\\u00")
                out.append(contentsOf: Hex.encode(CollectionOfOne(byte)).utf8)
            default: out.append(byte)
            }
        }
        out.append(0x22)
    }
}

extension [UInt8] {
    /// Appends a literal without making a String of it.
    mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { append(contentsOf: $0) }
    }
}

public enum Timestamp {
    /// UTC in ISO 8601 with milliseconds, `2026-01-31T12:34:56.789Z`, from milliseconds since 1970.
    ///
    /// Proleptic Gregorian calendar; times outside the years 0000–9999 are clamped, so that the form never changes.
    public static func iso8601(milliseconds: Int64) -> String {
        let clamped = min(max(milliseconds, -62_167_219_200_000), 253_402_300_799_999)
        let (day, millisecond) = floorDivide(clamped, 86_400_000)
        // Days from civil, reversed (H. Hinnant): eras of 400 years that begin on 1 March.
        let shifted = day + 719_468
        let (era, dayOfEra) = floorDivide(shifted, 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)

        var out: [UInt8] = []
        out.reserveCapacity(24)
        appendDigits(year, 4, then: "-", to: &out)
        appendDigits(month, 2, then: "-", to: &out)
        appendDigits(dayOfMonth, 2, then: "T", to: &out)
        appendDigits(millisecond / 3_600_000, 2, then: ":", to: &out)
        appendDigits(millisecond / 60_000 % 60, 2, then: ":", to: &out)
        appendDigits(millisecond / 1000 % 60, 2, then: ".", to: &out)
        appendDigits(millisecond % 1000, 3, then: "Z", to: &out)
        return String(decoding: out, as: UTF8.self)
    }

    private static func floorDivide(_ value: Int64, _ by: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: by)
        return remainder < 0 ? (quotient - 1, remainder + by) : (quotient, remainder)
    }

    private static func appendDigits(_ value: Int64, _ width: Int, then mark: StaticString, to out: inout [UInt8]) {
        var divisor: Int64 = 1
        for _ in 1..<width { divisor *= 10 }
        while divisor > 0 {
            out.append(0x30 + UInt8(truncatingIfNeeded: value / divisor % 10))
            divisor /= 10
        }
        out.append(mark)
    }
}
