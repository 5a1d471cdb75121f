// Arithmetic and cutting that never trap: an absurd setting, clock or name gives an absurd time or a shorter name.
//
// Pure, any thread. SPDX-License-Identifier: Apache-2.0

extension Duration {
    /// Whole milliseconds, clamped to what an Int64 holds.
    var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (milliseconds, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, sumOverflow) = milliseconds.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
        return sumOverflow ? (seconds < 0 ? .min : .max) : sum
    }
}

extension Int64 {
    /// Sum, clamped instead of overflowing.
    func addingClamped(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }
}

extension String {
    /// At most `limit` bytes of UTF-8, cut between Unicode scalars.
    func clipped(toBytes limit: Int) -> String {
        guard utf8.count > limit else { return self }
        var clipped = String.UnicodeScalarView()
        var count = 0
        for scalar in unicodeScalars {
            count += UTF8.width(scalar)
            if count > limit { break }
            clipped.append(scalar)
        }
        return String(clipped)
    }
}
