// Skips one JSON value of any shape: a loop with one bit per open container instead of recursion.
//
// Hot path, any thread: no allocation. The deepest nesting ever accepted is 512, whatever limit the caller names.
// SPDX-License-Identifier: Apache-2.0

/// The open containers, one bit each: 1 an object, 0 an array. `pop` and `isObject` are only asked while one is open.
private protocol NestingStack {
    var depth: Int { get }
    var isObject: Bool { get }
    /// Opens a container; false if that would be one level too many.
    mutating func push(isObject: Bool) -> Bool
    mutating func pop()
}

/// In one register: what nearly every payload needs.
private struct ShallowNesting: NestingStack {
    static let capacity = 64
    private(set) var depth = 0
    private let limit: Int
    private var bits: UInt64 = 0

    @inline(__always)
    init(limit: Int) { self.limit = min(limit, Self.capacity) }

    @inline(__always)
    var isObject: Bool { bits & 1 == 1 }

    @inline(__always)
    mutating func push(isObject: Bool) -> Bool {
        guard depth < limit else { return false }
        bits = bits << 1 | (isObject ? 1 : 0)
        depth &+= 1
        return true
    }

    @inline(__always)
    mutating func pop() {
        depth &-= 1
        bits >>= 1
    }
}

/// The innermost 64 in one register, those around them kept beside it.
private struct DeepNesting: NestingStack {
    private(set) var depth = 0
    private let limit: Int
    private var bits: UInt64 = 0
    private var spilled: InlineArray<8, UInt64> = InlineArray(repeating: 0)

    init(limit: Int) { self.limit = min(limit, JSONLexer.deepest) }

    var isObject: Bool { bits & 1 == 1 }

    mutating func push(isObject: Bool) -> Bool {
        guard depth < limit else { return false }
        if depth & 63 == 0, depth > 0 { spilled[(depth >> 6) &- 1] = bits }
        bits = bits << 1 | (isObject ? 1 : 0)
        depth &+= 1
        return true
    }

    mutating func pop() {
        depth &-= 1
        if depth & 63 == 0, depth > 0 {
            bits = spilled[(depth >> 6) &- 1]
        } else {
            bits >>= 1
        }
    }
}

extension JSONLexer {
    /// The most levels that can be open.
    static let deepest = 512

    /// Skips the value whose first byte is at `start` (no blanks before it).
    ///
    /// A refusal of its depth calls the limit `named`, if that is not `maxDepth` itself.
    /// - Returns: the offset after the value.
    @inline(__always)
    static func value(_ bytes: RawSpan, _ start: Int, maxDepth: Int, named: Int? = nil) throws(JSONError) -> Int {
        switch peek(bytes, start) {
        case 0x22: try string(bytes, start &+ 1).end &+ 1
        case 0x7B, 0x5B: try container(bytes, start, maxDepth: maxDepth, named: named ?? maxDepth)
        default: try scalar(bytes, start)
        }
    }

    /// Skips a number, `true`, `false` or `null`.
    @inline(__always)
    private static func scalar(_ bytes: RawSpan, _ start: Int) throws(JSONError) -> Int {
        switch peek(bytes, start) {
        case 0x2D, 0x30...0x39: try number(bytes, start)
        case 0x74: try literal(bytes, start, "true")
        case 0x66: try literal(bytes, start, "false")
        case 0x6E: try literal(bytes, start, "null")
        default: throw failure(bytes, start)
        }
    }

    /// Skips the object or array that opens at `start`, with everything in it.
    @inline(never)
    private static func container(_ bytes: RawSpan, _ start: Int, maxDepth: Int, named: Int) throws(JSONError) -> Int {
        do {
            return try walk(bytes, start, ShallowNesting(limit: maxDepth), named: named)
        } catch .tooDeep where maxDepth > ShallowNesting.capacity {
            return try deepContainer(bytes, start, maxDepth: maxDepth, named: named)
        }
    }

    @inline(never)
    private static func deepContainer(_ bytes: RawSpan, _ start: Int, maxDepth: Int, named: Int) throws(JSONError) -> Int {
        try walk(bytes, start, DeepNesting(limit: maxDepth), named: named)
    }

    @inline(__always)
    private static func walk(
        _ bytes: RawSpan, _ start: Int, _ nesting: some NestingStack, named: Int
    ) throws(JSONError) -> Int {
        var open = nesting
        var position = start
        values: while true {
            let byte = peek(bytes, position)
            switch byte {
            case 0x22:
                position = try string(bytes, position &+ 1).end &+ 1
            case 0x7B, 0x5B:
                let isObject = byte == 0x7B
                guard open.push(isObject: isObject) else { throw .tooDeep(limit: named) }
                position = skipBlanks(bytes, position &+ 1)
                // `{` and `}`, `[` and `]` differ by two.
                if peek(bytes, position) != byte &+ 2 {
                    if isObject { _ = try memberName(bytes, position, value: &position) }
                    continue values
                }
                position &+= 1
                open.pop()
            default:
                position = try scalar(bytes, position)
            }
            while open.depth > 0 {
                position = skipBlanks(bytes, position)
                let next = peek(bytes, position)
                if next == 0x2C {
                    position = skipBlanks(bytes, position &+ 1)
                    if open.isObject { _ = try memberName(bytes, position, value: &position) }
                    continue values
                }
                guard next == (open.isObject ? 0x7D : 0x5D) else { throw failure(bytes, position) }
                position &+= 1
                open.pop()
            }
            return position
        }
    }
}
