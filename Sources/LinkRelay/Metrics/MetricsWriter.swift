// Prometheus' text format 0.0.4: a family's HELP and TYPE, then its samples. Pure, any thread.
//
// Names, labels and label values are our own constants; nothing that a peer sent may get here. SPDX-License-Identifier: Apache-2.0

struct MetricsWriter {
    enum Kind: String { case counter, gauge, histogram }

    private(set) var text = ""
    private static let prefix = "linkrelay_"

    /// Begins a family. `isOurs` false: a standard name, without the prefix.
    mutating func family(_ name: String, _ kind: Kind, _ help: String, isOurs: Bool = true) {
        let name = isOurs ? Self.prefix + name : name
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    }

    /// One line of the family `name`; `labels` as `name="value"` with commas.
    mutating func sample(_ name: String, labels: String = "", _ value: some CustomStringConvertible, isOurs: Bool = true) {
        text += (isOurs ? Self.prefix : "") + name + (labels.isEmpty ? "" : "{\(labels)}") + " \(value)\n"
    }

    /// A family of one sample.
    mutating func single(_ name: String, _ kind: Kind, _ help: String, _ value: some CustomStringConvertible, isOurs: Bool = true) {
        family(name, kind, help, isOurs: isOurs)
        sample(name, value, isOurs: isOurs)
    }

    /// A family with one label.
    mutating func labelled(_ name: String, _ kind: Kind, _ help: String, label: String, _ values: [(String, UInt64)]) {
        family(name, kind, help)
        for (value, count) in values { sample(name, labels: "\(label)=\"\(value)\"", count) }
    }

    /// One series of a histogram family.
    mutating func histogram(_ name: String, labels: String, _ reading: LatencyHistogram.Reading) {
        histogram(
            name, labels: labels, bounds: LatencyHistogram.bounds, cumulative: reading.cumulative, sumNanoseconds: reading.sumNanoseconds)
    }

    /// `bounds` in microseconds. `cumulative`: of each bound and those below it, the unbounded one last.
    mutating func histogram(_ name: String, labels: String, bounds: [UInt64], cumulative: [UInt64], sumNanoseconds: UInt64) {
        for (bound, count) in zip(bounds.map(Self.seconds) + ["+Inf"], cumulative) {
            sample(name + "_bucket", labels: (labels.isEmpty ? "" : labels + ",") + "le=\"\(bound)\"", count)
        }
        sample(name + "_sum", labels: labels, Double(sumNanoseconds) / 1e9)
        sample(name + "_count", labels: labels, cumulative.last ?? 0)
    }

    /// As clients write bounds: `0.00005`, `1.0`.
    static func seconds(_ microseconds: UInt64) -> String {
        var digits = String(microseconds % 1_000_000 + 1_000_000).dropFirst()
        while digits.count > 1, digits.last == "0" { digits.removeLast() }
        return "\(microseconds / 1_000_000).\(digits)"
    }
}
