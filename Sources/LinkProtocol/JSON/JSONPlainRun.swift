// How far the plain characters of a string go: what the scanner does for most of the bytes of a small message.
//
// Hot path, any thread: no allocation. 64 or 16 bytes a step with vectors that every processor of the targets has; the last bytes of a buffer are
// read once more together with those before them, never beyond the end. SPDX-License-Identifier: Apache-2.0

import CVector

enum JSONPlainRun {
    private static let vectorBytes = 16
    /// What one step looks at when a run is long (pictures in base64): after so many bytes. A block with a stop in it is looked at twice.
    private static let blockBytes = 64
    private static let shortBytes = 256

    /// The offset of the first quote, backslash, control or non-ASCII byte at or after `start`, or the end of the buffer.
    ///
    /// In a buffer of fewer than 16 bytes it is `start`: callers look at the byte they are given.
    @inline(__always)
    static func end(_ bytes: RawSpan, _ start: Int) -> Int {
        // Names and most words end here; what is longer is worth a call.
        guard start &+ vectorBytes <= bytes.byteCount else { return lastBytes(bytes, start) }
        let found = cv_mask(stops(bytes, start))
        if found != 0 { return start &+ first(found) }
        return long(bytes, start &+ vectorBytes)
    }

    @inline(never)
    private static func long(_ bytes: RawSpan, _ start: Int) -> Int {
        var position = start
        var limit = min(bytes.byteCount, start &+ shortBytes)
        while true {
            while position &+ vectorBytes <= limit {
                let found = cv_mask(stops(bytes, position))
                if found != 0 { return position &+ first(found) }
                position &+= vectorBytes
            }
            if limit == bytes.byteCount { return lastBytes(bytes, position) }
            while position &+ blockBytes <= bytes.byteCount, isPlain(bytes, position) { position &+= blockBytes }
            limit = bytes.byteCount
        }
    }

    /// Whether a whole block has no stop.
    @inline(__always)
    private static func isPlain(_ bytes: RawSpan, _ position: Int) -> Bool {
        let low = stops(bytes, position) | stops(bytes, position &+ 16)
        let high = stops(bytes, position &+ 32) | stops(bytes, position &+ 48)
        return cv_mask(low | high) == 0
    }

    /// Fewer than 16 bytes are left.
    @inline(never)
    private static func lastBytes(_ bytes: RawSpan, _ position: Int) -> Int {
        let base = bytes.byteCount &- vectorBytes
        guard base >= 0, position < bytes.byteCount else { return position }
        let found = cv_mask(stops(bytes, base)) >> UInt64(truncatingIfNeeded: (position &- base) << Int(CV_MASK_SHIFT))
        return found == 0 ? bytes.byteCount : position &+ first(found)
    }

    /// Which byte of a vector is the first one marked in `mask`, which is not 0.
    @inline(__always)
    private static func first(_ mask: UInt64) -> Int { mask.trailingZeroBitCount >> Int(CV_MASK_SHIFT) }

    /// All bits of each byte that is a stop. As signed numbers controls and non-ASCII bytes are those below the blank.
    ///
    /// The vectors' types are written out: without them the compiler takes the operators of any vector, which go byte by byte.
    @inline(__always)
    private static func stops(_ bytes: RawSpan, _ position: Int) -> SIMD16<Int8> {
        let v = bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: position, as: SIMD16<Int8>.self)
        let low = v .< SIMD16<Int8>(repeating: 0x20)
        let quote = v .== SIMD16<Int8>(repeating: 0x22)
        let backslash = v .== SIMD16<Int8>(repeating: 0x5C)
        return unsafeBitCast(low .| quote .| backslash, to: SIMD16<Int8>.self)
    }
}
