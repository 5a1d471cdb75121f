// Whether a name that a stranger gave is a plain file name: one that lands in the folder it is put into, on every system.
//
// Pure, any thread. Never mends a name: a mended one would not be the one that was asked for. SPDX-License-Identifier: Apache-2.0

enum FileName {
    static let byteCount = 255

    /// Device names of Windows, whatever suffix follows.
    private static let devices: Set<String> = {
        var names: Set<String> = ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"]
        for digit in ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "\u{B9}", "\u{B2}", "\u{B3}"] {
            names.insert("com" + digit)
            names.insert("lpt" + digit)
        }
        return names
    }()

    /// Characters that turn into a slash, a backslash or a dot when a receiver normalises text (Unicode NFKC).
    private static let lookalikes: Set<UInt32> = [0xFF0F, 0xFF3C, 0xFE68, 0x2024, 0x2025, 0x2026, 0xFE52, 0xFF0E, 0xFE19]

    /// The rule that the name breaks; nil for a plain one.
    static func rule(_ name: String) -> PolicyRule? {
        let bytes = Array(name.utf8)
        if bytes.isEmpty { return .nameMissing }
        if bytes.count > byteCount { return .nameTooLong }
        if bytes.contains(0x2F) || bytes.contains(0x5C) || isDrive(bytes) { return .nameIsPath }
        if bytes == [0x2E] || zip(bytes, bytes.dropFirst()).contains(where: { $0 == 0x2E && $1 == 0x2E }) { return .nameIsPath }
        for scalar in name.unicodeScalars {
            if lookalikes.contains(scalar.value) { return .nameIsPath }
            if !isPlain(scalar) { return .nameCharacters }
        }
        if let first = bytes.first, let last = bytes.last {
            if first == 0x2E || first == 0x20 || first == 0x7E || last == 0x2E || last == 0x20 { return .nameHidden }
        }
        return isDevice(bytes) ? .nameReserved : nil
    }

    /// Whether the name ends in one of the suffixes (lower case, with their dot) and is more than that.
    static func hasSuffix(_ name: String, among suffixes: some Sequence<String>) -> Bool {
        let bytes = name.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        return suffixes.contains { suffix in
            bytes.count > suffix.utf8.count && bytes.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
        }
    }

    /// `C:` anything, which Windows reads as a path.
    private static func isDrive(_ bytes: [UInt8]) -> Bool {
        guard bytes.count >= 2, bytes[1] == 0x3A else { return false }
        return (0x61...0x7A).contains(bytes[0] | 0x20)
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        // A colon opens a second stream of a file on Windows; U+FFFD stands for what could not be read.
        if scalar.value == 0x3A || scalar.value == 0xFFFD { return false }
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: return false
        default: return !scalar.properties.isBidiControl && !scalar.properties.isNoncharacterCodePoint
        }
    }

    private static func isDevice(_ bytes: [UInt8]) -> Bool {
        var stem = bytes.prefix { $0 != 0x2E }
        while stem.last == 0x20 { stem.removeLast() }
        let lowered = stem.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        return devices.contains(String(decoding: lowered, as: UTF8.self))
    }
}
