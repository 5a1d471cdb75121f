// The small book of commands in flight that a room keeps, so that every command ends.
//
// Pure: no clock, no I/O; time enters as an argument in milliseconds on the monotonic clock. Owned by one room, used on its loop. Steady
// state allocates nothing: ids and types live in one slab, rows are reused. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

struct CommandLedger {
    static let idCapacity = 128
    static let typeCapacity = 64
    private static let stride = idCapacity + typeCapacity

    struct Row {
        var idCount: UInt8 = 0
        var typeCount: UInt8 = 0
        var isOpen = false
        /// The serial of the session that sent it.
        var requester: UInt64 = 0
        var deadlineMs: UInt64 = 0
        /// The last status's payload as framed by the room, retained by the room for as long as this row is open.
        var lastStatus: FramedPayload?
        /// The command waits in the room for the extension's return.
        var isHeld = false
        /// The room's number of the command, once it was sent.
        var sequence: UInt64 = 0
    }

    enum Admission: Equatable {
        case admitted(row: Int)
        /// The same id and type is in flight already.
        case duplicate(row: Int)
        /// The id is in flight under another type (a cancellation that names the command it cancels): relay, track nothing.
        case related
        /// The table is at its ceiling.
        case full
        /// Longer than `idCapacity` bytes, or without an id: relay, track nothing.
        case untracked
    }

    private let limit: Int
    private(set) var openCount = 0
    private var hashes: ContiguousArray<UInt64> = []
    private(set) var rows: ContiguousArray<Row> = []
    private var slab: ContiguousArray<UInt8> = []

    /// `limit`: the most commands in flight.
    init(limit: Int) { self.limit = limit }

    /// Books a command. `id` and `type` are the raw bytes between the quotes.
    mutating func admit(
        id: UnsafeRawBufferPointer, type: UnsafeRawBufferPointer, requester: UInt64, deadlineMs: UInt64
    ) -> Admission {
        guard !id.isEmpty, id.count <= Self.idCapacity else { return .untracked }
        let hash = Self.hash(id)
        var free = -1
        for i in 0..<hashes.count {
            if hashes[i] == hash, rows[i].isOpen, matches(i, id) {
                return typeMatches(i, type) ? .duplicate(row: i) : .related
            }
            if free < 0, !rows[i].isOpen { free = i }
        }
        if free < 0 {
            guard rows.count < limit else { return .full }
            free = rows.count
            hashes.append(0)
            rows.append(Row())
            slab.append(contentsOf: repeatElement(0, count: Self.stride))
        }
        let typeCount = min(type.count, Self.typeCapacity)
        hashes[free] = hash
        rows[free].idCount = UInt8(truncatingIfNeeded: id.count)
        rows[free].typeCount = UInt8(truncatingIfNeeded: typeCount)
        rows[free].isOpen = true
        rows[free].requester = requester
        rows[free].deadlineMs = deadlineMs
        rows[free].isHeld = false
        rows[free].sequence = 0
        let base = free * Self.stride
        slab.withUnsafeMutableBytes { slab in
            UnsafeMutableRawBufferPointer(rebasing: slab[base..<base + id.count]).copyMemory(from: id)
            UnsafeMutableRawBufferPointer(rebasing: slab[base + Self.idCapacity..<base + Self.idCapacity + typeCount])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: type[0..<typeCount]))
        }
        openCount += 1
        return .admitted(row: free)
    }

    /// The open row of this id, if any.
    func find(id: UnsafeRawBufferPointer) -> Int? {
        guard openCount > 0, !id.isEmpty, id.count <= Self.idCapacity else { return nil }
        let hash = Self.hash(id)
        for i in 0..<hashes.count where hashes[i] == hash && rows[i].isOpen && matches(i, id) { return i }
        return nil
    }

    /// A status that is not terminal: the deadline starts anew. Returns the status it replaces, to be released.
    mutating func progress(row: Int, status: FramedPayload?, deadlineMs: UInt64) -> FramedPayload? {
        let old = rows[row].lastStatus
        rows[row].lastStatus = status
        rows[row].deadlineMs = deadlineMs
        return old
    }

    mutating func setSequence(row: Int, _ sequence: UInt64) { rows[row].sequence = sequence }
    mutating func setHeld(row: Int, _ held: Bool) { rows[row].isHeld = held }

    /// Ends the command. Returns the status it kept, to be released.
    mutating func close(row: Int) -> FramedPayload? {
        guard rows[row].isOpen else { return nil }
        let old = rows[row].lastStatus
        rows[row].lastStatus = nil
        rows[row].isOpen = false
        hashes[row] = 0
        openCount -= 1
        return old
    }

    /// The raw bytes of a row's id and type.
    func idAndType(row: Int) -> (id: [UInt8], type: [UInt8]) {
        let base = row * Self.stride
        let id = Array(slab[base..<base + Int(rows[row].idCount)])
        let typeBase = base + Self.idCapacity
        return (id, Array(slab[typeBase..<typeBase + Int(rows[row].typeCount)]))
    }

    /// Open rows whose deadline has passed.
    func expired(nowMs: UInt64) -> [Int] { rows.indices.filter { rows[$0].isOpen && rows[$0].deadlineMs <= nowMs } }

    /// The earliest deadline of an open row.
    var nextDeadlineMs: UInt64? {
        var next: UInt64?
        for row in rows where row.isOpen { next = min(next ?? .max, row.deadlineMs) }
        return next
    }

    var openRows: [Int] { rows.indices.filter { rows[$0].isOpen } }

    private func matches(_ row: Int, _ id: UnsafeRawBufferPointer) -> Bool {
        guard Int(rows[row].idCount) == id.count else { return false }
        let base = row * Self.stride
        return slab.withUnsafeBytes { UnsafeRawBufferPointer(rebasing: $0[base..<base + id.count]).elementsEqual(id) }
    }

    private func typeMatches(_ row: Int, _ type: UnsafeRawBufferPointer) -> Bool {
        let count = min(type.count, Self.typeCapacity)
        guard Int(rows[row].typeCount) == count else { return false }
        let base = row * Self.stride + Self.idCapacity
        return slab.withUnsafeBytes {
            UnsafeRawBufferPointer(rebasing: $0[base..<base + count]).elementsEqual(type[0..<count])
        }
    }

    /// FNV-1a over eight bytes at a time; collisions only cost a comparison.
    private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var h: UInt64 = 0xCBF2_9CE4_8422_2325 ^ UInt64(truncatingIfNeeded: bytes.count)
        var i = 0
        while i + 8 <= bytes.count {
            h = (h ^ bytes.loadUnaligned(fromByteOffset: i, as: UInt64.self)) &* 0x9E37_79B9_7F4A_7C15
            h ^= h >> 29
            i += 8
        }
        while i < bytes.count {
            h = (h ^ UInt64(bytes[i])) &* 0x100_0000_01B3
            i += 1
        }
        return h | 1
    }
}
