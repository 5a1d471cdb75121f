// Where a run of plain characters in a string ends: the inner loop of the scanner on everything that is long (pictures in base64).
//
// Hot path, any thread: no allocation. 64 bytes a step with vectors that every processor of the target has, then 8, then exact.
// Every unchecked load sits behind a comparison with `byteCount`. SPDX-License-Identifier: Apache-2.0

enum JSONRun {
    /// What is looked at in one step. Strings up to this long are read in words alone: most end before vectors would pay.
    static let blockBytes = 64

    /// The offset at or after `start`, a multiple of 64 further, where the next 64 bytes hold a stop or are not all there.
    @inline(never)
    static func blocks(_ bytes: RawSpan, _ start: Int) -> Int {
        var position = start
        while position &+ blockBytes <= bytes.byteCount {
            let low = stops(bytes, position) .| stops(bytes, position &+ 16)
            let high = stops(bytes, position &+ 32) .| stops(bytes, position &+ 48)
            let words = unsafeBitCast(low .| high, to: SIMD2<UInt64>.self)
            if words[0] | words[1] != 0 { break }
            position &+= blockBytes
        }
        return position
    }

    /// Marks the stops among 16 bytes. As signed numbers controls and non-ASCII bytes are those below the blank.
    @inline(__always)
    private static func stops(_ bytes: RawSpan, _ position: Int) -> SIMDMask<SIMD16<Int8>> {
        let v = bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: position, as: SIMD16<Int8>.self)
        return (v .< SIMD16(repeating: 0x20)) .| (v .== SIMD16(repeating: 0x22)) .| (v .== SIMD16(repeating: 0x5C))
    }
}
