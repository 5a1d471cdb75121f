// Validates one JSON value in one pass and notes where a command's routing fields lie in it.
//
// Hot path, any thread: no allocation, no recursion, no String. The relay forwards the scanned bytes untouched, so nothing
// here changes, copies or interprets them. Never trusts that the caller has checked UTF-8: polling bodies arrive raw.
// SPDX-License-Identifier: Apache-2.0

/// One scanned value.
public struct JSONScan: Sendable {
    /// Offset of the first byte after the value.
    public var end: Int
    public var fields: EnvelopeFields
}

public enum JSON {
    /// Scans one value at `start` (blanks before it are skipped) and captures `id`, `type`, `status` if it is an object.
    ///
    /// Offsets in errors and ranges count from the start of `bytes`. Of a repeated routing field the last one counts, even
    /// if it is not a string, because that is the one `JSON.parse` and Python's `json` keep; names written with escapes are
    /// not recognised, only noted. `maxDepth` counts open containers, 512 at most.
    public static func scan(_ bytes: RawSpan, from start: Int, maxDepth: Int) throws(JSONError) -> JSONScan {
        guard start >= 0, bytes.byteCount <= Int(UInt32.max) else { throw .malformed(offset: 0) }
        var scan = PayloadScan()
        try scan.read(bytes, JSONLexer.skipBlanks(bytes, start), maxDepth: maxDepth)
        return JSONScan(end: scan.end, fields: scan.fields)
    }

    /// Checks that the whole buffer is exactly one value, blanks around it allowed.
    public static func validate(_ bytes: RawSpan, maxDepth: Int) throws(JSONError) -> EnvelopeFields {
        let scan = try scan(bytes, from: 0, maxDepth: maxDepth)
        let end = JSONLexer.skipBlanks(bytes, scan.end)
        guard end == bytes.byteCount else { throw .malformed(offset: end) }
        return scan.fields
    }
}

/// What the dialects learn of a payload while they pass over it.
struct PayloadScan {
    var end = 0
    var fields = EnvelopeFields()
    /// The contents of a payload that is a string without escapes.
    var plainString = ByteRange.none

    /// Reads the value whose first byte is at `start`.
    @inline(__always)
    mutating func read(_ bytes: RawSpan, _ start: Int, maxDepth: Int) throws(JSONError) {
        switch JSONLexer.peek(bytes, start) {
        case 0x7B:
            try readObject(bytes, start, maxDepth: maxDepth)
        case 0x22:
            let string = try JSONLexer.string(bytes, start &+ 1)
            if !string.hasEscapes { plainString = ByteRange(start &+ 1, string.end) }
            end = string.end &+ 1
        default:
            end = try JSONLexer.value(bytes, start, maxDepth: maxDepth)
        }
    }

    /// Reads an object member by member, so that only its own fields are taken and none of a nested one.
    @inline(__always)
    private mutating func readObject(_ bytes: RawSpan, _ start: Int, maxDepth: Int) throws(JSONError) {
        guard maxDepth > 0 else { throw .tooDeep(limit: maxDepth) }
        fields.isObject = true
        var position = JSONLexer.skipBlanks(bytes, start &+ 1)
        if JSONLexer.peek(bytes, position) == 0x7D {
            end = position &+ 1
            return
        }
        while true {
            let name = try JSONLexer.memberName(bytes, position, value: &position, hasEscapes: &fields.hasEscapedName)
            var contents = ByteRange.none
            var hasEscapes = false
            if JSONLexer.peek(bytes, position) == 0x22 {
                let string = try JSONLexer.string(bytes, position &+ 1)
                contents = ByteRange(position &+ 1, string.end)
                hasEscapes = string.hasEscapes
                position = string.end &+ 1
            } else {
                // One level down; a refusal still names the caller's limit.
                position = try JSONLexer.value(bytes, position, maxDepth: min(maxDepth, JSONLexer.deepest) &- 1, named: maxDepth)
            }
            capture(bytes, name, contents, hasEscapes: hasEscapes)
            position = JSONLexer.skipBlanks(bytes, position)
            let next = JSONLexer.peek(bytes, position)
            if next == 0x7D { break }
            guard next == 0x2C else { throw JSONLexer.failure(bytes, position) }
            position = JSONLexer.skipBlanks(bytes, position &+ 1)
        }
        end = position &+ 1
    }

    /// Takes the member if it is a routing field; `.none` for a value that is not a string.
    @inline(__always)
    private mutating func capture(_ bytes: RawSpan, _ name: ByteRange, _ string: ByteRange, hasEscapes: Bool) {
        switch name.count {
        case 2:
            if JSONLexer.equals(bytes, name, "id") {
                fields.id = string
                fields.hasEscapedID = hasEscapes
            }
        case 4: if JSONLexer.equals(bytes, name, "type") { fields.type = string }
        case 6: if JSONLexer.equals(bytes, name, "status") { fields.status = CommandState(bytes, string) }
        default: break
        }
    }
}

extension CommandState {
    /// The state that a string's contents name; nil for any other text.
    @inline(__always)
    init?(_ bytes: RawSpan, _ range: ByteRange) {
        switch range.count {
        case 5 where JSONLexer.equals(bytes, range, "error"): self = .error
        case 7 where JSONLexer.equals(bytes, range, "pending"): self = .pending
        case 7 where JSONLexer.equals(bytes, range, "success"): self = .success
        case 8 where JSONLexer.equals(bytes, range, "canceled"): self = .canceled
        case 10 where JSONLexer.equals(bytes, range, "processing"): self = .processing
        default: return nil
        }
    }
}

extension Event {
    /// The event that a string's contents name; nil for any other text.
    init?(_ bytes: RawSpan, _ range: ByteRange) {
        switch range.count {
        case 3 where JSONLexer.equals(bytes, range, "iam"): self = .iam
        case 4 where JSONLexer.equals(bytes, range, "join"): self = .join
        case 5 where JSONLexer.equals(bytes, range, "leave"): self = .leave
        case 5 where JSONLexer.equals(bytes, range, "error"): self = .error
        case 6 where JSONLexer.equals(bytes, range, "kicked"): self = .kicked
        case 7 where JSONLexer.equals(bytes, range, "command"): self = .command
        case 10 where JSONLexer.equals(bytes, range, "upgradeKey"): self = .upgradeKey
        case 12 where JSONLexer.equals(bytes, range, "roomPresence"): self = .roomPresence
        case 13 where JSONLexer.equals(bytes, range, "commandStatus"): self = .commandStatus
        default: return nil
        }
    }
}
