// How far the plain characters of a string go: what the scanner does for most of the bytes of a small message.
//
// Hot path, any thread: no allocation. 64 or 16 bytes a step with vectors that every processor of the targets has; the last bytes of a buffer are
// read once more together with those before them, never beyond the end. SPDX-License-Identifier: Apache-2.0

enum JSONPlainRun {
    /// What one step looks at while a run is long (pictures in base64).
    static let blockBytes = 64

    /// The offset of the first quote, backslash, control or non-ASCII byte at or after `start`, or the end of the buffer.
    ///
    /// In a buffer of fewer than eight bytes it may stop before: callers look at the byte they are given.
    @inline(never)
    static func end(_ bytes: RawSpan, _ start: Int) -> Int {
        var position = start
        while position &+ blockBytes <= bytes.byteCount {
            let low = stops(bytes, position) | stops(bytes, position &+ 16)
            let found = low | stops(bytes, position &+ 32) | stops(bytes, position &+ 48)
            if found[0] | found[1] != 0 { break }
            position &+= blockBytes
        }
        while position &+ 16 <= bytes.byteCount {
            let found = stops(bytes, position)
            if found[0] != 0 { return position &+ (UInt64(littleEndian: found[0]).trailingZeroBitCount >> 3) }
            if found[1] != 0 { return position &+ 8 &+ (UInt64(littleEndian: found[1]).trailingZeroBitCount >> 3) }
            position &+= 16
        }
        if position &+ 8 <= bytes.byteCount {
            let stop = JSONLexer.stops(JSONLexer.word(bytes, position))
            if stop != 0 { return position &+ (stop.trailingZeroBitCount >> 3) }
            position &+= 8
        }
        guard position < bytes.byteCount, bytes.byteCount >= 8 else { return position }
        // Fewer than eight are left. What is shifted in behind them reads as NUL, a stop, so there always is one.
        let passed = position &+ 8 &- bytes.byteCount
        let rest = JSONLexer.word(bytes, bytes.byteCount &- 8) >> UInt64(truncatingIfNeeded: passed &* 8)
        return position &+ (JSONLexer.stops(rest).trailingZeroBitCount >> 3)
    }

    /// All bits of each byte that is a stop. As signed numbers controls and non-ASCII bytes are those below the blank.
    ///
    /// The vectors' types are written out: without them the compiler takes the operators of any vector, which go byte by byte.
    @inline(__always)
    private static func stops(_ bytes: RawSpan, _ position: Int) -> SIMD2<UInt64> {
        let v = bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: position, as: SIMD16<Int8>.self)
        let low = v .< SIMD16<Int8>(repeating: 0x20)
        let quote = v .== SIMD16<Int8>(repeating: 0x22)
        let backslash = v .== SIMD16<Int8>(repeating: 0x5C)
        return unsafeBitCast(low .| quote .| backslash, to: SIMD2<UInt64>.self)
    }
}
