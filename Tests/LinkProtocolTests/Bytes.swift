// What the tables share: bytes from text, text from ranges, a seeded generator. Test process only.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

extension [UInt8] {
    /// The bytes of a range, nil if it is out of bounds; an empty range reads as "".
    func text(_ range: ByteRange) -> String? {
        if range.isEmpty { return "" }
        guard Int(range.end) <= count else { return nil }
        return String(decoding: self[Int(range.start)..<Int(range.end)], as: UTF8.self)
    }
}

/// SplitMix64: every run of the tests sees the same inputs.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
}

/// Changes a few bytes the way a broken or hostile peer would: flips, cuts, repeats, and tokens in odd places.
func mutated(_ source: [UInt8], with generator: inout SeededGenerator) -> [UInt8] {
    let tokens = [
        "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "-", "e", ".", "\\u", "\\ud800", "\"id\":", "\"status\":", " ",
        "\u{0}", "é", "null", "1.", "\u{1E}",
    ]
    var out = source
    for _ in 0...generator.below(3) {
        let place = out.isEmpty ? 0 : generator.below(out.count)
        switch generator.below(6) {
        case 0 where !out.isEmpty: out[place] = UInt8(truncatingIfNeeded: generator.next())
        case 1 where !out.isEmpty: out.remove(at: place)
        case 2 where !out.isEmpty: out[place] ^= 1 << UInt8(generator.below(8))
        case 3 where !out.isEmpty:
            let end = min(out.count, place + generator.below(12))
            out.insert(contentsOf: Array(out[place..<end]), at: generator.below(out.count))
        case 4 where out.count > 2 && generator.below(4) == 0: out.removeLast(generator.below(out.count / 2))
        default: out.insert(contentsOf: Array(tokens[generator.below(tokens.count)].utf8), at: place)
        }
    }
    return out
}
