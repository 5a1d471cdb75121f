// The tokens of RFC 8259, strictly: where a string, a number or a literal ends. Strings are checked for UTF-8 and escapes.
//
// Hot path, any thread: no allocation, no recursion, no Foundation. Every unchecked load below sits behind a comparison
// with `byteCount` in the same function; a position never moves backwards. Never resolves escapes: callers relay bytes.
// SPDX-License-Identifier: Apache-2.0

/// Where a string ends, and whether it holds an escape.
struct StringScan {
    /// Offset of the closing quote.
    var end: Int
    var hasEscapes: Bool
}

enum JSONLexer {
    /// The byte at `position`, or 0 past the end: no token of JSON is or contains a NUL.
    @inline(__always)
    static func peek(_ bytes: RawSpan, _ position: Int) -> UInt8 {
        position < bytes.byteCount ? bytes.unsafeLoad(fromUncheckedByteOffset: position, as: UInt8.self) : 0
    }

    /// Eight bytes, the first in the low bits. The caller has checked `position + 8 <= byteCount`.
    @inline(__always)
    static func word(_ bytes: RawSpan, _ position: Int) -> UInt64 {
        UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: position, as: UInt64.self))
    }

    /// What to throw for an unexpected byte (or the end) at `position`.
    @inline(never)
    static func failure(_ bytes: RawSpan, _ position: Int) -> JSONError {
        position >= bytes.byteCount ? .truncated : .malformed(offset: position)
    }

    /// The offset of the first byte at or after `start` that is not JSON whitespace.
    @inline(__always)
    static func skipBlanks(_ bytes: RawSpan, _ start: Int) -> Int {
        var position = start
        while true {
            let byte = peek(bytes, position)
            guard byte <= 0x20, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return position }
            position &+= 1
        }
    }

    /// Scans a string whose opening quote is just before `start`.
    @inline(__always)
    static func string(_ bytes: RawSpan, _ start: Int) throws(JSONError) -> StringScan {
        let position = JSONPlainRun.end(bytes, start)
        if peek(bytes, position) == 0x22 { return StringScan(end: position, hasEscapes: false) }
        return try interruptedString(bytes, position)
    }

    /// The rest of a string from its first escape or non-ASCII byte.
    @inline(never)
    private static func interruptedString(_ bytes: RawSpan, _ start: Int) throws(JSONError) -> StringScan {
        var position = start
        var hasEscapes = false
        while true {
            let byte = peek(bytes, position)
            switch byte {
            case 0x22:
                return StringScan(end: position, hasEscapes: hasEscapes)
            case 0x5C:
                hasEscapes = true
                position = try escape(bytes, position)
            case 0x80...0xFF:
                position = try nonASCII(bytes, position)
            case 0x20...0x7F:
                position &+= 1
            default:
                throw failure(bytes, position)
            }
            position = JSONPlainRun.end(bytes, position)
        }
    }

    /// The offset after the escape whose backslash is at `position`. Lone surrogates pass: the text is relayed as it is.
    @inline(__always)
    private static func escape(_ bytes: RawSpan, _ position: Int) throws(JSONError) -> Int {
        switch peek(bytes, position &+ 1) {
        case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74:
            return position &+ 2
        case 0x75:
            var next = position &+ 2
            while next < position &+ 6 {
                guard Hex.nibble(peek(bytes, next)) != nil else { throw failure(bytes, next) }
                next &+= 1
            }
            return next
        default:
            throw failure(bytes, position &+ 1)
        }
    }

    /// The offset after a run of non-ASCII characters.
    @inline(__always)
    private static func nonASCII(_ bytes: RawSpan, _ start: Int) throws(JSONError) -> Int {
        var position = start
        while peek(bytes, position) >= 0x80 {
            let length = sequenceLength(bytes, position)
            guard length > 0 else { throw .invalidUTF8(offset: position) }
            position &+= length
        }
        return position
    }

    /// The length of the well-formed multi-byte sequence at `position` (Unicode table 3-7); 0 if there is none.
    ///
    /// A continuation byte that would lie past the end reads as 0 and so fails.
    @inline(__always)
    static func sequenceLength(_ bytes: RawSpan, _ position: Int) -> Int {
        let second = peek(bytes, position &+ 1)
        switch peek(bytes, position) {
        case 0xC2...0xDF:
            return isContinuation(second) ? 2 : 0
        case let lead where lead & 0xF0 == 0xE0:
            let low: UInt8 = lead == 0xE0 ? 0xA0 : 0x80
            let high: UInt8 = lead == 0xED ? 0x9F : 0xBF
            return second >= low && second <= high && isContinuation(peek(bytes, position &+ 2)) ? 3 : 0
        case let lead where lead >= 0xF0 && lead <= 0xF4:
            let low: UInt8 = lead == 0xF0 ? 0x90 : 0x80
            let high: UInt8 = lead == 0xF4 ? 0x8F : 0xBF
            guard second >= low, second <= high else { return 0 }
            return isContinuation(peek(bytes, position &+ 2)) && isContinuation(peek(bytes, position &+ 3)) ? 4 : 0
        default:
            return 0
        }
    }

    @inline(__always)
    private static func isContinuation(_ byte: UInt8) -> Bool { byte & 0xC0 == 0x80 }

    /// The offset after the number that starts at `start`: no leading zeros, no bare point, no sign but minus.
    @inline(__always)
    static func number(_ bytes: RawSpan, _ start: Int) throws(JSONError) -> Int {
        var position = peek(bytes, start) == 0x2D ? start &+ 1 : start
        if peek(bytes, position) == 0x30 {
            position &+= 1
        } else {
            position = try digits(bytes, position)
        }
        if peek(bytes, position) == 0x2E { position = try digits(bytes, position &+ 1) }
        if peek(bytes, position) | 0x20 == 0x65 {
            let sign = peek(bytes, position &+ 1)
            position = try digits(bytes, sign == 0x2B || sign == 0x2D ? position &+ 2 : position &+ 1)
        }
        return position
    }

    /// The offset after one or more digits.
    @inline(__always)
    private static func digits(_ bytes: RawSpan, _ start: Int) throws(JSONError) -> Int {
        var position = start
        while position &+ 8 <= bytes.byteCount {
            let others = nonDigits(word(bytes, position))
            if others != 0 { return try afterDigits(bytes, start, position &+ (others.trailingZeroBitCount >> 3)) }
            position &+= 8
        }
        while peek(bytes, position) &- 0x30 <= 9 { position &+= 1 }
        return try afterDigits(bytes, start, position)
    }

    /// Marks the high bits of the bytes that are no digits.
    @inline(__always)
    private static func nonDigits(_ word: UInt64) -> UInt64 {
        // 0x30 to 0x39 become 0 to 9; no carry passes from one byte to the next, since the high bits are left out of the sum.
        let value = word ^ 0x3030_3030_3030_3030
        return ((value & 0x7F7F_7F7F_7F7F_7F7F) &+ 0x7676_7676_7676_7676 | value) & 0x8080_8080_8080_8080
    }

    @inline(__always)
    private static func afterDigits(_ bytes: RawSpan, _ start: Int, _ position: Int) throws(JSONError) -> Int {
        guard position > start else { throw failure(bytes, position) }
        return position
    }

    /// The offset after `text`, which the caller expects at `start` because of its first letter.
    @inline(__always)
    static func literal(_ bytes: RawSpan, _ start: Int, _ text: StaticString) throws(JSONError) -> Int {
        var index = 1
        while index < text.utf8CodeUnitCount {
            guard peek(bytes, start &+ index) == text.utf8Start[index] else { throw failure(bytes, start &+ index) }
            index &+= 1
        }
        return start &+ index
    }

    /// Scans a member's name and colon. `position` is where the opening quote must be.
    /// - Returns: the name's range (escapes unresolved), and in `value` where the value starts.
    @inline(__always)
    static func memberName(_ bytes: RawSpan, _ position: Int, value: inout Int) throws(JSONError) -> ByteRange {
        var hasEscapes = false
        return try memberName(bytes, position, value: &value, hasEscapes: &hasEscapes)
    }

    /// The same, and sets `hasEscapes` if the name is written with any.
    @inline(__always)
    static func memberName(
        _ bytes: RawSpan, _ position: Int, value: inout Int, hasEscapes: inout Bool
    ) throws(JSONError) -> ByteRange {
        guard peek(bytes, position) == 0x22 else { throw failure(bytes, position) }
        let name = try string(bytes, position &+ 1)
        if name.hasEscapes { hasEscapes = true }
        // As JSON.stringify writes it: no blanks.
        if peek(bytes, name.end &+ 1) == 0x3A, peek(bytes, name.end &+ 2) > 0x20 {
            value = name.end &+ 2
            return ByteRange(position &+ 1, name.end)
        }
        let colon = skipBlanks(bytes, name.end &+ 1)
        guard peek(bytes, colon) == 0x3A else { throw failure(bytes, colon) }
        value = skipBlanks(bytes, colon &+ 1)
        return ByteRange(position &+ 1, name.end)
    }

    /// Whether the range holds exactly the ASCII `text`.
    ///
    /// Two loads that overlap in the middle compare up to 16 bytes without a loop; more go eight at a time before that.
    @inline(__always)
    static func equals(_ bytes: RawSpan, _ range: ByteRange, _ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        let start = Int(range.start)
        guard range.count == count, start &+ count <= bytes.byteCount else { return false }
        let other = UnsafeRawPointer(text.utf8Start)
        if count > 16 {
            var index = 0
            while index &+ 16 < count {
                let expected = other.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                if word(bytes, start &+ index) != UInt64(littleEndian: expected) { return false }
                index &+= 8
            }
            return ends(bytes, start &+ index, other + index, count &- index, as: UInt64.self)
        }
        if count >= 8 { return ends(bytes, start, other, count, as: UInt64.self) }
        if count >= 4 { return ends(bytes, start, other, count, as: UInt32.self) }
        if count >= 2 { return ends(bytes, start, other, count, as: UInt16.self) }
        return count == 0 || peek(bytes, start) == text.utf8Start[0]
    }

    @inline(__always)
    private static func ends<Word: FixedWidthInteger & BitwiseCopyable>(
        _ bytes: RawSpan, _ start: Int, _ other: UnsafeRawPointer, _ count: Int, as type: Word.Type
    ) -> Bool {
        let tail = count &- MemoryLayout<Word>.size
        let head = bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: start, as: type)
        let last = bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: start &+ tail, as: type)
        return head == other.loadUnaligned(as: type) && last == other.loadUnaligned(fromByteOffset: tail, as: type)
    }
}
