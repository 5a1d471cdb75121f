// The small book of commands in flight that a room keeps, so that every command ends.
//
// Pure: no clock, no I/O; time enters as an argument in milliseconds on the monotonic clock. Owned by one room, used on its loop. Steady
// state allocates nothing: ids and types live in one slab, rows are reused. A room that never had a command has no table.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

/// Not to be copied: copies would share their table.
struct CommandLedger {
    static let idCapacity = 128
    /// A longer type is not kept: half of one could be no JSON any more.
    static let typeCapacity = 64
    fileprivate static let stride = idCapacity + typeCapacity

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

    private final class Table {
        var hashes: ContiguousArray<UInt64> = []
        var rows: ContiguousArray<Row> = []
        var slab: ContiguousArray<UInt8> = []
        var openCount = 0
        var timerMs = UInt64.max

        func matches(_ row: Int, _ id: UnsafeRawBufferPointer) -> Bool {
            guard Int(rows[row].idCount) == id.count else { return false }
            let base = row * CommandLedger.stride
            return slab.withUnsafeBytes { UnsafeRawBufferPointer(rebasing: $0[base..<base + id.count]).elementsEqual(id) }
        }

        func typeMatches(_ row: Int, _ type: UnsafeRawBufferPointer) -> Bool {
            let count = CommandLedger.keptCount(type)
            guard Int(rows[row].typeCount) == count else { return false }
            let base = row * CommandLedger.stride + CommandLedger.idCapacity
            return slab.withUnsafeBytes {
                UnsafeRawBufferPointer(rebasing: $0[base..<base + count]).elementsEqual(type[0..<count])
            }
        }
    }

    /// Made with the first command.
    private var table: Table?

    /// When the room's timer for the earliest deadline goes off; `.max` while none is set.
    var timerMs: UInt64 {
        get { table?.timerMs ?? .max }
        nonmutating set { table?.timerMs = newValue }
    }

    fileprivate static func keptCount(_ type: UnsafeRawBufferPointer) -> Int { type.count <= typeCapacity ? type.count : 0 }

    var openCount: Int { table?.openCount ?? 0 }
    @inline(__always) var rows: ContiguousArray<Row> { table?.rows ?? [] }

    /// Books a command. `id` is as ids are compared (JSONString.plain), `type` the raw bytes between the quotes; `limit`: the most commands in
    /// flight, at least 1.
    mutating func admit(
        id: UnsafeRawBufferPointer, type: UnsafeRawBufferPointer, requester: UInt64, deadlineMs: UInt64, limit: Int
    ) -> Admission {
        guard !id.isEmpty, id.count <= Self.idCapacity else { return .untracked }
        let hash = Self.hash(id)
        let table = madeTable()
        var free = -1
        for i in 0..<table.hashes.count {
            if table.hashes[i] == hash, table.rows[i].isOpen, table.matches(i, id) {
                return table.typeMatches(i, type) ? .duplicate(row: i) : .related
            }
            if free < 0, !table.rows[i].isOpen { free = i }
        }
        // There are more rows than that where the limit was lowered.
        guard table.openCount < limit else { return .full }
        if free < 0 {
            free = table.rows.count
            table.hashes.append(0)
            table.rows.append(Row())
            table.slab.append(contentsOf: repeatElement(0, count: Self.stride))
        }
        let typeCount = Self.keptCount(type)
        table.hashes[free] = hash
        table.rows[free].idCount = UInt8(truncatingIfNeeded: id.count)
        table.rows[free].typeCount = UInt8(truncatingIfNeeded: typeCount)
        table.rows[free].isOpen = true
        table.rows[free].requester = requester
        table.rows[free].deadlineMs = deadlineMs
        table.rows[free].isHeld = false
        table.rows[free].sequence = 0
        let base = free * Self.stride
        table.slab.withUnsafeMutableBytes { slab in
            UnsafeMutableRawBufferPointer(rebasing: slab[base..<base + id.count]).copyMemory(from: id)
            UnsafeMutableRawBufferPointer(rebasing: slab[base + Self.idCapacity..<base + Self.idCapacity + typeCount])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: type[0..<typeCount]))
        }
        table.openCount += 1
        return .admitted(row: free)
    }

    /// The open row of this id, if any.
    func find(id: UnsafeRawBufferPointer) -> Int? {
        guard let table, table.openCount > 0, !id.isEmpty, id.count <= Self.idCapacity else { return nil }
        let hash = Self.hash(id)
        for i in 0..<table.hashes.count where table.hashes[i] == hash && table.rows[i].isOpen && table.matches(i, id) { return i }
        return nil
    }

    private mutating func madeTable() -> Table {
        if let table { return table }
        let made = Table()
        table = made
        return made
    }

    /// A status that is not terminal: the deadline starts anew. Returns the status it replaces, to be released.
    mutating func progress(row: Int, status: FramedPayload?, deadlineMs: UInt64) -> FramedPayload? {
        guard let table else { return status }
        let old = table.rows[row].lastStatus
        table.rows[row].lastStatus = status
        table.rows[row].deadlineMs = deadlineMs
        return old
    }

    @inline(__always) func sequence(row: Int) -> UInt64 { table?.rows[row].sequence ?? 0 }
    @inline(__always) func requester(row: Int) -> UInt64 { table?.rows[row].requester ?? 0 }
    mutating func setSequence(row: Int, _ sequence: UInt64) { table?.rows[row].sequence = sequence }
    mutating func setHeld(row: Int, _ held: Bool) { table?.rows[row].isHeld = held }

    /// Ends the command. Returns the status it kept, to be released.
    mutating func close(row: Int) -> FramedPayload? {
        guard let table, table.rows[row].isOpen else { return nil }
        let old = table.rows[row].lastStatus
        table.rows[row].lastStatus = nil
        table.rows[row].isOpen = false
        table.hashes[row] = 0
        table.openCount -= 1
        return old
    }

    /// What the statuses that it keeps have in bytes.
    var statusBytes: Int { rows.reduce(0) { $0 + ($1.lastStatus?.byteCount ?? 0) } }

    /// A row's id and type, as they were booked.
    func idAndType(row: Int) -> (id: [UInt8], type: [UInt8]) {
        guard let table else { return ([], []) }
        let base = row * Self.stride
        let id = Array(table.slab[base..<base + Int(table.rows[row].idCount)])
        let typeBase = base + Self.idCapacity
        return (id, Array(table.slab[typeBase..<typeBase + Int(table.rows[row].typeCount)]))
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
